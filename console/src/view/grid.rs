//! A plain table: a heading, lines, and the selected one marked.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::pen::Pen;

/// A column: its title and how many cells it has; the one without a number takes what is left.
pub(super) type Column = (&'static str, Option<u16>);

/// The cells of one line, each with its style.
pub(super) type Cells<const N: usize> = [(String, Style); N];

/// A table of `N` columns, drawn below `area`'s first line.
pub(super) struct Grid<const N: usize> {
    columns: [Column; N],
    area: Rect,
    rest: u16,
}

impl<const N: usize> Grid<N> {
    /// Columns two cells apart in `area`, whose first line is the heading's.
    pub(super) fn new(area: Rect, columns: [Column; N]) -> Self {
        let fixed: u16 = columns.iter().filter_map(|(_, width)| *width).sum();
        let gaps = 2 * u16::try_from(N.saturating_sub(1)).unwrap_or(0);
        Self { columns, area, rest: area.width.saturating_sub(fixed + gaps) }
    }

    /// The titles; the one that the lines are sorted by stands out and has an arrow.
    pub(super) fn heading(&self, pen: &mut Pen, sorted: usize, arrow: &str) {
        let theme = *pen.theme;
        let titles = std::array::from_fn(|at| {
            let (title, _) = self.columns[at];
            if at == sorted {
                (format!("{title}{arrow}"), theme.accent)
            } else {
                (title.to_owned(), theme.dim)
            }
        });
        self.put(pen, self.area.y, &titles);
    }

    /// One line, `at` lines below the heading.
    pub(super) fn line(&self, pen: &mut Pen, at: usize, cells: &Cells<N>, selected: bool) {
        let y = self.area.y + 1 + u16::try_from(at).unwrap_or(u16::MAX / 2);
        if y >= self.area.bottom() {
            return;
        }
        self.put(pen, y, cells);
        if selected {
            select(pen, Rect { y, height: 1, ..self.area });
        }
    }

    fn put(&self, pen: &mut Pen, y: u16, cells: &Cells<N>) {
        let mut x = self.area.x;
        for ((_, width), (text, style)) in self.columns.iter().zip(cells) {
            let width = width.unwrap_or(self.rest);
            pen.put(x, y, width, text, *style);
            x += width + 2;
        }
    }
}

/// Marks a line as the selected one.
pub(super) fn select(pen: &mut Pen, line: Rect) {
    let theme = *pen.theme;
    pen.put(0, line.y, 1, "▌", theme.accent);
    pen.fill(Rect { x: 0, width: line.right() + 1, ..line }, theme.selected);
}
