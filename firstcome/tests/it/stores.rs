//! The files: what comes back from the log, and what the binary refuses to start with, untouched.

use std::path::Path;

use serde_json::Value;

use crate::rig::{
    Coupon, Ended, Folder, Launch, Server, alter, ask_all, assert_exact, assert_level, coupons, fingerprint,
    people, run_with,
};

/// A folder with a campaign of 40 coupons, 30 sold, whose server was stopped, or killed.
async fn used(folder: &Folder, killed: bool) -> Vec<Coupon> {
    let server = Server::start(folder).await;
    server.api.create("kept", 40).await;
    let told = ask_all(&server.api, "kept", &people("p", 30)).await;
    assert_level(&server.api, "kept").await;
    if killed {
        server.kill().await;
    } else {
        server.stopped().await;
    }
    coupons(&told)
}

/// The binary refuses the folder and leaves every file as it is.
async fn refused_untouched(folder: &Folder) -> Ended {
    untouched(folder, |_| true).await
}

/// The binary refuses the folder after it has looked into the databases: they stay as they are, and what SQLite needs
/// beside a database that it has open may be left there.
async fn refused_on_sight(folder: &Folder) -> Ended {
    untouched(folder, |file| !file.ends_with("-wal") && !file.ends_with("-shm")).await
}

async fn untouched(folder: &Folder, counts: fn(&str) -> bool) -> Ended {
    let contents = || folder.contents().into_iter().filter(|file| counts(&file.0)).collect::<Vec<_>>();
    let before = contents();
    let ended = Launch::on(folder).refused().await;
    let after = contents();
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    for (before, after) in before.iter().zip(&after) {
        assert!(before.1 == after.1, "{} was changed", before.0);
    }
    ended
}

async fn comes_back(databases: &[&str], killed: bool) {
    let folder = Folder::new();
    let sold = used(&folder, killed).await;
    let server = Server::start(&folder).await;
    let mut before = Vec::new();
    for store in ["ledger", "read_model"] {
        before.push(rows_of(&fingerprint(&server.api, "kept", store).await));
    }
    server.kill().await;
    for database in databases {
        folder.remove_database(database);
    }
    let server = server.started_again().await;
    assert_level(&server.api, "kept").await;
    for (store, before) in ["ledger", "read_model"].iter().zip(before) {
        assert_eq!(rows_of(&fingerprint(&server.api, "kept", store).await), before, "{store}");
    }
    assert_exact(&server, "kept", 30, &sold).await;
    let more = ask_all(&server.api, "kept", &people("q", 20)).await;
    assert_exact(&server, "kept", 40, &coupons(&more)).await;
}

