//! The lane against what breaks it: answers that come too early, appends in doubt, a gate that forgets at every step,
//! two instances at once, queues that are full. Each test is named for the promise that it holds.

mod answers;
mod chaos;
mod clocks;
mod create;
mod doubt;
mod forgetful_log;
mod instances;
mod queue;
mod rebuild;
mod rush;
mod secrets;
mod sold_out;
mod turns;
mod windows;
mod zombie;

use firstcome_shared::domain::{Held, Verdict};

use super::{Answer, NoAnswer};

/// Gives every other task its turn, many times over: whoever could have been answered has been.
async fn everybody_had_a_turn() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

/// The new coupon that somebody was told of.
fn issued(answer: &Answer) -> Held {
    match answer {
        Ok(logged) => newly(&logged.body),
        Err(no_answer) => panic!("no answer: {no_answer}"),
    }
}

fn newly(verdict: &Verdict) -> Held {
    match verdict {
        Verdict::Issued { held, .. } => held.clone(),
        other => panic!("not issued: {other:?}"),
    }
}

fn again(verdict: &Verdict) -> Held {
    match verdict {
        Verdict::AlreadyIssued(held) => held.clone(),
        other => panic!("not already issued: {other:?}"),
    }
}

fn unavailable(answer: &Answer) {
    assert!(matches!(answer, Err(NoAnswer::Unavailable(_))), "{answer:?}");
}
