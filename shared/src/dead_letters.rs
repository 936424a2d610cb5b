//! What an operator can do about parked campaigns, the same on both sides: see them, read the one message whole, replay
//! them, discard the message. Both acts are events in the log before they happen (P10).

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::clock::{Clock, jittered, random_hex};
use crate::domain::{CampaignId, mask};
use crate::event::{Actor, Entry, Event, Message, VERSION};
use crate::event_log::{AppendError, Budget, EventLog, LogUnavailable, Stored, Subject, position};
use crate::position::Position;
use crate::projection::{Parked, Projection, Remedy, StoreUnavailable};
use crate::wire::{DeadLetter, Time};

/// An append that is still in process by then means that the log is away (ARCHITECTURE L5).
const IN_PROCESS_DEADLINE: Duration = Duration::from_secs(1);
const PAGE: Budget = Budget { messages: 64, bytes: 1 << 20 };

/// An operator's act was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum NotRemedied {
    /// Nothing is parked there.
    #[error("no campaign is parked at this position")]
    NotFound,
    /// The act could not be logged, so it was not done.
    #[error(transparent)]
    Log(#[from] LogUnavailable),
    /// The projection's store is away.
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
}

/// The dead letters of every partition, oldest position first.
pub async fn list(
    projection: &(impl Projection + ?Sized),
    partitions: u32,
) -> Result<Vec<DeadLetter>, StoreUnavailable> {
    let mut letters = Vec::new();
    for partition in 0..partitions {
        for parked in projection.parked(partition).await? {
            letters.push(DeadLetter {
                id: parked.position.to_string(),
                projection: projection.name().to_owned(),
                campaign_id: parked.campaign.to_string(),
                position: parked.position,
                reason: parked.reason,
                parked_at: Time(parked.parked_at),
                attempts: parked.attempts,
                replaying: parked.remedy.is_some(),
                message: masked(&parked.payload),
            });
        }
    }
    letters.sort_by_key(|letter| letter.position);
    Ok(letters)
}

/// The message at which a campaign is parked, byte for byte as it stands in the log, codes and all.
pub async fn message(
    log: &dyn EventLog,
    projection: &(impl Projection + ?Sized),
    position: Position,
) -> Result<Bytes, NotRemedied> {
    let parked = parked_at(projection, position).await?;
    let only = Budget { messages: 1, bytes: 1 };
    let next = log.read_campaign(&parked.campaign, position.sequence.saturating_sub(1), only).await?;
    // A replay that was cut off leaves a place where no message of this campaign need stand.
    let there = next.into_iter().next().filter(|stored| stored.position == position);
    there.map(|stored| stored.payload).ok_or(NotRemedied::NotFound)
}

async fn parked_at(
    projection: &(impl Projection + ?Sized),
    position: Position,
) -> Result<Parked, NotRemedied> {
    let parked = projection.parked(position.partition).await?;
    parked.into_iter().find(|parked| parked.position == position).ok_or(NotRemedied::NotFound)
}

/// Logs that `actor` wants the message at `position` replayed or discarded, then has the projection do it.
pub async fn remedy(
    log: &dyn EventLog,
    projection: &(impl Projection + ?Sized),
    clock: &dyn Clock,
    position: Position,
    remedy: Remedy,
    actor: Actor<'_>,
) -> Result<(), NotRemedied> {
    let parked = parked_at(projection, position).await?;
    let target = format!("{} {position}", projection.name());
    log_act(log, clock, &parked.campaign, actor, remedy.as_str(), &target).await?;
    if projection.request(position, remedy).await? { Ok(()) } else { Err(NotRemedied::NotFound) }
}

/// Appends what an operator did outside the gate to the campaign's second subject, once: the same bytes while the end is
/// where they expect it, and behind a message that came between only when they are not among what came (ARCHITECTURE L4,
/// L5).
pub async fn log_act(
    log: &dyn EventLog,
    clock: &dyn Clock,
    campaign: &CampaignId,
    actor: Actor<'_>,
    action: &str,
    target: &str,
) -> Result<Position, LogUnavailable> {
    let subject = Subject::uses(campaign);
    let event = Event::OperatorActed {
        actor: actor.name.to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
    };
    let mut message = Message {
        version: VERSION,
        campaign: campaign.clone(),
        log: log.identity().to_owned(),
        epoch: 0,
        first: 0,
        last: 0,
        prev: log.end(&subject).await?.map_or(0, |end| end.position.sequence),
        nonce: random_hex::<8>(),
        entries: vec![Entry { decision: 0, at: clock.now(), event }],
        requests: actor.request.map(|id| (0, id.to_owned())).into_iter().collect(),
    };
    let (mut expected_since, mut back_off) = (Instant::now(), 1);
    loop {
        let refused = match log.append(&subject, message.prev, message.encode()).await {
            Ok(sequence) => return Ok(position(log, &subject, sequence)),
            Err(AppendError::Unavailable(error)) => return Err(error),
            Err(AppendError::Refused { .. }) => true,
            // Perhaps an earlier copy, which is stored yet or not.
            Err(AppendError::InProcess) => false,
        };
        let came = if refused { log.read(&subject, message.prev, PAGE).await? } else { Vec::new() };
        let nonce = |stored: &Stored| Message::decode(&stored.payload).ok().map(|message| message.nonce);
        if let Some(mine) = came.iter().find(|stored| nonce(stored).as_ref() == Some(&message.nonce)) {
            return Ok(mine.position);
        }
        if let Some(last) = came.last() {
            (message.prev, expected_since) = (last.position.sequence, Instant::now());
        } else if expected_since.elapsed() >= IN_PROCESS_DEADLINE {
            return Err(LogUnavailable::new("an append is in process and does not end"));
        }
        sleep(jittered(back_off)).await;
        back_off = (back_off * 2).min(100);
    }
}

/// A message as people may see it: coupon codes are money.
fn masked(payload: &str) -> String {
    const FIELD: &str = "\"code\":\"";
    let mut parts = payload.split(FIELD);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(FIELD);
        match part.split_once('"') {
            Some((code, rest)) => {
                shown.push_str(&mask(code));
                shown.push('"');
                shown.push_str(rest);
            }
            // Cut in the middle of a code.
            None => shown.push('…'),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_in_a_message_are_masked_also_when_it_was_cut() {
        let shown = masked(r#"{"code":"7Q2M-AAAA-BBBB-CCCC","seq":1,"code":"8Q2M-AA"#);
        assert_eq!(shown, r#"{"code":"7Q2M-****-****-****","seq":1,"code":"…"#);
        assert_eq!(masked("not JSON"), "not JSON");
    }
}
