//! The Audit screen: what operators did, newest first; older entries come when one scrolls to them. `enter` reads one.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::AuditEntry;
use ratatui::layout::Rect;
use serde_json::Value;

use super::grid::Grid;
use super::layout::list_rows;
use super::pen::Pen;
use crate::message::Feed;
use crate::state::{List as _, Picture, State};
use crate::text;

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let acts = &state.audit.table;
    let picture = state.links.of(&Feed::Audit(state.audit.newest()), now);
    if acts.len() == 0 {
        let text = match picture {
            _ if acts.total() > 0 => format!("None matches “{}”; esc drops the filter.", acts.filter()),
            Picture::Live => "Nobody has done anything yet.".to_owned(),
            picture => format!("Not to be seen: {}.", picture.text()),
        };
        pen.put(area.x, area.y + 1, area.width, &text, theme.dim);
        return;
    }
    let wide = area.width >= 100;
    let columns = [
        ("AT (UTC)", Some(if wide { 19 } else { 14 })),
        ("ACTOR", Some(if wide { 16 } else { 9 })),
        ("ACTION", Some(if wide { 20 } else { 16 })),
        ("CAMPAIGN", Some(if wide { 24 } else { 12 })),
        ("DETAILS", None),
    ];
    let grid = Grid::new(area, columns);
    let (key, arrow) = acts.order();
    grid.heading(pen, key, arrow);
    let (cursor, rows) = (acts.cursor(), list_rows(state));
    for (row, act) in acts.lines(cursor.top, rows).enumerate() {
        let cells = [
            (if wide { text::moment(act.at) } else { text::moment_short(act.at) }, theme.dim),
            (text::plain(&act.actor), theme.text),
            (action(act), theme.title),
            (act.campaign_id.clone(), theme.text),
            (details(&act.details), theme.dim),
        ];
        grid.line(pen, row, &cells, cursor.top + row == cursor.selected);
    }
    let below = acts.len().saturating_sub(cursor.top + rows);
    let note = match (picture.is_live(), below, &state.audit.next) {
        (false, ..) => picture.text(),
        (true, 0, Some(_)) => "↓ older".to_owned(),
        _ => return,
    };
    pen.right(area.x, area.bottom().saturating_sub(1), area.width, &format!(" {note}"), theme.warn);
}

/// What was done; where that is a matter of the details, from there.
fn action(act: &AuditEntry) -> String {
    let said = act.details.get("action").and_then(Value::as_str);
    text::plain(said.unwrap_or(&act.action)).replace('_', " ")
}

/// The details in one line: first what became other, `stock 400 → 500`; what stands in the other columns is left out.
fn details(details: &Value) -> String {
    let Value::Object(fields) = details else { return text::plain(&details.to_string()) };
    let said = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let before = fields.get("before").and_then(Value::as_object);
    let now = |name: &str| fields.get(name).or_else(|| fields.get("definition")?.get(name));
    let changed = before.into_iter().flatten().map(|(name, old)| match now(name) {
        Some(new) if !old.is_array() && !old.is_object() => format!("{name} {} → {}", said(old), said(new)),
        _ => format!("{name} changed"),
    });
    let told = |name: &str| match name {
        "actor" | "action" | "before" => true,
        "definition" => before.is_some(),
        _ => before.is_some_and(|before| before.contains_key(name)),
    };
    let others = fields.iter().filter(|(name, _)| !told(name));
    let others = others.map(|(name, value)| format!("{name}={}", said(value)));
    text::plain(&changed.chain(others).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_became_other_is_said_first_with_what_it_was() {
        let table = [
            (json!({}), ""),
            (json!({"stock": 500, "window": 1, "before": {"stock": 400}}), "stock 400 → 500 window=1"),
            (json!({"paused": true, "before": {"paused": false}}), "paused false → true"),
            (
                json!({"definition": {"name": "B", "windows": [1, 2]}, "before": {"name": "A", "windows": [1]}}),
                "name A → B windows changed",
            ),
            (json!({"action": "replay", "target": "ledger 0-7"}), "target=ledger 0-7"),
        ];
        for (said, line) in table {
            assert_eq!(details(&said), line);
        }
    }
}
