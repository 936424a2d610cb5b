//! The files that people deploy with name nothing that does not exist: no engine for containers runs here, so they are
//! held against what they name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::rig::run;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(file: &str) -> String {
    let at = root().join(file);
    std::fs::read_to_string(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display()))
}

/// Every word that begins like one of our environment variables.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'))
        .filter(|word| word.len() > "FIRSTCOME_".len() && word.starts_with("FIRSTCOME_"))
        .collect()
}

/// The environment variables that the program knows.
fn known(config: &str) -> BTreeSet<&str> {
    config.lines().filter(|line| line.starts_with("pub const ")).flat_map(variables).collect()
}

/// Each service with its lines.
fn services(compose: &str) -> Vec<(&str, Vec<&str>)> {
    let mut services: Vec<(&str, Vec<&str>)> = Vec::new();
    let lines = compose.lines().skip_while(|line| *line != "services:").skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        match line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) {
            Some(name) if !name.starts_with(' ') => services.push((name, Vec::new())),
            _ => services.last_mut().unwrap().1.push(line.trim()),
        }
    }
    services
}

fn docker_compose(env: &[(&str, &str)]) -> Output {
    let mut command = Command::new("docker-compose");
    // Settings of whoever runs the tests are none of their business.
    let no_settings = tempfile::NamedTempFile::new().unwrap();
    command.arg("--env-file").arg(no_settings.path());
    command.args(["--file", "docker-compose.yml", "config", "--quiet"]);
    command.env_remove("FIRSTCOME_API_KEYS").env_remove("FIRSTCOME_CODE_SECRET").envs(env.iter().copied());
    command.current_dir(root());
    command.output().unwrap_or_else(|error| panic!("docker-compose: {error}; install docker-compose"))
}

#[test]
fn the_compose_file_is_one_and_does_not_start_without_keys_and_secret() {
    let (keys, secret) = (("FIRSTCOME_API_KEYS", "ops:operator:…"), ("FIRSTCOME_CODE_SECRET", "…"));
    let fine = docker_compose(&[keys, secret]);
    assert!(fine.status.success(), "{}", String::from_utf8_lossy(&fine.stderr));
    let (no_keys, no_secret) = ("firstcome key new", "32 random characters");
    for (given, missing) in
        [(&[secret][..], no_keys), (&[keys], no_secret), (&[keys, (secret.0, "")], no_secret)]
    {
        let refused = docker_compose(given);
        let why = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && why.contains(missing), "{why}");
    }
}

#[test]
fn every_image_is_pinned_and_every_server_has_a_health_check_and_keeps_its_data() {
    let compose = text("docker-compose.yml");
    let services = services(&compose);
    let names: Vec<_> = services.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["redis", "nats", "postgres", "mongo", "command", "query", "tools", "prometheus", "grafana"],
        "all of them, and nothing else"
    );
    for (name, lines) in services {
        let image = lines.iter().find_map(|line| line.strip_prefix("image: "));
        match image {
            Some(image) => {
                let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
                let release: Vec<_> = tag.trim_start_matches('v').split(['.', '-']).take(2).collect();
                let pinned = release.len() == 2 && release.concat().bytes().all(|byte| byte.is_ascii_digit());
                assert!(pinned, "{name}: {image} is pinned to a release");
                assert!(lines.contains(&"healthcheck:"), "{name}");
                assert!(
                    lines.contains(&format!("- {name}:{}", volume_of(name)).as_str()),
                    "{name} keeps its data"
                );
            }
            // The image's own health check counts.
            None => assert!(lines.contains(&"<<: *firstcome"), "{name}"),
        }
        for mounted in lines.iter().filter_map(|line| line.strip_prefix("- ./")) {
            let (file, _) = mounted.split_once(':').unwrap();
            assert!(root().join(file).exists(), "{name} mounts {file}");
        }
    }
    assert!(text("Dockerfile").contains("HEALTHCHECK "));
}

fn volume_of(name: &str) -> &'static str {
    match name {
        "redis" | "nats" => "/data",
        "postgres" => "/var/lib/postgresql/data",
        "mongo" => "/data/db",
        "prometheus" => "/prometheus",
        "grafana" => "/var/lib/grafana",
        other => panic!("{other} is new"),
    }
}

#[test]
fn prometheus_scrapes_what_the_services_serve() {
    let (compose, prometheus) = (text("docker-compose.yml"), text("deploy/prometheus.yml"));
    for (name, port) in [("command", 8080), ("query", 8081)] {
        let service = services(&compose).into_iter().find(|(service, _)| *service == name).unwrap().1;
        assert!(service.contains(&format!("FIRSTCOME_ADDR: 0.0.0.0:{port}").as_str()), "{service:?}");
        // By name: an instance that the DNS no longer knows would not be down, but forgotten.
        let scraped = format!("static_configs:\n      - targets: [{name}:{port}]\n");
        assert!(prometheus.contains(&scraped), "{prometheus}");
    }
}

