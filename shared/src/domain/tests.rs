//! The rules, tried: tables of given/when/then, and histories that a generator makes up.

mod asking;
mod commands;
mod creating;
mod histories;

use super::{Ask, Book, Decided, Definition, Held, RequestKey, Terms, UserId, Verdict, Window};
use crate::clock::Millis;
use crate::domain::CampaignId;
use crate::wire::LimitPer;

/// A campaign with windows (opens, closes, stock), one coupon a person.
fn definition(windows: &[(i64, i64, u64)]) -> Definition {
    let window = |(id, &(opens, closes, stock)): (u32, &(i64, i64, u64))| Window {
        id,
        opens_at: Millis(opens),
        closes_at: Millis(closes),
        stock,
    };
    Definition {
        id: CampaignId::parse("summer").unwrap(),
        name: "Summer".to_owned(),
        windows: (1..).zip(windows).map(window).collect(),
        per_user_limit: 1,
        limit_per: LimitPer::Campaign,
        coupon: Terms::default(),
        waiting_room: None,
        key_id: "key".to_owned(),
    }
}

fn book(definition: Definition) -> Book {
    Book::new(definition)
}

fn ask(user: &str, key: Option<&str>) -> Ask {
    Ask { user: UserId::parse(user).unwrap(), key: key.map(|key| RequestKey::parse(key).unwrap()) }
}

/// Asks for each word at `now`: `ada`, or `ada/key`.
fn decide(book: &mut Book, now: i64, asks: &str) -> Decided {
    let asks: Vec<Ask> = asks
        .split_whitespace()
        .map(|word| word.split_once('/').map_or_else(|| ask(word, None), |(user, key)| ask(user, Some(key))))
        .collect();
    book.decide(&asks, Millis(now))
}

/// The verdicts in short: `+3` a new coupon, `=3` the same as before, else the refusal's name.
fn verdicts(decided: &Decided) -> String {
    let short = |verdict: &Verdict| match verdict {
        Verdict::Issued { held, .. } => format!("+{}", held.seq),
        Verdict::AlreadyIssued(held) => format!("={}", held.seq),
        Verdict::SoldOut { stock } => format!("sold_out({stock})"),
        Verdict::NotOpen { opens_at } => format!("not_open({})", opens_at.0),
        Verdict::Paused => "paused".to_owned(),
        Verdict::Closed(reason) => format!("{reason:?}").to_lowercase(),
        Verdict::LimitReached(held) => format!("limit({})", seqs(held)),
    };
    decided.verdicts.iter().map(short).collect::<Vec<_>>().join(" ")
}

fn seqs(held: &[Held]) -> String {
    held.iter().map(|held| held.seq.to_string()).collect::<Vec<_>>().join(",")
}
