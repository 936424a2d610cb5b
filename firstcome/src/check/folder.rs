//! A single process: its folder, its secret, its port, and what the system allows it.

use std::fs::{File, Metadata, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use firstcome_shared::clock::{Clock as _, Millis, SystemClock};
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpListener;

use super::given;
use super::report::{Place, Report};
use crate::cli::CheckArgs;

/// Room for an event, with something to spare.
const ENOUGH_SPACE: u64 = 2 << 30;
/// Below it the log may be full in the middle of a rush.
const LITTLE_SPACE: u64 = 256 << 20;
/// Connections of a rush and the files.
const ENOUGH_FILES: u64 = 4_096;
/// A file's time may be this much later than the clock: file systems round.
const FUTURE_MS: i64 = 2_000;

/// Looks at the folder and at what the process would be given; changes nothing.
pub async fn check(args: &CheckArgs, report: &mut Report) {
    let folder = &args.data_dir;
    let mut place = Place::new("folder", folder.display().to_string());
    let runs = files(&mut place, folder);
    secret(&mut place, folder, args.code_secret.as_deref());
    report.add(place);

    let mut place = Place::new("process", args.addr.as_str());
    given::keys(&mut place, &args.api_keys, false);
    if !runs {
        // Whoever listens there is asked for more further down, if it is ours.
        match TcpListener::bind(&args.addr).await {
            Ok(_) => place.ok("port", "free"),
            Err(error) => place.wrong("port", error.to_string(), "free it, or choose another with --addr"),
        }
    }
    if let Some(files) = getrlimit(Resource::Nofile).current.filter(|files| *files < ENOUGH_FILES) {
        place.warn("open files", files.to_string(), format!("`ulimit -n {ENOUGH_FILES}` or more for a rush"));
    }
    report.add(place);
}

/// The folder itself; whether a process runs on it.
fn files(place: &mut Place, folder: &Path) -> bool {
    let Ok(metadata) = folder.metadata() else {
        place.ok("folder", "is made at the first start");
        space(place, folder.ancestors().skip(1).find(|parent| parent.exists()).unwrap_or(Path::new(".")));
        return false;
    };
    if !metadata.is_dir() {
        place.wrong("folder", "is a file", "choose another with --data-dir");
        return false;
    }
    if rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_err() {
        place.wrong("folder", "cannot be written", "give it to the user that runs firstcome");
    } else if open_to_others(&metadata) {
        place.warn("folder", "can be read by others", "it holds coupon codes, which are money: chmod 700");
    } else {
        place.ok("folder", "writable, its owner's alone");
    }
    let there = |name: &str| folder.join(name).exists();
    if !there("log.db") && (there("ledger.db") || there("read.db")) {
        place.wrong("log.db", "gone, and what was read from it is there", "restore it from a copy");
    }
    clock(place, folder);
    space(place, folder);
    let lock = File::open(folder.join("lock"));
    let runs = lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    if runs {
        place.ok("lock", "a firstcome runs on it");
    }
    runs
}

fn open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

/// A clock that was set back behind what the log has used keeps campaigns shut until it has caught up.
fn clock(place: &mut Place, folder: &Path) {
    let written = ["log.db", "log.db-wal"].iter().filter_map(|name| {
        let modified = folder.join(name).metadata().ok()?.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Millis)
    });
    let ahead = written.max().map_or(0, |written| written.since(SystemClock.now()));
    if ahead > FUTURE_MS {
        place.wrong(
            "clock",
            format!("{ahead} ms behind the log's last write"),
            "set it by NTP: it was set back, or the log comes from another machine",
        );
    } else {
        place.ok("clock", "not behind the log");
    }
}

fn space(place: &mut Place, at: &Path) {
    let Ok(disk) = rustix::fs::statvfs(at) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = format!("{} MiB free", free >> 20);
    let remedy = "make room: while the disk is full nothing is issued";
    if free < LITTLE_SPACE {
        place.wrong("disk", found, remedy);
    } else if free < ENOUGH_SPACE {
        place.warn("disk", found, remedy);
    } else {
        place.ok("disk", found);
    }
}

/// The given secret, else the folder's own.
fn secret(place: &mut Place, folder: &Path, given: Option<&str>) {
    if let Some(given) = given {
        given::usable(place, given);
        return;
    }
    let at = folder.join("code-secret");
    match (std::fs::read_to_string(&at), folder.join("log.db").exists()) {
        (Ok(secret), _) => {
            given::usable(place, secret.trim());
            if at.metadata().is_ok_and(|metadata| open_to_others(&metadata)) {
                place.warn(
                    "code-secret",
                    "can be read by others",
                    "who has it can make every code: chmod 600",
                );
            }
        }
        (Err(_), false) => place.ok("code secret", "is made at the first start"),
        (Err(error), true) => place.wrong(
            "code secret",
            format!("{}: {error}", at.display()),
            "restore it: the log's campaigns were made with it",
        ),
    }
}