/// What a fingerprint says of the rows.
fn rows_of(fingerprint: &Value) -> Vec<Value> {
    ["count", "highest", "checksum", "status_checksum"].map(|of| fingerprint[of].clone()).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_ledger_comes_back_from_the_log() {
    comes_back(&["ledger.db"], false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_read_model_comes_back_from_the_log() {
    comes_back(&["read.db"], true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_deleted_they_come_back_from_the_log() {
    comes_back(&["ledger.db", "read.db"], true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_log_is_refused_and_the_other_files_stay_as_they_are() {
    for killed in [false, true] {
        let folder = Folder::new();
        used(&folder, killed).await;
        // With what belongs to it, and without: as careful and as careless people do it.
        if killed {
            std::fs::remove_file(folder.file("log.db")).unwrap();
        } else {
            folder.remove_database("log.db");
        }
        for _ in 0..2 {
            let ended = refused_untouched(&folder).await;
            let error = ended.one_clear_error();
            for part in ["log.db is gone", "ledger.db", "read.db", "restore"] {
                assert!(error.contains(part), "{error}");
            }
        }
        // The ledger alone is reason enough.
        folder.remove_database("read.db");
        assert!(refused_untouched(&folder).await.one_clear_error().contains("log.db is gone"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("kept", 10).await;
    let ended = Launch::on(&folder).refused().await;
    let error = ended.one_clear_error();
    assert!(error.contains("another firstcome runs on"), "{error}");
    let told = ask_all(&server.api, "kept", &people("p", 5)).await;
    assert_exact(&server, "kept", 5, &coupons(&told)).await;
    // The lock is gone with the process, however it ended.
    let server = server.killed_and_started_again().await;
    assert_exact(&server, "kept", 5, &coupons(&told)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_another_folder_is_refused() {
    let (folder, other) = (Folder::new(), Folder::new());
    used(&folder, false).await;
    used(&other, false).await;
    // The same secret, so that it is the log alone that is wrong.
    for file in ["log.db", "code-secret"] {
        std::fs::copy(other.file(file), folder.file(file)).unwrap();
    }
    for _ in 0..2 {
        let ended = refused_on_sight(&folder).await;
        let error = ended.one_clear_error();
        assert!(error.contains("the log is not the one that the ledger was read from"), "{error}");
    }
    // With the ledger out of the way the read model still speaks up.
    folder.remove_database("ledger.db");
    let ended = Launch::on(&folder).refused().await;
    let error = ended.one_clear_error();
    assert!(error.contains("the log is not the one that the read model was read from"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_restored_from_an_older_copy_is_refused() {
    let folder = Folder::new();
    used(&folder, false).await;
    let older = std::fs::read(folder.file("log.db")).unwrap();
    let server = Server::start(&folder).await;
    let told = ask_all(&server.api, "kept", &people("q", 5)).await;
    assert_eq!(coupons(&told).len(), 5);
    assert_level(&server.api, "kept").await;
    server.stopped().await;
    std::fs::write(folder.file("log.db"), older).unwrap();
    let ended = Launch::on(&folder).refused().await;
    let error = ended.one_clear_error();
    assert!(error.contains("the log is not the one that the ledger was read from"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_or_damaged_log_is_refused() {
    for bytes in [&b""[..], b"SQLite format 3\0 no, it is not", &[0xff; 8192]] {
        let folder = Folder::new();
        used(&folder, false).await;
        std::fs::write(folder.file("log.db"), bytes).unwrap();
        let ended = Launch::on(&folder).refused().await;
        let error = ended.one_clear_error();
        assert!(error.contains("the log"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_ledger_or_read_model_is_refused_with_its_name() {
    for (file, name) in [("ledger.db", "ledger"), ("read.db", "read")] {
        let folder = Folder::new();
        used(&folder, false).await;
        std::fs::write(folder.file(file), [0xff; 8192]).unwrap();
        let ended = Launch::on(&folder).refused().await;
        let error = ended.one_clear_error();
        assert!(error.contains(name), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_changed_secret_is_refused_and_with_the_right_one_codes_are_the_same() {
    let folder = Folder::new();
    let sold = used(&folder, false).await;
    let at = folder.file("code-secret");
    let secret = std::fs::read_to_string(&at).unwrap();

    std::fs::remove_file(&at).unwrap();
    let ended = refused_untouched(&folder).await;
    let error = ended.one_clear_error();
    assert!(error.contains("code-secret is missing") && error.contains("FIRSTCOME_CODE_SECRET"), "{error}");

    let changed = "0123456789abcdef0123456789abcdef";
    for (file, env) in [(Some(changed), None), (Some(&*secret), Some(changed)), (None, Some(changed))] {
        match file {
            Some(secret) => std::fs::write(&at, secret).unwrap(),
            None => std::fs::remove_file(&at).unwrap(),
        }
        let launch = Launch::on(&folder);
        let launch =
            env.into_iter().fold(launch, |launch, secret| launch.env("FIRSTCOME_CODE_SECRET", secret));
        let ended = launch.refused().await;
        let error = ended.one_clear_error();
        assert!(error.contains("another secret") && !error.contains(changed), "{error}");
    }
    for useless in ["", "short"] {
        std::fs::write(&at, useless).unwrap();
        let ended = refused_untouched(&folder).await;
        let error = ended.one_clear_error();
        assert!(error.contains("code-secret is damaged"), "{error}");
    }

    // Given from outside instead of in the file.
    std::fs::remove_file(&at).unwrap();
    let server = Launch::on(&folder).env("FIRSTCOME_CODE_SECRET", secret.trim()).start().await;
    assert_eq!(
        server.api.ask("kept", "p-1").await.already(),
        *sold.iter().find(|c| c.user == "p-1").unwrap()
    );
    let more = ask_all(&server.api, "kept", &people("q", 10)).await;
    let all: Vec<_> = sold.iter().chain(&coupons(&more)).cloned().collect();
    assert_exact(&server, "kept", 40, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_removed_from_the_middle_of_the_log_stops_issuing_instead_of_selling_on_in_the_dark() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("robbed", 40).await;
    server.api.create("beside", 40).await;
    for person in people("p", 5) {
        server.api.ask("robbed", &person).await.issued();
    }
    assert_level(&server.api, "robbed").await;
    server.stopped().await;
    let robbed = "DELETE FROM message WHERE sequence = (SELECT max(sequence) - 2 FROM message WHERE campaign = 'robbed')";
    assert_eq!(alter(&folder.file("log.db"), robbed).await, 1);
    let server = Server::start(&folder).await;
    let told = server.api.ask("robbed", "p-1").await;
    assert_eq!(
        told,
        crate::rig::Told::Again("unavailable".to_owned()),
        "nothing is issued from a log with a hole"
    );
    server.api.ask("beside", "p-1").await.issued();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_leaves_each_store_whole_in_its_one_file_so_that_a_copy_is_a_backup() {
    let folder = Folder::new();
    let sold = used(&folder, false).await;
    let names: Vec<_> = folder.contents().into_iter().map(|file| file.0).collect();
    assert_eq!(names, ["code-secret", "ledger.db", "lock", "log.db", "read.db"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = folder.file("code-secret").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // The log and the secret are all that is needed.
    let elsewhere = Folder::new();
    for file in ["log.db", "code-secret"] {
        std::fs::copy(folder.file(file), elsewhere.file(file)).unwrap();
    }
    let server = Server::start(&elsewhere).await;
    for coupon in &sold {
        assert_eq!(server.api.ask("kept", &coupon.user).await.already(), *coupon);
    }
    assert_exact(&server, "kept", 30, &sold).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_used_is_one_clear_error() {
    let folder = Folder::new();
    let file = folder.file("a-file");
    std::fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below"), Path::new("/proc/no-folder").to_owned()] {
        let path = path.to_str().unwrap();
        let ended = run_with(["serve", "--headless", "--addr", "127.0.0.1:0", "--data-dir", path], &[]).await;
        let error = ended.one_clear_error();
        assert!(error.contains(path), "{error}");
    }
}
