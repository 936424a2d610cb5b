//! What operators and the business see, held against a system that runs: every panel and every alert asks for
//! something that is there, nothing is exported that nobody explains, and the log names no person.

mod dashboards;
mod documents;
mod live;
mod logs;
mod prometheus;
mod scrape;

use std::path::{Path, PathBuf};

/// A file of the repository.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

fn text(name: &str) -> String {
    let path = file(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metrics that an expression asks for, without the ends of histograms.
fn metrics_in(expression: &str) -> Vec<String> {
    let is_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    let mut names: Vec<_> = expression
        .split(|byte| !is_word(byte))
        .filter(|word| word.starts_with("firstcome_") || word.starts_with("process_"))
        .map(|word| base(word).to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The metric that a series belongs to.
fn base(series: &str) -> &str {
    let known = |name: &str| METRICS.iter().any(|metric| metric.name == name);
    let ends = ["_bucket", "_sum", "_count"];
    let cut = ends.iter().find_map(|end| series.strip_suffix(end).filter(|name| known(name)));
    cut.unwrap_or(series)
}

use firstcome_shared::telemetry::METRICS;
