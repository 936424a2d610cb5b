//! The Alerts screen: all that is wrong, the gravest first, each with what to do.

use firstcome_shared::clock::Millis;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::grid::select;
use super::layout::{ALERT, list_rows};
use super::pen::Pen;
use super::theme::Theme;
use crate::state::{List as _, Severity, State};
use crate::text;

/// Cells before the text: symbol and word.
const INDENT: u16 = 8;

/// The colour of an alert.
pub(super) fn style(theme: &Theme, severity: Severity) -> Style {
    match severity {
        Severity::Page => theme.bad,
        Severity::Warn => theme.warn,
    }
}

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let alerts = &state.alerts.table;
    if alerts.len() == 0 {
        let text = if alerts.total() > 0 {
            format!("None matches “{}”; esc drops the filter.", alerts.filter())
        } else {
            "✓ Nothing is wrong, as far as this console sees.".to_owned()
        };
        pen.put(area.x, area.y + 1, area.width, &text, theme.text);
        return;
    }
    let cursor = alerts.cursor();
    for (row, alert) in alerts.lines(cursor.top, list_rows(state)).enumerate() {
        let y = area.y + u16::try_from(row).unwrap_or(0) * ALERT;
        let style = style(&theme, alert.severity);
        let since = format!(" for {}", text::span(now.since(alert.since)));
        let room = area.width.saturating_sub(text::width(&since));
        let mark = format!("{} {}", alert.severity.symbol(), alert.severity.word());
        pen.put(area.x, y, INDENT, &mark, style);
        pen.put(area.x + INDENT, y, room.saturating_sub(INDENT), &alert.title, style);
        pen.right(area.x, y, area.width, &since, theme.dim);
        let width = area.width.saturating_sub(INDENT);
        for (line, part) in (1..ALERT).zip(text::wrapped(&alert.advice, usize::from(width))) {
            pen.put(area.x + INDENT, y + line, width, &part, theme.text);
        }
        if cursor.top + row == cursor.selected {
            select(pen, Rect { y, height: 1, ..area });
        }
    }
}
