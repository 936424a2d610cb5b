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

/// The details in one line: what stands in the other columns is left out.
fn details(details: &Value) -> String {
    let Value::Object(fields) = details else { return text::plain(&details.to_string()) };
    let shown = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "actor" | "action"));
    let parts: Vec<String> = shown
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    text::plain(&parts.join(" "))
}
