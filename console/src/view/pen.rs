//! Writing into the terminal's buffer: text that is cut with an ellipsis, gauges, bars, rules and frames. Nothing here
//! can write outside the buffer, however small the terminal is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Theme;
use crate::text;

/// Eighths of a cell, filled from the left.
const ACROSS: [&str; 8] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// Eighths of a cell, filled from below.
const UP: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// A buffer and the colours to write with.
pub(crate) struct Pen<'a> {
    buffer: &'a mut Buffer,
    /// The colours.
    pub(crate) theme: &'a Theme,
}

impl<'a> Pen<'a> {
    /// Writes into `buffer`.
    pub(crate) fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buffer, theme }
    }

    /// Writes text at the left of `width` cells, cut with an ellipsis when it is longer. Gives the column after it.
    pub(crate) fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        let width = width.min(area.right().saturating_sub(x));
        if width == 0 || y < area.top() || y >= area.bottom() || x < area.left() {
            return x;
        }
        // Most text is short and ASCII, where bytes are cells.
        let fits = (text.is_ascii() && text.len() <= usize::from(width)) || text::width(text) <= width;
        if fits {
            return self.buffer.set_stringn(x, y, text, usize::from(width), style).0;
        }
        let (end, _) = self.buffer.set_stringn(x, y, text, usize::from(width - 1), style);
        self.buffer.set_stringn(end, y, "…", 1, style).0
    }

    /// Writes one glyph of one cell.
    fn glyph(&mut self, x: u16, y: u16, glyph: &'static str, style: Style) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_symbol(glyph).set_style(style);
        }
    }

    /// A line of `width` cells.
    pub(crate) fn rule(&mut self, x: u16, y: u16, width: u16) {
        for at in x..x.saturating_add(width) {
            self.glyph(at, y, "─", self.theme.dim);
        }
    }

    /// Writes text at the right of `width` cells.
    pub(crate) fn right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let taken = text::width(text).min(width);
        self.put(x + (width - taken), y, taken, text, style);
    }

    /// Writes pieces of text one after the other within `width` cells. Gives the column after the last.
    pub(crate) fn run(&mut self, x: u16, y: u16, width: u16, pieces: &[(&str, Style)]) -> u16 {
        let end = x.saturating_add(width);
        pieces.iter().fold(x, |x, (text, style)| self.put(x, y, end.saturating_sub(x), text, *style))
    }

    /// Lays a style over an area.
    pub(crate) fn fill(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Empties an area.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
        self.fill(area, self.theme.ground);
    }

    /// A bar of `width` cells that is full when `part` is `whole`, exact to an eighth of a cell. Something is never
    /// shown as nothing, nor less than all as all.
    pub(crate) fn gauge(&mut self, x: u16, y: u16, width: u16, (part, whole): (u64, u64), style: Style) {
        let cells = u64::from(width) * 8;
        let eighths = scaled(part, whole, cells);
        let eighths = if part < whole { eighths.min(cells - 1) } else { eighths };
        let (style, empty) = match self.theme.track {
            Some(track) => (style.bg(track), " "),
            None => (style, "░"),
        };
        let rest = if self.theme.track.is_some() { style } else { self.theme.dim };
        for cell in 0..width {
            let filled = eighths.saturating_sub(u64::from(cell) * 8);
            let (glyph, style) = match usize::try_from(filled).unwrap_or(8) {
                0 => (empty, rest),
                some @ 1..8 => (ACROSS[some], style),
                _ => ("█", style),
            };
            self.glyph(x + cell, y, glyph, style);
        }
    }

    /// Bars from below, one a column, the last at the right edge, the highest possible for `most`. A zero is a dim line
    /// where there is only one row.
    pub(crate) fn bars(&mut self, area: Rect, values: &[u64], most: u64, style: Style) {
        let columns = usize::from(area.width);
        let values = &values[values.len().saturating_sub(columns)..];
        let first = area.right().saturating_sub(u16::try_from(values.len()).unwrap_or(area.width));
        let least = if area.height == 1 { 2 } else { 1 };
        for (x, value) in (first..area.right()).zip(values) {
            let eighths = match scaled(*value, most, u64::from(area.height) * 8) {
                0 => 0,
                some => some.max(least),
            };
            if eighths == 0 {
                self.glyph(x, area.bottom().saturating_sub(1), UP[1], self.theme.dim);
            }
            for row in 0..area.height {
                let filled = eighths.saturating_sub(u64::from(row) * 8);
                if filled > 0 {
                    let glyph = UP[usize::try_from(filled).unwrap_or(8).min(8)];
                    self.glyph(x, area.bottom() - 1 - row, glyph, style);
                }
            }
        }
    }

    /// A heading with a line to the right edge, and a note at its end.
    pub(crate) fn heading(&mut self, area: Rect, title: &str, note: &str) {
        let (x, y, width) = (area.x, area.y, area.width);
        let end = self.put(x, y, width, title, self.theme.title);
        let note_width = text::width(note);
        let line_end = area.right().saturating_sub(if note.is_empty() { 0 } else { note_width + 1 });
        self.rule(end + 1, y, line_end.saturating_sub(end + 1));
        if end + 2 + note_width <= area.right() {
            self.right(x, y, width, note, self.theme.dim);
        }
    }

    /// A box with a title in its upper edge.
    pub(crate) fn frame(&mut self, area: Rect, title: &str, style: Style) {
        let (left, right) = (area.left(), area.right().saturating_sub(1));
        let (top, bottom) = (area.top(), area.bottom().saturating_sub(1));
        for x in left + 1..right {
            self.glyph(x, top, "─", style);
            self.glyph(x, bottom, "─", style);
        }
        for y in top + 1..bottom {
            self.glyph(left, y, "│", style);
            self.glyph(right, y, "│", style);
        }
        for (x, y, corner) in [(left, top, "╭"), (right, top, "╮"), (left, bottom, "╰"), (right, bottom, "╯")]
        {
            self.put(x, y, 1, corner, style);
        }
        if !title.is_empty() {
            let room = area.width.saturating_sub(4);
            let width = text::width(title).min(room.saturating_sub(2));
            self.put(left + 2, top, 1, " ", style);
            self.put(left + 3, top, width, title, self.theme.title);
            self.put(left + 3 + width, top, 1, " ", style);
        }
    }
}

