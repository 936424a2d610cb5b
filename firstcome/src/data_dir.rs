//! The folder of a single process: its lock, its files, its secret. Everything that could make two processes write
//! one log, or one process read another's leavings as its own, is refused here with one clear error.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use firstcome_shared::clock::random_hex;
use firstcome_shared::domain::CodeSecret;

/// A locked data folder. The lock is the operating system's: it is gone with the process, also after kill -9.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder if need be and locks it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        make_folder(path).with_context(|| format!("cannot make the data folder {}", path.display()))?;
        let at = path.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&at);
        let lock = lock.with_context(|| format!("cannot open {}", at.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another firstcome runs on {}: stop it, or choose another folder with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", at.display()));
            }
        }
        let dir = Self { path: path.to_owned(), _lock: lock };
        dir.refuse_lost_log()?;
        Ok(dir)
    }

    /// The log: the truth.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.db")
    }

    /// The ledger: for payment.
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger.db")
    }

    /// The read model: for people.
    pub fn read_model(&self) -> PathBuf {
        self.path.join("read.db")
    }

    /// Where the log for people goes while the console has the terminal.
    pub fn log_for_people(&self) -> PathBuf {
        self.path.join("firstcome.log")
    }

    /// The given secret, else the folder's own, made once and readable by its owner only.
    pub fn secret(&self, given: Option<&str>) -> anyhow::Result<CodeSecret> {
        if let Some(given) = given {
            return Ok(CodeSecret::new(given)?);
        }
        let at = self.path.join("code-secret");
        if !at.exists() {
            if self.log().exists() {
                bail!(
                    "{} is missing, but the log has campaigns whose codes were made with it: restore it, or set {}",
                    at.display(),
                    firstcome_shared::config::CODE_SECRET
                );
            }
            write_secret(&at, &random_hex::<32>())
                .with_context(|| format!("cannot write {}", at.display()))?;
        }
        let secret = std::fs::read_to_string(&at).with_context(|| format!("cannot read {}", at.display()))?;
        CodeSecret::new(secret.trim()).with_context(|| format!("{} is damaged", at.display()))
    }

    /// Ledger and read model are read from the log: without it, a new and empty log would contradict them.
    fn refuse_lost_log(&self) -> anyhow::Result<()> {
        let left: Vec<_> =
            [self.ledger(), self.read_model()].into_iter().filter(|file| file.exists()).collect();
        if self.log().exists() || left.is_empty() {
            return Ok(());
        }
        let left: Vec<_> = left.iter().map(|file| file.display().to_string()).collect();
        bail!(
            "the log {} is gone, but {} still there: restore the log from a copy, or begin anew in another folder",
            self.log().display(),
            if left.len() == 1 { format!("{} is", left[0]) } else { format!("{} are", left.join(" and ")) }
        )
    }
}

/// Coupon codes are money: a folder made here is its owner's only.
fn make_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whole or not at all, so that a crash cannot leave half a secret behind.
fn write_secret(at: &Path, secret: &str) -> std::io::Result<()> {
    let draft = at.with_extension("draft");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    std::fs::rename(draft, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path()).unwrap();
        let refused = DataDir::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("another firstcome runs"), "{refused}");
        drop(first);
        DataDir::open(folder.path()).unwrap();
    }

    #[test]
    fn the_secret_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::open(folder.path()).unwrap();
        let secret = dir.secret(None).unwrap();
        assert_eq!(dir.secret(None).unwrap().key_id(), secret.key_id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = folder.path().join("code-secret").metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let given = "0123456789abcdef0123456789abcdef";
        assert_ne!(dir.secret(Some(given)).unwrap().key_id(), secret.key_id());
    }

    #[test]
    fn a_lost_log_or_secret_is_refused_and_nothing_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("read.db"), "kept").unwrap();
        let refused = DataDir::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("log.db is gone"), "{refused}");
        assert_eq!(std::fs::read_to_string(folder.path().join("read.db")).unwrap(), "kept");
        std::fs::write(folder.path().join("log.db"), "").unwrap();
        let dir = DataDir::open(folder.path()).unwrap();
        assert!(dir.secret(None).unwrap_err().to_string().contains("code-secret is missing"));
    }
}
