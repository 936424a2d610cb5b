//! Prometheus, asked for the alerts that fire. It never sees the servers' key.

use std::collections::{BTreeMap, HashMap};

use reqwest::{Client, Url};
use serde::Deserialize;

use super::{ANSWER, CONNECT, answer, below, understood, url};
use crate::ConsoleError;
use crate::message::{Failure, Firing};

/// A Prometheus.
#[derive(Debug)]
pub(super) struct Prometheus {
    client: Client,
    address: Url,
}

#[derive(Deserialize)]
struct Answer {
    data: Alerts,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    state: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

impl Prometheus {
    /// The one at this address.
    pub(super) fn new(address: &str) -> Result<Self, ConsoleError> {
        let address = url("--prometheus", address)?;
        let client = Client::builder().connect_timeout(CONNECT).timeout(ANSWER).no_proxy().build()?;
        Ok(Self { client, address })
    }

    /// What fires. What is only pending may pass.
    pub(super) async fn firing(&self) -> Result<Vec<Firing>, Failure> {
        let request = self.client.get(below(&self.address, &["api", "v1", "alerts"]));
        let answer: Answer = understood(&answer(request).await?)?;
        let firing = answer.data.alerts.into_iter().filter(|alert| alert.state == "firing");
        Ok(firing
            .map(|mut alert| Firing {
                name: alert.labels.remove("alertname").unwrap_or_default(),
                severity: alert.labels.remove("severity").unwrap_or_default(),
                summary: alert.annotations.remove("summary"),
                runbook: alert.annotations.remove("runbook_url"),
                labels: alert.labels,
            })
            .collect())
    }
}
