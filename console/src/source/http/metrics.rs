//! What a server's metrics say and no other answer does: its version, and by how much its stores differ from the log.

use firstcome_shared::telemetry::{BUILD_INFO, DRIFT};

use crate::message::{Drift, Metrics};

/// Reads Prometheus' text format, as far as it is needed.
pub(super) fn read(text: &str) -> Metrics {
    let mut metrics = Metrics::default();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
        match name {
            BUILD_INFO => metrics.version = metrics.version.or_else(|| label(labels, "version")),
            DRIFT => {
                let coupons = count(value);
                if coupons > 0 {
                    let part = |name| label(labels, name).unwrap_or_default();
                    metrics.drift.push(Drift { campaign: part("campaign"), store: part("store"), coupons });
                }
            }
            _ => {}
        }
    }
    metrics
}

/// The value of a label. None of those that are read has a quote or a backslash in it.
fn label(labels: &str, name: &str) -> Option<String> {
    let find = |part: &str| {
        part.trim().strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"').map(str::to_owned)
    };
    labels.split(',').find_map(find)
}

/// A value is a floating-point number; coupons are whole.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, which is what is wanted"
)]
fn count(value: &str) -> u64 {
    value.trim().parse::<f64>().map_or(0, |value| value.abs().ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_version_and_drift_among_all_others() {
        let text = "# HELP firstcome_drift Coupons by which a store differs.\n\
                    # TYPE firstcome_drift gauge\n\
                    firstcome_drift{campaign=\"summer\",store=\"ledger\"} 2\n\
                    firstcome_drift{campaign=\"winter\",store=\"ledger\"} 0\n\
                    firstcome_stock{campaign=\"summer\"} 7\n\
                    firstcome_build_info{service=\"firstcome\",version=\"0.1.0\"} 1\n\
                    no sense at all } 1\n";
        let drift = Drift { campaign: "summer".into(), store: "ledger".into(), coupons: 2 };
        assert_eq!(read(text), Metrics { version: Some("0.1.0".into()), drift: vec![drift] });
        assert_eq!(read(""), Metrics::default());
    }
}