/// `part` of `whole` on a scale of so many steps; at least one step for anything above nothing.
fn scaled(part: u64, whole: u64, steps: u64) -> u64 {
    if part == 0 || whole == 0 {
        return 0;
    }
    let scaled = u128::from(part.min(whole)) * u128::from(steps) / u128::from(whole);
    u64::try_from(scaled).unwrap_or(steps).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThemeName;

    fn drawn(width: u16, height: u16, draw: impl FnOnce(&mut Pen)) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw(&mut Pen::new(&mut buffer, &Theme::new(ThemeName::Mono)));
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(row).collect()
    }

    #[test]
    fn a_gauge_is_never_rounded_to_empty_or_full() {
        let gauge =
            |part, whole| drawn(4, 1, |pen| pen.gauge(0, 0, 4, (part, whole), Style::new())).remove(0);
        assert_eq!(gauge(0, 100), "░░░░");
        assert_eq!(gauge(1, 1_000_000), "▏░░░");
        assert_eq!(gauge(50, 100), "██░░");
        assert_eq!(gauge(999_999, 1_000_000), "███▉");
        assert_eq!(gauge(100, 100), "████");
        assert_eq!(gauge(0, 0), "░░░░");
    }

    #[test]
    fn bars_stand_at_the_right_and_show_zero() {
        let bars = drawn(5, 2, |pen| pen.bars(Rect::new(0, 0, 5, 2), &[0, 1, 8, 16], 16, Style::new()));
        assert_eq!(bars, ["    █", " ▁▁██"]);
    }

    #[test]
    fn text_that_does_not_fit_is_cut_also_between_wide_letters() {
        let put = |text: &str| drawn(6, 1, |pen| _ = pen.put(0, 0, 5, text, Style::new())).remove(0);
        assert_eq!(put("summer"), "summ… ");
        assert_eq!(put("여름쿠폰").trim_end(), "여 름 …");
        assert_eq!(put("a\u{1b}[2J"), "a[2J  ");
    }

    #[test]
    fn nothing_is_written_outside() {
        let rows = drawn(3, 1, |pen| {
            pen.put(2, 0, 9, "ab", Style::new());
            pen.put(9, 9, 9, "no", Style::new());
            pen.frame(Rect::new(1, 0, 9, 9), "title", Style::new());
        });
        assert_eq!(rows.len(), 1);
    }
}
