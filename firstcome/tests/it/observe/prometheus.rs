//! A real Prometheus, on a free port and in a folder of its own; it ends with its value, and with the test's process.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use firstcome_shared::clock::{Clock as _, SystemClock};
use serde_json::Value;

use super::file;
use crate::rig::eventually;

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub struct Prometheus {
    url: String,
    http: reqwest::Client,
    /// A shell that ends it when its input ends.
    shell: Child,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes these addresses every second, each as a job of that name, and follows the repository's rules.
    pub async fn start(jobs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, settings(jobs)).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let mut shell = shell(&config, folder.path(), &listen);
        let url = format!("http://{listen}");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = format!("{url}/-/ready");
        eventually("Prometheus is ready", async || {
            let over = shell.try_wait().unwrap();
            assert!(over.is_none(), "prometheus does not run: is it installed? scripts/setup installs it");
            http.get(&ready).send().await.ok()?.status().is_success().then_some(())
        })
        .await;
        Self { url, http, shell, _folder: folder }
    }

    /// The series of an expression now, each with its value.
    pub async fn ask(&self, expression: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let answer = self.get("query", &[("query", expression)]).await;
        let answer = answer.unwrap_or_else(|error| panic!("{expression}: {error}"));
        series(&answer, |series| series["value"][1].as_str()?.parse().ok())
    }

    /// The series of an expression in the last minutes, every `step` seconds, as an annotation asks for them; each with
    /// its first value.
    pub async fn ask_range(
        &self,
        expression: &str,
        seconds: u64,
        step: u64,
    ) -> Vec<(BTreeMap<String, String>, f64)> {
        let now = u64::try_from(SystemClock.now().0).unwrap() / 1_000;
        let (from, to, step) = ((now - seconds).to_string(), now.to_string(), step.to_string());
        let asked = [("query", expression), ("start", &from), ("end", &to), ("step", &step)];
        let answer = self.get("query_range", &asked).await;
        let answer = answer.unwrap_or_else(|error| panic!("{expression}: {error}"));
        series(&answer, |series| series["values"][0][1].as_str()?.parse().ok())
    }

    /// Every alert's name and expression, as Prometheus has read them.
    pub async fn alerts(&self) -> Vec<(String, String)> {
        let answer = self.get("rules", &[]).await.unwrap();
        let groups = answer["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        rules.map(|rule| (text(&rule["name"]), text(&rule["query"]))).collect()
    }

    async fn get(&self, what: &str, asked: &[(&str, &str)]) -> Result<Value, String> {
        let request = self.http.get(format!("{}/api/v1/{what}", self.url)).query(asked);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer.to_string()) }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn series(data: &Value, value: impl Fn(&Value) -> Option<f64>) -> Vec<(BTreeMap<String, String>, f64)> {
    let result = data["result"].as_array().unwrap();
    result
        .iter()
        // A scalar, such as time(), is a pair.
        .filter_map(|series| {
            let labels = series["metric"].as_object()?.iter();
            let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
            Some((labels.collect(), value(series)?))
        })
        .collect()
}

fn settings(jobs: &[(&str, &str)]) -> String {
    use std::fmt::Write as _;
    let mut settings = format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n\
         rule_files: [\"{}\"]\nscrape_configs:\n",
        file("grafana/rules/firstcome.yml").display()
    );
    for (job, addr) in jobs {
        write!(settings, "  - job_name: {job}\n    static_configs: [{{ targets: [\"{addr}\"] }}]\n").unwrap();
    }
    settings
}

fn shell(config: &Path, folder: &Path, listen: &str) -> Child {
    // Its input is a pipe from here, which ends however this process ends.
    let script = "\"$@\" </dev/null & server=$!; cat >/dev/null; kill -9 $server; wait $server 2>/dev/null";
    Command::new("sh")
        .args(["-c", script, "sh", "prometheus", "--log.level=error"])
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={listen}"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh is on PATH")
}
