//! What is written about metrics and alerts is what there is.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use firstcome_shared::telemetry::METRICS;

use super::dashboards::Dashboard;
use super::{file as root, metrics_in, text};

/// Runs Prometheus's tool.
pub fn promtool(args: &[&str]) -> Output {
    let mut promtool = Command::new("promtool");
    promtool.args(args).current_dir(root(""));
    promtool.output().expect("promtool is installed: scripts/setup installs it")
}

/// The rules' lines that begin with `field`.
fn fields(field: &str) -> Vec<String> {
    let rules = text("grafana/rules/firstcome.yml");
    let lines = rules.lines().map(str::trim_start).map(|line| line.strip_prefix("- ").unwrap_or(line));
    let values = lines.filter_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
    values.map(|value| value.trim_matches('"').to_owned()).collect()
}

#[test]
fn every_metric_is_explained_and_nothing_else() {
    let page = text("grafana/METRICS.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let ours: Vec<String> = METRICS
        .iter()
        .map(|metric| {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind) = (metric.name, metric.kind.as_str());
            format!("| `{name}` | {kind} | {} | {} |", labels.join(", "), metric.help)
        })
        .collect();
    assert_eq!(rows, ours, "grafana/METRICS.md is to have exactly these rows:\n{}", ours.join("\n"));
}

#[test]
fn every_alert_is_in_the_runbook_and_the_runbook_has_no_other() {
    let runbook = text("grafana/RUNBOOK.md");
    let entries: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = fields("alert");
    assert_eq!(entries, alerts, "the same, in the same order");
    let severities: Vec<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("**Severity:** ")).map(str::to_owned).collect();
    assert_eq!(severities, fields("severity"));
    // A link that people can follow, where Prometheus has been told one.
    let place = r#"{{ or $externalLabels.runbook "grafana/RUNBOOK.md" }}"#;
    let links = alerts.iter().map(|alert| format!("'{place}#{}'", alert.to_lowercase()));
    assert_eq!(fields("runbook_url"), links.collect::<Vec<_>>(), "where the runbook's entry is");
    assert!(text("deploy/prometheus.yml").contains("# external_labels: { runbook: "), "how to set it");
    assert_eq!(fields("summary").len(), alerts.len(), "each says what people notice");
    for entry in runbook.split("\n### ").skip(1) {
        for part in ["**What it means.** ", "**What to look at.** ", "**What to do.**"] {
            assert_eq!(entry.matches(part).count(), 1, "{part}: {entry}");
        }
    }
    // Headings that entries point to exist.
    for link in runbook.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(alerts.iter().any(|alert| alert.to_lowercase() == anchor), "#{anchor}");
    }
}

/// Somebody who was woken looks for these.
#[test]
fn the_runbook_names_panels_that_exist() {
    let all = super::dashboards::dashboards();
    let named = |dashboard: &Dashboard| {
        let marks = dashboard.json["annotations"]["list"].as_array().unwrap().iter();
        let marks = marks.map(|mark| mark["name"].as_str().unwrap().to_owned());
        let titles = dashboard.panels().into_iter().map(|panel| panel["title"].as_str().unwrap().to_owned());
        titles.chain(marks).collect::<BTreeSet<_>>()
    };
    let known: Vec<(String, BTreeSet<String>)> =
        all.iter().map(|it| (it.name.trim_end_matches(".json").to_owned(), named(it))).collect();
    let runbook = text("grafana/RUNBOOK.md").replace("**", "");
    let quoted: Vec<&str> = runbook.split('*').skip(1).step_by(2).collect();
    assert!(quoted.len() > 30, "{quoted:?}");
    for name in quoted {
        let exists = match name.split_once(" › ") {
            Some((of, panel)) => {
                known.iter().any(|(it, panels)| *it == of.to_lowercase() && panels.contains(panel))
            }
            None => known.iter().any(|(it, panels)| *it == name.to_lowercase() || panels.contains(name)),
        };
        assert!(exists, "the runbook names {name:?}, and there is no such panel");
    }
}

#[test]
fn rules_ask_for_what_is_exported() {
    for line in text("grafana/rules/firstcome.yml").lines().filter(|line| !line.trim_start().starts_with('#'))
    {
        for name in metrics_in(line) {
            assert!(METRICS.iter().any(|metric| metric.name == name), "nobody exports {name}");
        }
    }
}

#[test]
fn prometheus_accepts_the_rules_and_each_fires_when_it_should() {
    for args in [
        ["check", "rules", "grafana/rules/firstcome.yml"],
        ["test", "rules", "grafana/rules/firstcome.test.yml"],
    ] {
        let output = promtool(&args);
        assert!(output.status.success(), "{output:?}");
    }
    let tested = text("grafana/rules/firstcome.test.yml");
    let mut stories = BTreeSet::new();
    let mut lines = tested.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if let Some(alert) = line.strip_prefix("alertname: ") {
            stories.insert((alert.to_owned(), lines.peek() == Some(&"exp_alerts:")));
        }
    }
    for alert in fields("alert") {
        for fires in [true, false] {
            assert!(stories.contains(&(alert.clone(), fires)), "{alert}: no story in which fires = {fires}");
        }
    }
}

/// What docker-compose.yml mounts is where Prometheus and Grafana look for it.
#[test]
fn the_stack_shows_these_dashboards_and_follows_these_rules() {
    let compose = text("docker-compose.yml");
    let mounted = |file: &str, place: &str| {
        assert!(root(file).exists(), "{file}");
        assert!(compose.contains(&format!("- ./{file}:{place}:ro\n")), "{file} at {place}");
    };
    mounted("grafana/rules/firstcome.yml", "/etc/prometheus/rules/firstcome.yml");
    // Relative to its own place, /etc/prometheus.
    assert!(text("deploy/prometheus.yml").contains("rule_files: [rules/firstcome.yml]\n"));
    mounted("grafana/provisioning", "/etc/grafana/provisioning");
    mounted("grafana/dashboards", "/var/lib/grafana/dashboards");
    assert!(
        text("grafana/provisioning/dashboards/firstcome.yml").contains("path: /var/lib/grafana/dashboards\n")
    );
    let source = text("grafana/provisioning/datasources/firstcome.yml");
    assert!(source.contains("url: http://prometheus:9090\n"), "{source}");
    let uid = source.lines().find_map(|line| line.trim().strip_prefix("uid: ")).unwrap();
    for dashboard in super::dashboards::dashboards() {
        assert_eq!(dashboard.json["templating"]["list"][0]["current"]["value"], uid, "{}", dashboard.name);
    }
    for job in ["firstcome-command", "firstcome-query"] {
        assert!(text("deploy/prometheus.yml").contains(&format!("job_name: {job}\n")), "{job}");
    }
}
