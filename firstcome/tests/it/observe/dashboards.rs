//! The dashboards as files: what each of them must have so that Grafana shows it, and people understand it.

use std::collections::{BTreeMap, BTreeSet};

use firstcome_shared::telemetry::METRICS;
use serde_json::Value;

use super::{file, metrics_in};

/// Annotations are asked for every so many seconds.
pub const ANNOTATION_STEP: u64 = 30;
/// As in `deploy/prometheus.yml`, in seconds.
const SCRAPE_INTERVAL: u64 = 5;

/// A dashboard's file.
pub struct Dashboard {
    pub name: String,
    pub json: Value,
}

/// Something that asks Prometheus: where it stands, and what it asks.
pub struct Asked {
    pub place: String,
    pub expression: String,
}

impl Dashboard {
    /// Panels that show something.
    pub fn panels(&self) -> Vec<&Value> {
        let all = self.json["panels"].as_array().unwrap();
        all.iter().filter(|panel| panel["type"] != "row").collect()
    }

    /// What its panels ask.
    pub fn asked(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for panel in self.panels() {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{} › {} › {}", self.name, text(&panel["title"]), text(&target["refId"]));
                asked.push(Asked { place, expression: text(&target["expr"]).to_owned() });
            }
        }
        asked
    }

    /// What its annotations ask.
    pub fn annotations(&self) -> Vec<Asked> {
        let list = self.json["annotations"]["list"].as_array().unwrap();
        let place = |annotation: &Value| format!("{} › annotation {}", self.name, text(&annotation["name"]));
        let asked = |it: &Value| Asked { place: place(it), expression: text(&it["expr"]).to_owned() };
        list.iter().map(asked).collect()
    }

    fn variables(&self) -> Vec<&Value> {
        self.json["templating"]["list"].as_array().unwrap().iter().collect()
    }

    fn uid(&self) -> &str {
        text(&self.json["uid"])
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// All of them.
pub fn dashboards() -> Vec<Dashboard> {
    let mut all: Vec<_> = std::fs::read_dir(file("grafana/dashboards"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap());
            Dashboard { json: json.unwrap_or_else(|error| panic!("{name}: {error}")), name }
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(all.len(), 3, "Event, Pipeline, Services");
    all
}

/// Every text in a value, with the names of the fields that lead to it.
fn texts<'a>(value: &'a Value, path: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, path, found)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| texts(value, &format!("{path}.{name}"), found));
        }
        _ => {}
    }
}

/// Names of variables that a text uses: `$name` and `${name}`, `${name.more}`, `${name:format}`.
fn used(text: &str) -> Vec<&str> {
    let is_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    text.match_indices('$')
        .map(|(place, _)| text[place + 1..].trim_start_matches('{'))
        .map(|rest| rest.split(|byte| !is_word(byte)).next().unwrap_or_default())
        .collect()
}

const BY_VARIABLE: &str = r#"{"type":"prometheus","uid":"${datasource}"}"#;

#[test]
fn every_panel_says_what_it_shows_in_what_and_from_where() {
    const TYPES: [&str; 5] = ["timeseries", "stat", "gauge", "bargauge", "heatmap"];
    for dashboard in dashboards() {
        for panel in dashboard.panels() {
            let place = format!("{} {}", dashboard.name, panel["id"]);
            assert!(text(&panel["title"]).len() > 1, "{place}");
            assert!(text(&panel["description"]).len() > 15, "{place} needs a description");
            assert!(TYPES.contains(&text(&panel["type"])), "{place}");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(!text(&defaults["unit"]).is_empty(), "{place} needs a unit");
            let steps = defaults["thresholds"]["steps"].as_array().unwrap();
            assert!(!steps.is_empty() && steps[0]["value"].is_null(), "{place} needs thresholds");
            assert_eq!(panel["datasource"].to_string(), BY_VARIABLE, "{place}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{place}");
            for target in targets {
                assert_eq!(target["datasource"].to_string(), BY_VARIABLE, "{place}");
                assert!(!text(&target["legendFormat"]).is_empty(), "{place}");
            }
            assert!(!panel["links"].as_array().unwrap().is_empty(), "{place} leads nowhere");
        }
        for annotation in dashboard.json["annotations"]["list"].as_array().unwrap() {
            let place = format!("{} {}", dashboard.name, annotation["name"]);
            assert_eq!(annotation["datasource"].to_string(), BY_VARIABLE, "{place}");
            assert_eq!(text(&annotation["step"]), format!("{ANNOTATION_STEP}s"), "{place}");
            // A change between two scrapes is seen wherever it falls: a window is longer than a step by one scrape.
            let expression = text(&annotation["expr"]);
            let window = format!("[{}s]", ANNOTATION_STEP + SCRAPE_INTERVAL);
            assert!(!expression.contains("changes(") || expression.contains(&window), "{place}");
        }
    }
}

