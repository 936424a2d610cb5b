//! The Dead letters screen: what ledger and read model could not apply. `enter` reads one whole.

use firstcome_shared::clock::Millis;
use ratatui::layout::Rect;

use super::grid::Grid;
use super::layout::list_rows;
use super::pen::Pen;
use crate::message::{Feed, Side};
use crate::state::{List as _, Picture, State};
use crate::text;

/// The columns by which letters can be sorted, in the order of their keys.
const SORTED: [usize; 5] = [0, 2, 1, 3, 4];

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let letters = &state.letters;
    if letters.len() == 0 {
        return empty(pen, area, state, now);
    }
    let wide = area.width >= 100;
    let columns = [
        ("PARKED AT", Some(if wide { 19 } else { 14 })),
        ("STORE", Some(10)),
        ("CAMPAIGN", Some(if wide { 24 } else { 12 })),
        ("TRIES", Some(6)),
        ("REASON", None),
    ];
    let grid = Grid::new(area, columns);
    let (key, arrow) = letters.order();
    grid.heading(pen, SORTED[key.min(SORTED.len() - 1)], arrow);
    let cursor = letters.cursor();
    for (row, line) in letters.lines(cursor.top, list_rows(state)).enumerate() {
        let letter = &line.letter;
        let reason = text::plain(&letter.reason);
        let reason = if letter.replaying { format!("↻ replaying · {reason}") } else { reason };
        let cells = [
            (
                if wide { text::moment(letter.parked_at) } else { text::moment_short(letter.parked_at) },
                theme.dim,
            ),
            (line.side.store().to_owned(), theme.text),
            (letter.campaign_id.clone(), theme.title),
            (text::count(letter.attempts.into()), theme.text),
            (reason, if letter.replaying { theme.text } else { theme.bad }),
        ];
        grid.line(pen, row, &cells, cursor.top + row == cursor.selected);
    }
}

/// Why there is nothing to see, each half by itself.
fn empty(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    if state.letters.total() > 0 {
        let text = format!("None matches “{}”; esc drops the filter.", state.letters.filter());
        pen.put(area.x, area.y + 1, area.width, &text, theme.dim);
        return;
    }
    for (y, side) in (area.y + 1..).zip([Side::Command, Side::Query]) {
        let text = match state.links.of(&Feed::DeadLetters(side), now) {
            Picture::Live => "none: every message could be applied".to_owned(),
            picture => picture.text(),
        };
        pen.put(area.x, y, 12, side.store(), theme.text);
        pen.put(area.x + 12, y, area.width.saturating_sub(12), &text, theme.dim);
    }
}
