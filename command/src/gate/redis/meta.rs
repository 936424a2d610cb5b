//! A campaign's `meta` hash: what a script needs to know of it without reading JSON.

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Book, Definition};
use firstcome_shared::wire::LimitPer;

use super::reply::strange;
use crate::gate::{GateError, Load};

/// Names and values, one after the other.
pub(super) type Fields = Vec<(String, Vec<u8>)>;

/// What a command can change, as it is in `book`.
pub(super) fn changing(book: &Book) -> Result<Fields, GateError> {
    let definition = serde_json::to_vec(&book.definition).map_err(|error| strange(&error))?;
    let mut fields = vec![
        field("definition", definition),
        field("windows", windows(&book.definition)),
        field("paused", flag(book.flags.paused)),
        field("cancelled", flag(book.flags.cancelled)),
        field("decision", book.decision.to_string()),
        field("version", book.version.to_string()),
        field("time", book.last_time.0.to_string()),
    ];
    for (place, window) in (1..).zip(&book.definition.windows) {
        fields.push((format!("stock:{place}"), window.stock.to_string().into()));
    }
    for (place, percent) in (1..).zip(&book.announced) {
        fields.push((format!("announced:{place}"), percent.to_string().into()));
    }
    Ok(fields)
}

/// All of it, for a campaign that is loaded.
pub(super) fn whole(load: &Load, coupons: usize) -> Result<Fields, GateError> {
    let Load { log, epoch, incarnation, nonce, book, logged } = load;
    let definition = &book.definition;
    let mut fields = changing(book)?;
    fields.extend([
        field("log", log.as_str()),
        field("epoch", epoch.to_string()),
        field("incarnation", incarnation.as_str()),
        field("nonce", nonce.as_str()),
        field("logged", logged.decision.to_string()),
        field("sequence", logged.sequence.to_string()),
        field("people", book.holders.len().to_string()),
        field("coupons", coupons.to_string()),
        field("limit", definition.per_user_limit.to_string()),
        field("keeps_keys", flag(definition.keeps_keys())),
        field("each_window", flag(definition.limit_per == LimitPer::Window)),
        field("coupon", serde_json::to_vec(&definition.coupon).map_err(|error| strange(&error))?),
    ]);
    for (place, issued) in (1..).zip(&book.issued) {
        fields.push((format!("issued:{place}"), issued.to_string().into()));
    }
    Ok(fields)
}

/// Three numbers a window, to be found by a script without reading all of them: opens, closes, id.
fn windows(definition: &Definition) -> Vec<u8> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a script has no other numbers, and they reach far enough"
    )]
    let number = |Millis(time): Millis| (time as f64).to_be_bytes();
    let each = definition.windows.iter().flat_map(|window| {
        [number(window.opens_at), number(window.closes_at), f64::from(window.id).to_be_bytes()]
    });
    each.flatten().collect()
}

fn field(name: &str, value: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.to_owned(), value.into())
}

fn flag(set: bool) -> &'static str {
    if set { "1" } else { "0" }
}
