//! Load for a span of time, counted by status code alone: for rates and ratios, where reading each answer would cost
//! more than the server spends on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use hyper::{Method, Uri};
use tokio::task::JoinSet;

use super::{Line, Pacer, float, fresh_histogram, micros, per_second};
use crate::error::BenchError;
use crate::target::Target;

/// An open loop that is so late with a request gives it up: it counts as cut, with the time lost so far.
const HOPELESS: Duration = Duration::from_secs(10);

/// What is sent over and over.
#[derive(Clone, Debug)]
pub(crate) enum Shot {
    /// `GET /healthz`: the yardstick.
    Health,
    /// A coupon of these campaigns, in turn, for a person who never asked before.
    Ask(Vec<String>),
}

/// A load for a span of time.
#[derive(Clone, Debug)]
pub(crate) struct Hammer {
    pub(crate) target: Target,
    pub(crate) connections: usize,
    /// Runs before counting begins.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) span: Duration,
    /// Requests a second (open loop); absent: each connection sends as soon as it has its answer (closed loop).
    pub(crate) rate: Option<f64>,
}

/// What came back within the span.
#[derive(Debug)]
pub(crate) struct Volley {
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub(crate) cut: u64,
    /// Requests sent at all, warm-up included.
    pub(crate) sent: u64,
    /// The span.
    pub(crate) span: Duration,
    /// Microseconds; from the intended time of sending when the loop is open.
    pub(crate) latency: Histogram<u64>,
}

impl Volley {
    /// Answers of that status.
    pub(crate) fn count(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Answers of that status a second.
    pub(crate) fn rate(&self, status: u16) -> f64 {
        per_second(self.count(status), self.span)
    }

    /// Everything but answers of that status.
    pub(crate) fn others(&self, status: u16) -> u64 {
        self.cut + self.statuses.values().sum::<u64>() - self.count(status)
    }
}

struct Range {
    method: Method,
    paths: Vec<Uri>,
    rate: Option<(f64, Pacer)>,
    next: AtomicUsize,
    sent: AtomicU64,
    began: Instant,
    count_from: Instant,
    until: Instant,
}

impl Hammer {
    /// Runs the load. Fails only when not one connection opens.
    pub(crate) async fn run(&self, shot: Shot) -> Result<Volley, BenchError> {
        let lines = self.open().await?;
        let (method, paths) = match &shot {
            Shot::Health => (Method::GET, vec!["/healthz".to_owned()]),
            Shot::Ask(campaigns) => {
                let path = |campaign| format!("/v1/campaigns/{campaign}/coupons");
                (Method::POST, campaigns.iter().map(path).collect())
            }
        };
        let parsed = |path: String| {
            path.parse::<Uri>().map_err(|_| BenchError::Usage(format!("{path:?} is not a path")))
        };
        let paths = paths.into_iter().map(parsed).collect::<Result<_, _>>()?;
        let began = Instant::now();
        let whole = self.warm_up + self.span;
        let range = Arc::new(Range {
            method,
            paths,
            rate: self.rate.map(|rate| {
                let due = move |turn| Some(due(rate, turn)).filter(|due| *due < whole);
                (rate, Pacer::start(began, due))
            }),
            next: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            began,
            count_from: began + self.warm_up,
            until: began + whole,
        });
        let mut workers = JoinSet::new();
        for line in lines {
            workers.spawn(work(line, Arc::clone(&range)));
        }
        let mut volley = Volley {
            statuses: BTreeMap::new(),
            cut: 0,
            sent: 0,
            span: self.span,
            latency: fresh_histogram(),
        };
        while let Some(counts) = workers.join_next().await {
            let Ok(counts) = counts else { continue };
            for (status, count) in counts.statuses {
                *volley.statuses.entry(status).or_default() += count;
            }
            volley.cut += counts.cut;
            volley.latency += counts.latency;
        }
        volley.sent = range.sent.load(Ordering::Relaxed);
        Ok(volley)
    }

    async fn open(&self) -> Result<Vec<Line>, BenchError> {
        let mut opening = JoinSet::new();
        for turn in 0..self.connections {
            let mut line = Line::new(&self.target, turn, Duration::from_secs(10));
            opening.spawn(async move {
                let opened = line.connect().await;
                (line, opened)
            });
        }
        let mut lines = Vec::with_capacity(self.connections);
        let mut any = false;
        while let Some(opened) = opening.join_next().await {
            let Ok((line, opened)) = opened else { continue };
            any |= opened.is_ok();
            lines.push(line);
        }
        if any { Ok(lines) } else { Err(BenchError::NoConnection(self.target.server(0).address.clone())) }
    }
}

fn due(rate: f64, turn: usize) -> Duration {
    Duration::from_secs_f64(float(turn as u64) / rate.max(0.001))
}

struct Counts {
    statuses: Vec<(u16, u64)>,
    cut: u64,
    latency: Histogram<u64>,
}

async fn work(mut line: Line, range: Arc<Range>) -> Counts {
    let mut counts = Counts { statuses: Vec::new(), cut: 0, latency: fresh_histogram() };
    loop {
        let turn = range.next.fetch_add(1, Ordering::Relaxed);
        let intended = match &range.rate {
            Some((rate, pacer)) => {
                let due = due(*rate, turn);
                if range.began + due >= range.until {
                    return counts;
                }
                pacer.turn().await;
                range.began + due
            }
            None => Instant::now(),
        };
        if range.rate.is_none() && intended >= range.until {
            return counts;
        }
        if intended + HOPELESS < Instant::now() {
            counts.cut += 1;
            counts.latency.saturating_record(micros(intended.elapsed()));
            continue;
        }
        range.sent.fetch_add(1, Ordering::Relaxed);
        let body =
            (range.method == Method::POST).then(|| Bytes::from(format!("{{\"user_id\":\"u-{turn}\"}}")));
        let path = &range.paths[turn % range.paths.len()];
        let answer = line.ask(&range.method, path, body).await;
        let now = Instant::now();
        // In a closed loop only what came within the span makes the rate. In an open loop every request of the span
        // counts, however late its answer: leaving out the late ones would flatter the tail.
        let counted = match range.rate {
            Some(_) => intended >= range.count_from,
            None => now >= range.count_from && now < range.until,
        };
        match answer {
            Ok(reply) if counted => {
                match counts.statuses.iter_mut().find(|(status, _)| *status == reply.status) {
                    Some((_, count)) => *count += 1,
                    None => counts.statuses.push((reply.status, 1)),
                }
                counts.latency.saturating_record(micros(now.saturating_duration_since(intended)));
            }
            Ok(_) => {}
            Err(_) => {
                counts.cut += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
