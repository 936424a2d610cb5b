//! A list with a selection, a filter and an order: what every list of the console can do, whatever its lines are. What
//! is on show is found when something changes, not when the screen is drawn.

use std::cmp::Ordering;

use super::Cursor;

/// What lines can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// What it is called, and typed.
    pub(crate) word: &'static str,
    /// The larger first: it is those that one looks for.
    pub(crate) largest_first: bool,
}

/// A key in its natural order.
pub(crate) const fn key(word: &'static str) -> Key {
    Key { word, largest_first: false }
}

/// A key of which the largest comes first.
pub(crate) const fn largest(word: &'static str) -> Key {
    Key { word, largest_first: true }
}

/// One line.
pub(crate) trait Row: Clone {
    /// What it can be sorted by; the first is the order in the beginning.
    const KEYS: &'static [Key];

    /// It is the same thing, seen at another time.
    fn same(&self, other: &Self) -> bool;

    /// `wanted`, in lower case, occurs in it.
    fn matches(&self, wanted: &str) -> bool;

    /// The natural order by the key at this index.
    fn compare(&self, other: &Self, key: usize) -> Ordering;
}

/// What can be done with any list.
pub(crate) trait List {
    /// How many lines are on show.
    fn len(&self) -> usize;
    /// How many there are, on show or not.
    fn total(&self) -> usize;
    /// The selection.
    fn cursor(&self) -> Cursor;
    /// The selection, to be moved.
    fn cursor_mut(&mut self) -> &mut Cursor;
    /// Only lines in which this occurs are on show.
    fn filter(&self) -> &str;
    /// Shows only lines in which `filter` occurs.
    fn set_filter(&mut self, filter: String);
    /// All that it can be sorted by.
    fn keys(&self) -> Vec<&'static str>;
    /// Which of these it is sorted by, and an arrow: up when values grow downwards.
    fn order(&self) -> (usize, &'static str);
    /// Sorts by one of these, in its own direction.
    fn sort_by(&mut self, key: usize);
    /// Turns the order round.
    fn reverse(&mut self);

    /// Sorts by the next of these.
    fn sort_by_next(&mut self) {
        let next = (self.order().0 + 1) % self.keys().len().max(1);
        self.sort_by(next);
    }
}

/// A list of lines of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Table<R> {
    rows: Vec<R>,
    shown: Vec<usize>,
    cursor: Cursor,
    filter: String,
    key: usize,
    reversed: bool,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            shown: Vec::new(),
            cursor: Cursor::default(),
            filter: String::new(),
            key: 0,
            reversed: false,
        }
    }
}

impl<R: Row> Table<R> {
    /// Takes these lines instead of all before. The selection follows its line.
    pub(crate) fn replace(&mut self, rows: Vec<R>) {
        let selected = self.selected().cloned();
        self.rows = rows;
        self.arrange(selected.as_ref());
    }

    /// All lines, on show or not, in the order in which they came.
    pub(crate) fn all(&self) -> &[R] {
        &self.rows
    }

    /// The lines on show from line `top` on, at most `rows`.
    pub(crate) fn lines(&self, top: usize, rows: usize) -> impl Iterator<Item = &R> {
        self.shown.iter().skip(top).take(rows).filter_map(|at| self.rows.get(*at))
    }

    /// The selected line.
    pub(crate) fn selected(&self) -> Option<&R> {
        self.rows.get(*self.shown.get(self.cursor.selected)?)
    }

    fn arrange(&mut self, selected: Option<&R>) {
        let wanted = self.filter.to_lowercase();
        let rows = &self.rows;
        self.shown.clear();
        self.shown.extend((0..rows.len()).filter(|at| wanted.is_empty() || rows[*at].matches(&wanted)));
        let turned = R::KEYS.get(self.key).is_some_and(|key| key.largest_first) != self.reversed;
        self.shown.sort_by(|a, b| {
            let order = rows[*a].compare(&rows[*b], self.key);
            if turned { order.reverse() } else { order }
        });
        let found = selected.and_then(|row| self.shown.iter().position(|at| rows[*at].same(row)));
        match (found, selected) {
            (Some(line), _) => self.cursor.selected = line,
            // Its line is gone: the place stays.
            (None, Some(_)) => {}
            (None, None) => self.cursor.selected = 0,
        }
    }
}

impl<R: Row> List for Table<R> {
    fn len(&self) -> usize {
        self.shown.len()
    }

    fn total(&self) -> usize {
        self.rows.len()
    }

    fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn cursor_mut(&mut self) -> &mut Cursor {
        &mut self.cursor
    }

    fn filter(&self) -> &str {
        &self.filter
    }

    fn set_filter(&mut self, filter: String) {
        let selected = self.selected().cloned();
        self.filter = filter;
        self.arrange(selected.as_ref());
    }

    fn keys(&self) -> Vec<&'static str> {
        R::KEYS.iter().map(|key| key.word).collect()
    }

    fn order(&self) -> (usize, &'static str) {
        let largest_first = R::KEYS.get(self.key).is_some_and(|key| key.largest_first);
        (self.key, if self.reversed == largest_first { "↑" } else { "↓" })
    }

    fn sort_by(&mut self, key: usize) {
        let selected = self.selected().cloned();
        (self.key, self.reversed) = (key, false);
        self.arrange(selected.as_ref());
    }

    fn reverse(&mut self) {
        let selected = self.selected().cloned();
        self.reversed = !self.reversed;
        self.arrange(selected.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Line(&'static str, u64);

    impl Row for Line {
        const KEYS: &'static [Key] = &[key("name"), largest("size")];

        fn same(&self, other: &Self) -> bool {
            self.0 == other.0
        }

        fn matches(&self, wanted: &str) -> bool {
            self.0.contains(wanted)
        }

        fn compare(&self, other: &Self, key: usize) -> Ordering {
            if key == 0 { self.0.cmp(other.0) } else { self.1.cmp(&other.1) }
        }
    }

    fn names(table: &Table<Line>) -> Vec<&'static str> {
        table.lines(0, usize::MAX).map(|line| line.0).collect()
    }

    #[test]
    fn sorts_filters_and_keeps_what_is_selected() {
        let mut table = Table::default();
        table.replace(vec![Line("b", 3), Line("a", 1), Line("ab", 2)]);
        assert_eq!((names(&table), table.order()), (vec!["a", "ab", "b"], (0, "↑")));
        table.cursor_mut().selected = 1;
        table.sort_by_next();
        assert_eq!((names(&table), table.order()), (vec!["b", "ab", "a"], (1, "↓")));
        assert_eq!(table.selected(), Some(&Line("ab", 2)));
        table.reverse();
        assert_eq!((names(&table), table.order()), (vec!["a", "ab", "b"], (1, "↑")));
        table.set_filter("B".into());
        assert_eq!((names(&table), table.len(), table.total()), (vec!["ab", "b"], 2, 3));
        assert_eq!(table.selected(), Some(&Line("ab", 2)));
        table.replace(vec![Line("ab", 9), Line("c", 1), Line("bb", 1)]);
        assert_eq!((names(&table), table.selected()), (vec!["bb", "ab"], Some(&Line("ab", 9))));
        table.sort_by_next();
        assert_eq!(table.order(), (0, "↑"));
    }
}
