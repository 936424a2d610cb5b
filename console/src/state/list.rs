//! A place in a list that is longer than the screen: which line is selected and which one is at the top.

/// A selected line and the first line on show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The selected line, from 0.
    pub(crate) selected: usize,
    /// The line at the top, from 0.
    pub(crate) top: usize,
}

impl Cursor {
    /// Moves the selection by so many lines and keeps it within the list and on show.
    pub(crate) fn step(&mut self, lines: isize, length: usize, rows: usize) {
        self.selected = self.selected.saturating_add_signed(lines);
        self.settle(length, rows);
    }

    /// Moves the window over the list by so many lines, where nothing is selected.
    pub(crate) fn scroll(&mut self, lines: isize, length: usize, rows: usize) {
        self.top = self.top.saturating_add_signed(lines).min(length.saturating_sub(rows));
        self.selected = self.top;
    }

    /// Keeps the selection within a list of that length and the window of that many rows around it.
    pub(crate) fn settle(&mut self, length: usize, rows: usize) {
        let rows = rows.max(1);
        self.selected = self.selected.min(length.saturating_sub(1));
        self.top = self.top.clamp(self.selected.saturating_sub(rows - 1), self.selected);
        self.top = self.top.min(length.saturating_sub(rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_in_the_list_and_on_show() {
        let mut cursor = Cursor::default();
        cursor.step(-1, 10, 4);
        assert_eq!(cursor, Cursor { selected: 0, top: 0 });
        cursor.step(5, 10, 4);
        assert_eq!(cursor, Cursor { selected: 5, top: 2 });
        cursor.step(isize::MAX, 10, 4);
        assert_eq!(cursor, Cursor { selected: 9, top: 6 });
        cursor.settle(3, 4);
        assert_eq!(cursor, Cursor { selected: 2, top: 0 });
        cursor.settle(0, 0);
        assert_eq!(cursor, Cursor { selected: 0, top: 0 });
    }
}
