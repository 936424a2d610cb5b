//! One connection of a rush: takes the next person, asks, and keeps the answer or sends the person to wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use firstcome_shared::clock::{Clock as _, SystemClock, jittered};
use firstcome_shared::wire::{Code, Time};
use hdrhistogram::Histogram;
use hyper::{Method, Uri};

use super::later::{Later, Waiting};
use super::progress::{Counters, add};
use super::schedule::Lane;
use crate::answers::{Answer, Meaning, Told};
use crate::load::{Cut, Line, fresh_histogram, micros};

/// What all connections of a rush share.
pub(super) struct Floor {
    pub(super) crowd: String,
    pub(super) path: Uri,
    pub(super) lanes: Vec<Lane>,
    pub(super) later: Later,
    pub(super) counters: Arc<Counters>,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
}

/// One connection at work.
pub(super) struct Worker {
    line: Line,
    lane_index: usize,
    floor: Arc<Floor>,
    shift: Shift,
}

/// What one connection brings back.
pub(super) struct Shift {
    pub(super) told: Vec<Told>,
    pub(super) latency: Histogram<u64>,
    pub(super) last_answer: Option<Instant>,
    /// When the first ask was sent that got a new coupon, and when the last such answer came.
    pub(super) issuing: Option<(Instant, Instant)>,
}

impl Worker {
    pub(super) fn new(line: Line, turn: usize, floor: Arc<Floor>) -> Self {
        let lane_index = turn % floor.lanes.len();
        let shift = Shift { told: Vec::new(), latency: fresh_histogram(), last_answer: None, issuing: None };
        Self { line, lane_index, floor, shift }
    }

    pub(super) async fn run(mut self) -> Shift {
        while let Some(waiting) = self.next().await {
            self.serve(waiting).await;
        }
        self.shift
    }

    /// Whoever is due first: somebody who waits, or the next who comes. None when the rush is over for this connection:
    /// who is still being served elsewhere and must ask again is taken by the connection that served them.
    async fn next(&self) -> Option<Waiting> {
        let floor = &*self.floor;
        let lane = &floor.lanes[self.lane_index];
        loop {
            let over = Instant::now() >= floor.deadline;
            let limit = match lane.peek() {
                _ if over => Duration::MAX,
                // In a closed loop nobody has a time of their own: who waits goes first once due.
                Some(_) if !lane.is_paced() => floor.began.elapsed(),
                Some(due) => due,
                None => Duration::MAX,
            };
            if let Some(waiting) = floor.later.pop_before(limit) {
                let due = floor.began + waiting.due;
                tokio::time::sleep_until(due.min(floor.deadline).into()).await;
                return Some(waiting);
            }
            if limit == Duration::MAX {
                return None;
            }
            if let Some(ask) = lane.take().await {
                floor.counters.asked();
                let since = if lane.is_paced() { ask.due } else { floor.began.elapsed() };
                return Some(Waiting { due: since, since, person: ask.person, tries: 0, early: false });
            }
        }
    }

    async fn serve(&mut self, waiting: Waiting) {
        let floor = Arc::clone(&self.floor);
        let user_id = format!("{}-{}", floor.crowd, waiting.person);
        let sent = Instant::now();
        if sent >= floor.deadline {
            // Whoever only heard "not yet" has a clear answer.
            let answer = if waiting.early { Answer::Refused(Code::NotOpen) } else { Answer::Unanswered };
            floor.counters.told(&answer);
            self.shift.told.push(Told { user_id, answer });
            return;
        }
        let body = Bytes::from(format!("{{\"user_id\":\"{user_id}\"}}"));
        floor.counters.sent();
        let reply = self.line.ask(&Method::POST, &floor.path, Some(body)).await;
        floor.counters.came_back();
        let now = Instant::now();
        match reply.as_ref().map(Meaning::of) {
            Ok(Meaning::Clear(answer)) => {
                self.shift.last_answer = Some(now);
                self.shift
                    .latency
                    .saturating_record(micros((now - floor.began).saturating_sub(waiting.since)));
                if matches!(answer, Answer::Issued(_)) {
                    let first = self.shift.issuing.map_or(sent, |(first, _)| first.min(sent));
                    self.shift.issuing = Some((first, now));
                }
                floor.counters.told(&answer);
                self.shift.told.push(Told { user_id, answer });
            }
            Ok(Meaning::NotOpen(opens_at)) => {
                add(&floor.counters.not_open);
                let due = now - floor.began + until(opens_at);
                floor.later.push(Waiting { due, since: due, early: true, ..waiting });
            }
            Ok(Meaning::Busy(wish)) => {
                add(&floor.counters.busy);
                floor.again(waiting, now, wish);
            }
            Ok(Meaning::Unavailable(wish)) => {
                add(&floor.counters.unavailable);
                floor.again(waiting, now, wish);
            }
            Err(Cut::NotConnected | Cut::Broken | Cut::TimedOut) => {
                add(&floor.counters.cut);
                floor.again(waiting, now, None);
            }
        }
    }
}

impl Floor {
    /// Somebody was told nothing clear: asks again after the time that the server wishes, or after a growing one.
    fn again(&self, waiting: Waiting, now: Instant, wish_seconds: Option<u64>) {
        let tries = waiting.tries + 1;
        let pause = wish_seconds.map_or(25 << tries.min(5), |seconds| seconds.clamp(1, 30) * 1_000);
        let due = now - self.began + jittered(pause);
        self.later.push(Waiting { due, tries, early: false, ..waiting });
    }
}

/// From now to the opening by this machine's clock. When the server says "not yet" after that, the clocks differ: a
/// short pause.
fn until(opens_at: Option<Time>) -> Duration {
    let ahead = opens_at.map_or(0, |at| at.0.since(SystemClock.now()));
    if ahead > 0 { Duration::from_millis(ahead.unsigned_abs()) } else { jittered(20) }
}