#[test]
fn one_service_builds_the_image_and_the_others_take_it() {
    let compose = text("docker-compose.yml");
    for (name, lines) in services(&compose) {
        if !lines.contains(&"<<: *firstcome") {
            continue;
        }
        let (builds, takes) = (lines.contains(&"build: ."), lines.contains(&"pull_policy: never"));
        assert_eq!((builds, takes), (name == "command", name != "command"), "{name}");
    }
    assert_eq!(compose.matches("build: .").count(), 1, "at once they would write one image");
    assert!(compose.contains("docker compose up --build "), "else it is never built again");
}

/// A service's environment: names and values.
fn environment<'a>(compose: &'a str, service: &str) -> BTreeSet<(&'a str, &'a str)> {
    let lines = services(compose).into_iter().find(|(name, _)| *name == service).unwrap().1;
    lines
        .into_iter()
        .filter(|line| line.starts_with("FIRSTCOME_"))
        .filter_map(|line| line.split_once(": "))
        .collect()
}

#[test]
fn the_tools_are_given_what_both_sides_are_given_and_the_addresses_of_both() {
    let compose = text("docker-compose.yml");
    let tools = environment(&compose, "tools");
    let own = ["FIRSTCOME_ADDR", "FIRSTCOME_SERVER", "FIRSTCOME_LOG", "FIRSTCOME_LOG_FORMAT"];
    for side in ["command", "query"] {
        let given = environment(&compose, side);
        let missing: Vec<_> = given.difference(&tools).filter(|(name, _)| !own.contains(name)).collect();
        assert!(given.len() > 5 && missing.is_empty(), "{side}: {missing:?}");
    }
    assert!(tools.contains(&("FIRSTCOME_SERVER", "http://command:8080,http://query:8081")), "{tools:?}");
    assert!(tools.contains(&("FIRSTCOME_API_KEY", "${FIRSTCOME_API_KEY:-}")), "{tools:?}");
}

#[test]
fn the_file_with_the_secret_gets_neither_into_the_repository_nor_into_the_image() {
    for file in [".gitignore", ".dockerignore"] {
        assert!(text(file).lines().any(|line| line == "/.env"), "{file}");
    }
}

#[tokio::test]
async fn every_variable_in_a_file_exists_is_a_flag_and_stands_in_the_readme() {
    let (config, readme) = (text("shared/src/config.rs"), text("README.md"));
    let known = known(&config);
    assert!(known.len() > 15 && known.contains("FIRSTCOME_REDIS_URL"), "{known:?}");
    for file in ["docker-compose.yml", "Dockerfile", "deploy/prometheus.yml"] {
        let named = text(file);
        let unknown: Vec<_> = variables(&named).difference(&known).copied().collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let stack = text("scripts/stack");
    let own = |name: &&str| !name.starts_with("FIRSTCOME_STACK_") && *name != "FIRSTCOME_TOOLS";
    let unknown: Vec<_> = variables(&stack).difference(&known).copied().filter(own).collect();
    assert!(unknown.is_empty(), "scripts/stack names {unknown:?}");

    let mut helps = String::new();
    for part in ["serve", "command", "query", "check", "verify", "console"] {
        let help = run([part, "--help"]).await;
        assert_eq!(help.code, Some(0), "{help:?}");
        helps.push_str(&help.stdout);
    }
    let flags = variables(&helps);
    let missing: Vec<_> = known.difference(&flags).collect();
    assert!(missing.is_empty(), "no flag: {missing:?}");
    let missing: Vec<_> = known.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");

    for args in [&["demo", "--help"][..], &["bench", "--help"], &["key", "new", "--help"]] {
        helps.push_str(&run(args.iter().copied()).await.stdout);
    }
    let flags: BTreeSet<_> = helps
        .split(|letter: char| !(letter.is_ascii_lowercase() || letter == '-'))
        .filter(|word| word.len() > 3 && word.starts_with("--") && !["--help", "--version"].contains(word))
        .collect();
    let missing: Vec<_> = flags.iter().filter(|flag| !readme.contains(&format!("`{flag}`"))).collect();
    assert!(flags.contains("--no-notify") && missing.is_empty(), "not in the README: {missing:?}");

    // What a container is given, its part takes, or the check in it.
    for (name, lines) in services(&text("docker-compose.yml")) {
        let part = match name {
            "command" | "query" => name,
            "tools" => "bench",
            _ => continue,
        };
        let (part, check) = (run([part, "--help"]).await.stdout, run(["check", "--help"]).await.stdout);
        let taken = variables(&part).union(&variables(&check)).copied().collect::<BTreeSet<_>>();
        for line in lines {
            let given = variables(line);
            assert!(given.is_subset(&taken), "{name} does not take {given:?}");
        }
    }
}
