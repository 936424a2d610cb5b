//! `firstcome check`: what is fit is found fit, and everything that is broken is named, each alone.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::rig::{Ended, Folder, Server, from_now, one_off, run, run_with};

/// Where nothing listens.
const NOBODY: &str = "http://127.0.0.1:1";

/// A check's report: verdict, part, what and the whole, of each that is not ok.
fn found(ended: &Ended, verdict: &str) -> Vec<String> {
    let report = ended.json();
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("{ended:?}"));
    let bad = checks.iter().filter(|check| check["verdict"] == verdict);
    bad.map(|check| format!("{} {}", check["part"], check["what"]).replace('"', "")).collect()
}

async fn check_folder(folder: &Folder, more: &[&str]) -> Ended {
    // Flags win over the environment.
    let folder = folder.path().to_str().unwrap();
    let env =
        [("FIRSTCOME_DATA_DIR", folder), ("FIRSTCOME_ADDR", "127.0.0.1:0"), ("FIRSTCOME_SERVER", NOBODY)];
    run_with(["check", "--json"].into_iter().chain(more.iter().copied()), &env).await
}

/// Nothing is wrong but this.
async fn only(folder: &Folder, more: &[&str], wrong: &str) -> Value {
    let ended = check_folder(folder, more).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(found(&ended, "wrong"), [wrong], "{ended:?}");
    assert_eq!(ended.json()["fit"], false);
    ended.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_fit_before_its_first_start_and_while_it_is_used() {
    let folder = Folder::new();
    let ended = check_folder(&folder, &[]).await;
    assert_eq!((ended.code, found(&ended, "wrong")), (Some(0), vec![]), "{ended:?}");
    assert!(folder.contents().is_empty(), "a check makes nothing");

    let server = Server::start(&folder).await;
    let mut later = one_off("later", 500);
    (later["opens_at"], later["closes_at"]) = (from_now(3_600_000).into(), from_now(7_200_000).into());
    server.api.post("/v1/campaigns", &later).await.with(201);
    server.api.create("now", 20).await;
    server.api.ask("now", "somebody").await.issued();
    let ended = check_folder(&folder, &["--server", &server.url]).await;
    assert_eq!((ended.code, found(&ended, "wrong")), (Some(0), vec![]), "{ended:?}");
    let report = ended.json();
    let opens: Vec<_> =
        report["opens"].as_array().unwrap().iter().map(|open| (&open["id"], &open["remaining"])).collect();
    assert_eq!(opens, [(&"now".into(), &19.into()), (&"later".into(), &500.into())], "{report}");
    let wait = report["opens"][1]["opens_in_seconds"].as_i64().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{report}");

    let text = run(["check", "--server", &server.url, "--data-dir", folder.path().to_str().unwrap()]).await;
    for line in ["now", "open until", "later", "opens 20", "fit"] {
        assert!(text.stdout.contains(line), "{line} is not in\n{}", text.stdout);
    }
    for (server, code) in [(server.url.as_str(), 0), (NOBODY, 2)] {
        let ready = run(["check", "--ready", "--server", server]).await;
        assert_eq!((ready.code, ready.stdout.as_str()), (Some(code), ""), "{ready:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_folder_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    only(&folder, &["--addr", &taken.local_addr().unwrap().to_string()], "process port").await;
    only(&folder, &["--code-secret", "short"], "folder code secret").await;
    only(&folder, &["--api-keys", "nonsense"], "process API keys").await;

    let server = Server::start(&folder).await;
    server.api.create("kept", 5).await;
    server.stopped().await;
    let log = folder.file("log.db");
    let written = log.metadata().unwrap().modified().unwrap();
    let file = std::fs::File::options().append(true).open(&log).unwrap();
    file.set_modified(written + Duration::from_hours(1)).unwrap();
    only(&folder, &[], "folder clock").await;
    file.set_modified(written).unwrap();

    let (secret, aside) = (folder.file("code-secret"), folder.file("aside"));
    std::fs::rename(&secret, &aside).unwrap();
    only(&folder, &[], "folder code secret").await;
    std::fs::rename(&aside, &secret).unwrap();

    std::fs::rename(&log, &aside).unwrap();
    only(&folder, &[], "folder log.db").await;
    std::fs::rename(&aside, &log).unwrap();
    let ended = check_folder(&folder, &[]).await;
    assert_eq!((ended.code, found(&ended, "wrong")), (Some(0), vec![]), "{ended:?}");

    let file = Folder::new();
    std::fs::write(file.file("it"), "").unwrap();
    let at = file.file("it");
    let ended = run(["check", "--json", "--server", NOBODY, "--data-dir", at.to_str().unwrap()]).await;
    assert!(found(&ended, "wrong").contains(&"folder folder".to_owned()), "{ended:?}");
}

#[cfg(not(feature = "cluster"))]
#[tokio::test]
async fn a_build_without_the_drivers_says_how_to_get_them() {
    for args in [&["command"][..], &["query"], &["check", "--redis-url", "redis://127.0.0.1:6379"]] {
        let ended = run(args.iter().copied()).await;
        assert!(ended.one_clear_error().contains("--features cluster"), "{ended:?}");
    }
    let ended = run_with(["check"], &[("FIRSTCOME_MONGO_URL", "mongodb://127.0.0.1/x")]).await;
    assert!(ended.one_clear_error().contains("--features cluster"), "{ended:?}");
}

#[cfg(feature = "cluster")]
mod cluster {
    use std::time::{Duration, Instant};

    use firstcome_testkit::{Mongo, Nats, NatsCluster, Postgres, Redis};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::{NOBODY, found};
    use crate::poison::key;
    use crate::rig::{Ended, Launch, PATIENCE, from_now, one_off, run_with};

    /// The settings of a whole cluster, of which single ones can be changed.
    #[derive(Clone)]
    struct Env(Vec<(String, String)>);

    impl Env {
        async fn of(redis: &Redis, nats: &Nats, postgres: &Postgres, mongo: &Mongo) -> Self {
            let keys = [key("olga", "operator").await.1, key("shop", "issuer").await.1].join(",");
            let all = [
                ("REDIS_URL", redis.url()),
                ("NATS_URL", nats.url()),
                ("NATS_MONITOR_URL", monitoring(nats).await),
                ("POSTGRES_URL", postgres.url()),
                ("MONGO_URL", format!("{}/firstcome", mongo.url())),
                ("CODE_SECRET", "s".repeat(40)),
                ("API_KEYS", keys),
                ("SERVER", NOBODY.to_owned()),
            ];
            Self(all.map(|(name, value)| (format!("FIRSTCOME_{name}"), value)).into())
        }

        fn with(&self, name: &str, value: &str) -> Self {
            let name = format!("FIRSTCOME_{name}");
            let mut others: Vec<_> = self.0.iter().filter(|(other, _)| *other != name).cloned().collect();
            others.push((name, value.to_owned()));
            Self(others)
        }

        fn get(&self, name: &str) -> &str {
            let name = format!("FIRSTCOME_{name}");
            &self.0.iter().find(|(other, _)| *other == name).unwrap().1
        }

        async fn check(&self) -> Ended {
            let env: Vec<_> = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            run_with(["check", "--json"], &env).await
        }

        /// Checks until it is so: an engine that answers too late once, on a busy machine, is rightly unknown or not ready.
        async fn comes_to(&self, what: &str, so: impl Fn(&Ended) -> bool) -> Ended {
            let until = Instant::now() + PATIENCE;
            loop {
                let ended = self.check().await;
                if so(&ended) {
                    return ended;
                }
                assert!(Instant::now() < until, "it did not come to this: {what}\n{}", ended.stdout);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }

        /// Nothing is wrong, and nothing is unknown.
        async fn fit(&self) -> Ended {
            let ended = self.comes_to("fit", |ended| ended.code == Some(0)).await;
            assert_eq!(ended.json()["fit"], true);
            let secret = self.get("CODE_SECRET");
            assert!(secret.is_empty() || !ended.stdout.contains(secret), "the secret is kept");
            ended
        }

        /// Nothing is wrong but this, and nothing is unknown.
        async fn only(&self, wrong: &str) -> Ended {
            self.comes_to(wrong, |ended| {
                ended.code == Some(1)
                    && found(ended, "wrong") == [wrong]
                    && found(ended, "unknown").is_empty()
            })
            .await
        }

        /// This cannot be told.
        async fn unknown(&self, what: &str) {
            self.comes_to(what, |ended| ended.code == Some(2) && found(ended, "unknown") == [what]).await;
        }
    }

    async fn monitoring(nats: &Nats) -> String {
        let varz: serde_json::Value = serde_json::from_str(&nats.monitor("/varz").await.unwrap()).unwrap();
        format!("http://127.0.0.1:{}", varz["http_port"])
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_setting_that_is_wrong_is_found_alone() {
        let (redis, nats, postgres, mongo) =
            tokio::join!(Redis::start(), Nats::start(), Postgres::start(), Mongo::start());
        let env = Env::of(&redis, &nats, &postgres, &mongo).await;
        env.fit().await;

        for (setting, wrong) in
            [("maxmemory-policy", "allkeys-lru"), ("appendonly", "no"), ("repl-backlog-ttl", "3600")]
        {
            let right = redis.command(&format!("CONFIG GET {setting}")).await;
            let right = right.lines().nth(1).unwrap();
            assert_eq!(redis.command(&format!("CONFIG SET {setting} {wrong}")).await, "OK");
            env.only(&format!("gate {setting}")).await;
            assert_eq!(redis.command(&format!("CONFIG SET {setting} {right}")).await, "OK");
        }

        env.with("CODE_SECRET", "").only("services code secret").await;
        env.with("CODE_SECRET", "short").only("services code secret").await;
        env.with("API_KEYS", "").only("services API keys").await;
        env.with("API_KEYS", "olga:emperor:00").only("services API keys").await;
        env.with("LOG_REPLICAS", "3").only("log replicas").await;

        let slow = slow_clock(&redis).await;
        env.with("REDIS_URL", &slow).only("gate clock").await;

        let monitoring = env.with("NATS_MONITOR_URL", &slow_monitoring().await).fit().await;
        assert!(found(&monitoring, "warn").contains(&"log clock".to_owned()), "{}", monitoring.stdout);

        for (setting, wrong) in [("fsync", "off"), ("synchronous_commit", "off")] {
            let postgres = Postgres::start_with(&["-c", &format!("{setting}={wrong}")]).await;
            env.with("POSTGRES_URL", &postgres.url()).only(&format!("ledger {setting}")).await;
        }
        env.fit().await;

        redis.kill().await;
        env.unknown("gate answers").await;
        redis.restart().await;
        env.with("NATS_MONITOR_URL", NOBODY).unknown("log sync_interval").await;
        env.with("NATS_URL", "nats://127.0.0.1:1").unknown("log answers").await;
        env.with("POSTGRES_URL", "postgres://postgres@127.0.0.1:1/x").unknown("ledger answers").await;
        env.with("MONGO_URL", "mongodb://127.0.0.1:1/x").unknown("read model answers").await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_log_that_flushes_now_and_then_is_found() {
        let (redis, postgres, mongo) = tokio::join!(Redis::start(), Postgres::start(), Mongo::start());
        let folder = tempfile::tempdir().unwrap();
        for (name, settings, flushes) in [
            ("default", "jetstream {}", "every 120 s"),
            ("often", "jetstream { sync_interval: 1s }", "every 1 s"),
        ] {
            let file = folder.path().join(name);
            std::fs::write(&file, settings).unwrap();
            let nats = Nats::start_with(&["--config", file.to_str().unwrap()]).await;
            let env = Env::of(&redis, &nats, &postgres, &mongo).await;
            let ended = env.only("log sync_interval").await;
            assert!(ended.stdout.contains(flushes), "{}", ended.stdout);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_log_that_was_changed_and_another_secret_are_found_and_running_services_are_asked() {
        let (redis, nats, postgres, mongo) =
            tokio::join!(Redis::start(), Nats::start(), Postgres::start(), Mongo::start());
        let env = Env::of(&redis, &nats, &postgres, &mongo).await;
        let launch = |part: &str| {
            let all = env.0.iter().filter(|(name, _)| name != "FIRSTCOME_API_KEYS");
            all.fold(Launch::part(part), |launch, (name, value)| launch.env(name, value))
        };
        let args = &["--addr", "127.0.0.1:0"];
        let (command, query) =
            tokio::join!(launch("command").args(args).start(), launch("query").args(args).start());
        command.api.post("/v1/campaigns", &one_off("tonight", 5)).await.with(201);
        let both = env.with("SERVER", &format!("{},{}", query.url, command.url));
        let report = both.fit().await.json();
        assert_eq!(report["opens"][0]["id"], "tonight", "{report}");
        env.with("CODE_SECRET", &"t".repeat(40)).only("log code secret").await;

        // A read side that cannot answer is not ready.
        mongo.kill().await;
        both.comes_to("not ready", |ended| found(ended, "wrong").contains(&"service ready".to_owned())).await;
        mongo.restart().await;
        for server in [command, query] {
            server.stopped().await;
        }

        // By hand, as an operator might in order to make room.
        let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
        let mut config = jetstream.get_stream("firstcome").await.unwrap().cached_info().config.clone();
        config.max_age = std::time::Duration::from_hours(24);
        jetstream.update_stream(config).await.unwrap();
        env.only("log stream").await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_that_is_away_is_found() {
        let (redis, nats, postgres, mongo) =
            tokio::join!(Redis::start(), NatsCluster::start(), Postgres::start(), Mongo::start());
        let mut monitors = Vec::new();
        for node in nats.nodes() {
            monitors.push(monitoring(node).await);
        }
        let env = Env::of(&redis, nats.node(0), &postgres, &mongo).await;
        let env = env.with("NATS_URL", &nats.url()).with("NATS_MONITOR_URL", &monitors.join(","));
        let env = env.with("LOG_REPLICAS", "3");
        let launch = env.0.iter().filter(|(name, _)| name != "FIRSTCOME_API_KEYS");
        let launch = launch.fold(Launch::part("command"), |launch, (name, value)| launch.env(name, value));
        let command = launch.args(&["--addr", "127.0.0.1:0"]).start().await;
        env.fit().await;
        let away = 2;
        nats.node(away).kill().await;
        let monitors = [&*monitors[0], &monitors[1]].join(",");
        let env = env.with("NATS_MONITOR_URL", &monitors);
        env.comes_to("the copy is known to be away", |ended| found(ended, "wrong") == ["log copies"]).await;
        command.stopped().await;
    }

    /// The monitoring of a NATS server that flushes always and whose clock is a minute late.
    async fn slow_monitoring() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.read(&mut [0; 1_024]).await;
                let jetstream = r#"{"config":{"sync_always":true}}"#;
                let varz = format!(r#"{{"now":"{}","jetstream":{jetstream}}}"#, from_now(-60_000));
                let answer = format!("HTTP/1.0 200 OK\r\n\r\n{varz}");
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    /// A proxy in front of Redis whose clock is a minute late: the only reply that has ten digits is the time.
    async fn slow_clock(redis: &Redis) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, server) = (format!("redis://{}", listener.local_addr().unwrap()), redis.addr());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_client, mut to_client) = client.into_split();
                let server = TcpStream::connect(&server).await.unwrap();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                        let reply = set_back(String::from_utf8_lossy(&buffer[..count]).into_owned());
                        to_client.write_all(reply.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        url
    }

    fn set_back(reply: String) -> String {
        let digits = reply.strip_prefix("*2\r\n$10\r\n").and_then(|rest| rest.get(..10)).map(str::to_owned);
        match digits.and_then(|digits| Some((digits.parse::<u64>().ok()?, digits))) {
            Some((seconds, digits)) => reply.replacen(&digits, &(seconds - 60).to_string(), 1),
            None => reply,
        }
    }
}
