//! A rush: many people ask for a coupon of one campaign, each until there is a clear answer, and every answer is kept.
//! The demo and the scenarios of the bench are rushes; the audit judges what they bring back.

mod later;
mod progress;
mod schedule;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use progress::Progress;

use crate::answers::Answers;
use crate::error::BenchError;
use crate::load::Line;
use crate::target::Target;
use progress::Counters;
use schedule::lanes;
use worker::{Floor, Worker};

/// Longest wait for one answer before the person asks again.
const ONE_ANSWER: Duration = Duration::from_secs(10);
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// When people come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// All at once: every connection asks as fast as it is answered (closed loop).
    AtOnce,
    /// So many a second, answered or not (open loop).
    Rate(f64),
    /// More and more of them, all within that time.
    Ramp(Duration),
}

/// A rush and its settings. `Rush::new` gives a closed loop over 128 connections, everybody asking once.
#[derive(Clone, Debug)]
pub struct Rush {
    target: Target,
    campaign: String,
    people: u32,
    crowd: String,
    connections: usize,
    copies: u32,
    double_click_every: Option<u32>,
    pace: Pace,
    patience: Duration,
}

impl Rush {
    /// So many people who want a coupon of that campaign.
    pub fn new(target: &Target, campaign: impl Into<String>, people: u32) -> Self {
        Self {
            target: target.clone(),
            campaign: campaign.into(),
            people,
            crowd: "p".to_owned(),
            connections: 128,
            copies: 1,
            double_click_every: None,
            pace: Pace::AtOnce,
            patience: Duration::from_mins(2),
        }
    }

    /// What the people's names begin with: rushes with the same word are the same people.
    #[must_use]
    pub fn crowd(mut self, crowd: impl Into<String>) -> Self {
        self.crowd = crowd.into();
        self
    }

    /// How many connections, at least one: also how many people are served at once.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Everybody asks so many times, at about the same moment and over different connections.
    #[must_use]
    pub fn copies(mut self, copies: u32) -> Self {
        self.copies = copies.max(1);
        self
    }

    /// One in so many people clicks twice.
    #[must_use]
    pub fn double_click_every(mut self, people: u32) -> Self {
        self.double_click_every = Some(people.max(1));
        self
    }

    /// When people come.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// How long after the last arrival the rush ends at the latest: who has no clear answer then stays without one.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs the rush and brings back every answer. Progress is told through `progress`, several times a second and once
    /// at the end.
    ///
    /// Fails only for settings that make no sense; a server that is away makes unanswered people, not an error.
    pub async fn run(self, progress: Option<watch::Sender<Progress>>) -> Result<Answers, BenchError> {
        if matches!(self.pace, Pace::Rate(rate) if !(rate.is_finite() && rate > 0.0)) {
            return Err(BenchError::Usage("the rate must be above 0".to_owned()));
        }
        if !self.crowd.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(BenchError::Usage(
                "people's names may have letters, digits and hyphens only".to_owned(),
            ));
        }
        let path = format!("/v1/campaigns/{}/coupons", self.campaign);
        let path = path
            .parse()
            .map_err(|_| BenchError::Usage(format!("{:?} is not a campaign's id", self.campaign)))?;
        let connections = self.connections.max(self.copies as usize);
        let counters = Arc::new(Counters::default());
        let began = Instant::now();
        let lanes = lanes(began, self.people, self.copies, self.double_click_every, self.pace);
        let last_arrival = lanes.iter().filter_map(schedule::Lane::last_due).max().unwrap_or_default();
        let floor = Arc::new(Floor {
            crowd: self.crowd,
            path,
            lanes,
            later: later::Later::default(),
            counters: Arc::clone(&counters),
            began,
            deadline: began + last_arrival + self.patience,
        });
        let mut workers = JoinSet::new();
        for turn in 0..connections {
            let line = Line::new(&self.target, turn, ONE_ANSWER);
            workers.spawn(Worker::new(line, turn, Arc::clone(&floor)).run());
        }
        let mut answers = Answers::none(self.campaign);
        answers.began = began;
        answers.ended = began;
        let mut issuing: Option<(Instant, Instant)> = None;
        let mut tick = tokio::time::interval(TOLD_EVERY);
        let mut meter = progress::Meter::new(began);
        loop {
            tokio::select! {
                done = workers.join_next() => match done {
                    None => break,
                    Some(Ok(shift)) => {
                        answers.told.extend(shift.told);
                        answers.latency += shift.latency;
                        answers.ended = answers.ended.max(shift.last_answer.unwrap_or(began));
                        issuing = match (issuing, shift.issuing) {
                            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                            (one, other) => one.or(other),
                        };
                    }
                    Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                },
                _ = tick.tick() => if let Some(progress) = &progress {
                    let _ = progress.send(meter.read(&counters));
                },
            }
        }
        answers.issuing = issuing.map(|(first, last)| last - first).unwrap_or_default();
        answers.again = counters.again();
        if let Some(progress) = &progress {
            let _ = progress.send(meter.read(&counters));
        }
        Ok(answers)
    }
}
