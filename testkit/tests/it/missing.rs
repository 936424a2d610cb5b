//! A test without its server fails, and says what to do.

use std::{
    os::unix::fs::symlink,
    process::{Command, id},
};

/// What `sh` needs to get as far as looking for a server.
const TOOLS: [&str; 12] =
    ["sh", "mktemp", "chmod", "mkdir", "cat", "setsid", "sed", "rm", "sleep", "dirname", "ls", "id"];

#[test]
fn a_test_without_its_server_fails_and_says_what_to_install() {
    let path = std::env::temp_dir().join(format!("firstcome-test-path-{}", id()));
    std::fs::create_dir_all(&path).unwrap();
    for tool in TOOLS {
        let found = ["/usr/bin", "/bin"].map(|folder| format!("{folder}/{tool}"));
        let found = found.iter().find(|file| std::fs::exists(file).unwrap()).expect(tool);
        symlink(found, path.join(tool)).unwrap();
    }
    for (test, says) in [
        (
            "redis::a_paused_redis_answers_when_it_goes_on",
            "redis-server is not on PATH: run scripts/setup, or set FIRSTCOME_TEST_REDIS_URL",
        ),
        (
            "nats::nats_flushes_every_append",
            "nats-server is not on PATH: run scripts/setup, or set FIRSTCOME_TEST_NATS_URL",
        ),
        (
            "mongo::a_paused_mongo_answers_when_it_goes_on",
            "mongod is not on PATH: run scripts/setup, or set FIRSTCOME_TEST_MONGO_URL",
        ),
    ] {
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env("PATH", &path)
            .env("FIRSTCOME_TOOLS", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(!run.status.success() && said.contains(says), "{test}:\n{said}");
    }
    std::fs::remove_dir_all(&path).unwrap();
}