#[test]
fn numbers_and_names_are_unique_and_every_link_leads_to_a_panel() {
    let all = dashboards();
    let mut panels: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for dashboard in &all {
        let ids: Vec<u64> =
            dashboard.json["panels"].as_array().unwrap().iter().map(|panel| number(&panel["id"])).collect();
        let unique: BTreeSet<u64> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len(), "{}: an id is used twice", dashboard.name);
        assert!(panels.insert(dashboard.uid(), unique).is_none(), "{}: uid", dashboard.name);
        let titles: BTreeSet<_> = dashboard.panels().iter().map(|panel| text(&panel["title"])).collect();
        assert_eq!(titles.len(), dashboard.panels().len(), "{}: a title is used twice", dashboard.name);
        for panel in dashboard.panels() {
            let targets = panel["targets"].as_array().unwrap();
            let names: BTreeSet<_> = targets.iter().map(|target| text(&target["refId"])).collect();
            assert_eq!(names.len(), targets.len(), "{}: refId", dashboard.name);
        }
    }
    for dashboard in &all {
        let mut found = Vec::new();
        texts(&dashboard.json, "", &mut found);
        for (path, url) in found.into_iter().filter(|(path, _)| path.rsplit('.').next() == Some("url")) {
            let (uid, asked) = url.strip_prefix("/d/").unwrap().split_once('?').unwrap_or((&url[3..], ""));
            let known = panels.get(uid).unwrap_or_else(|| panic!("{}{path}: {url}", dashboard.name));
            if let Some(panel) = asked.split('&').find_map(|part| part.strip_prefix("viewPanel=")) {
                assert!(known.contains(&panel.parse().unwrap()), "{}{path}: {url}", dashboard.name);
            }
        }
    }
}

#[test]
fn panels_lie_beside_each_other_and_not_on_each_other() {
    for dashboard in dashboards() {
        let mut taken: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for panel in dashboard.json["panels"].as_array().unwrap() {
            let (id, grid) = (number(&panel["id"]), &panel["gridPos"]);
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| number(&grid[side]));
            assert!(w > 0 && h > 0 && x + w <= 24, "{} {id}: {grid}", dashboard.name);
            for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                let other = taken.insert(place, id);
                assert_eq!(other, None, "{}: {id} lies on another", dashboard.name);
            }
        }
        let rows = taken.keys().map(|(_, y)| *y).max().unwrap();
        let used: BTreeSet<u64> = taken.keys().map(|(_, y)| *y).collect();
        assert_eq!(used.len(), usize::try_from(rows).unwrap() + 1, "{}: an empty row", dashboard.name);
    }
}

#[test]
fn every_variable_is_one() {
    const GRAFANA: [&str; 6] =
        ["__rate_interval", "__range", "__url_time_range", "__all_variables", "__field", "__all"];
    for dashboard in dashboards() {
        let variables: Vec<_> = dashboard.variables().iter().map(|it| text(&it["name"])).collect();
        assert_eq!(variables, ["datasource", "instance", "campaign"], "{}", dashboard.name);
        for variable in dashboard.variables() {
            assert!(text(&variable["description"]).len() > 5, "{}", dashboard.name);
            if variable["type"] == "query" {
                assert_eq!(variable["datasource"].to_string(), BY_VARIABLE, "{}", dashboard.name);
                assert_eq!(variable["query"]["query"], variable["definition"], "{}", dashboard.name);
            }
        }
        let mut found = Vec::new();
        texts(&dashboard.json, "", &mut found);
        for (path, text) in found {
            for name in used(text) {
                let known = variables.contains(&name) || GRAFANA.contains(&name);
                assert!(known, "{}{path}: ${name} in {text}", dashboard.name);
            }
        }
    }
}

#[test]
fn what_is_asked_is_filtered_by_the_variables_and_exported() {
    for dashboard in dashboards() {
        let variables = dashboard.variables();
        let queries = variables.iter().filter_map(|variable| variable["query"]["query"].as_str());
        let queries = queries.map(|query| Asked {
            place: format!("{} › variable", dashboard.name),
            expression: query.to_owned(),
        });
        for Asked { place, expression } in dashboard.annotations().into_iter().chain(queries) {
            for name in metrics_in(&expression) {
                assert!(METRICS.iter().any(|metric| metric.name == name), "{place}: {name}");
            }
        }
        for Asked { place, expression } in dashboard.asked() {
            let names = metrics_in(&expression);
            assert!(!names.is_empty() || expression.contains("up{"), "{place} asks for nothing");
            for name in names {
                let metric = METRICS.iter().find(|metric| metric.name == name);
                let metric = metric.unwrap_or_else(|| panic!("{place}: nobody exports {name}"));
                let selectors = expression.match_indices(name.as_str()).map(|(at, _)| &expression[at..]);
                for selector in selectors {
                    let labels = selector.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
                    let (labels, _) = labels.unwrap_or_else(|| panic!("{place}: {name} without labels"));
                    assert!(labels.contains("instance=~\"$instance\""), "{place}: {name}");
                    let by_campaign = labels.contains("campaign=~\"$campaign\"");
                    assert_eq!(by_campaign, metric.labels.contains(&"campaign"), "{place}: {name}");
                    let ours = labels.contains("job=~\"firstcome.*\"");
                    assert_eq!(ours, name.starts_with("process_"), "{place}: {name}");
                }
            }
        }
    }
}
