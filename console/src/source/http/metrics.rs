//! What a server's metrics say and no other answer does: its version, promises that it found broken, and how many
//! requests fail.

use firstcome_shared::telemetry::{BUILD_INFO, DRIFT, HTTP_REQUESTS_TOTAL, OVERSOLD, SEQUENCE_GAPS};

use crate::message::{Broken, Metrics, Promise};

/// Where people ask for a coupon.
const ASK: &str = "/v1/campaigns/{id}/coupons";

/// Reads Prometheus' text format, as far as it is needed.
pub(super) fn read(text: &str) -> Metrics {
    let mut metrics = Metrics::default();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
        let value = count(value);
        let promise = match name {
            DRIFT => Promise::Same,
            OVERSOLD => Promise::Stock,
            SEQUENCE_GAPS => Promise::Sequence,
            BUILD_INFO => {
                metrics.version = metrics.version.or_else(|| label(labels, "version"));
                continue;
            }
            HTTP_REQUESTS_TOTAL => {
                let of = match label(labels, "route").as_deref() {
                    // Whoever asks whether it is ready and hears that it is not was answered well.
                    Some("/readyz") => continue,
                    Some(ASK) => &mut metrics.asks,
                    _ => &mut metrics.others,
                };
                of.all += value;
                let failed = label(labels, "status").is_some_and(|status| status.starts_with('5'));
                of.failed += if failed { value } else { 0 };
                continue;
            }
            _ => continue,
        };
        if value > 0 {
            let part = |name| label(labels, name).unwrap_or_default();
            let (campaign, store) = (part("campaign"), part("store"));
            metrics.broken.push(Broken { promise, campaign, store, coupons: value });
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

/// A value is a floating-point number; coupons and requests are whole.
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
    use crate::message::Requests;

    #[test]
    fn finds_version_broken_promises_and_failures_among_all_others() {
        let text = "# HELP firstcome_drift Coupons by which a store differs.\n\
                    # TYPE firstcome_drift gauge\n\
                    firstcome_drift{campaign=\"summer\",store=\"ledger\"} 2\n\
                    firstcome_drift{campaign=\"winter\",store=\"ledger\"} 0\n\
                    firstcome_oversold{campaign=\"summer\",store=\"read_model\"} 3\n\
                    firstcome_sequence_gaps{campaign=\"winter\",store=\"log\"} 1\n\
                    firstcome_stock{campaign=\"summer\"} 7\n\
                    firstcome_http_requests_total{route=\"/v1/campaigns\",method=\"GET\",status=\"200\"} 90\n\
                    firstcome_http_requests_total{route=\"/v1/campaigns\",method=\"GET\",status=\"503\"} 10\n\
                    firstcome_http_requests_total{route=\"/v1/history/campaigns/{id}\",method=\"GET\",status=\"503\"} 7\n\
                    firstcome_http_requests_total{route=\"/v1/campaigns/{id}/coupons\",method=\"POST\",status=\"201\"} 50\n\
                    firstcome_http_requests_total{route=\"/v1/campaigns/{id}/coupons\",method=\"POST\",status=\"503\"} 2\n\
                    firstcome_http_requests_total{route=\"/readyz\",method=\"GET\",status=\"503\"} 400\n\
                    firstcome_build_info{service=\"firstcome\",version=\"0.1.0\"} 1\n\
                    no sense at all } 1\n";
        let broken = |promise, campaign: &str, store: &str, coupons| Broken {
            promise,
            campaign: campaign.into(),
            store: store.into(),
            coupons,
        };
        let expected = Metrics {
            version: Some("0.1.0".into()),
            broken: vec![
                broken(Promise::Same, "summer", "ledger", 2),
                broken(Promise::Stock, "summer", "read_model", 3),
                broken(Promise::Sequence, "winter", "log", 1),
            ],
            asks: Requests { all: 52, failed: 2 },
            others: Requests { all: 107, failed: 17 },
        };
        assert_eq!(read(text), expected);
        assert_eq!(read(""), Metrics::default());
    }
}
