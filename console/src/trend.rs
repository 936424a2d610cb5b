//! How a number moved: snapshots come when they come, so they are turned into one mark a second by interpolation.
//! From the marks come rates (what a second added) and levels (what was left at its end).

use std::collections::VecDeque;

use firstcome_shared::clock::Millis;

/// Seconds that a trend remembers.
const SECONDS: usize = 300;

/// One snapshot of a counter that only grows and of a level that goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at: Millis,
    total: u64,
    level: u64,
}

/// A counter and a level over the last minutes, second by second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trend {
    last: Option<Sample>,
    /// (total, level) at the end of each second, oldest first.
    marks: VecDeque<(u64, u64)>,
    /// The most that one of the seconds added: looked up with every picture, found with every mark.
    peak: u64,
}

impl Trend {
    /// Takes a snapshot in. One that is not newer than the last is ignored; after a gap longer than the memory the
    /// trend begins anew.
    pub(crate) fn record(&mut self, at: Millis, total: u64, level: u64) {
        let sample = Sample { at, total, level };
        let Some(last) = self.last else {
            self.last = Some(sample);
            return;
        };
        if at <= last.at {
            return;
        }
        self.last = Some(sample);
        let (from, to) = (last.at.0.div_euclid(1000), at.0.div_euclid(1000));
        if usize::try_from(to - from).is_ok_and(|seconds| seconds > SECONDS) {
            self.marks.clear();
            self.peak = 0;
            return;
        }
        let before = self.marks.len();
        for second in from + 1..=to {
            let part =
                |before: u64, after: u64| between(before, after, second * 1000 - last.at.0, at.0 - last.at.0);
            self.marks.push_back((part(last.total, total), part(last.level, level)));
        }
        if self.marks.len() == before {
            return;
        }
        while self.marks.len() > SECONDS + 1 {
            self.marks.pop_front();
        }
        let marks = self.marks.iter();
        let added = marks.clone().zip(marks.skip(1)).map(|(a, b)| b.0.saturating_sub(a.0));
        self.peak = added.max().unwrap_or(0);
    }

    /// What each of the last whole seconds added, oldest first, at most `seconds` of them.
    pub(crate) fn rates(&self, seconds: usize) -> Vec<u64> {
        let skip = self.marks.len().saturating_sub(seconds.saturating_add(1));
        let marks = self.marks.iter().skip(skip);
        marks.clone().zip(marks.skip(1)).map(|(a, b)| b.0.saturating_sub(a.0)).collect()
    }

    /// The level at the end of each of the last seconds and now, oldest first, at most `seconds` of them.
    pub(crate) fn levels(&self, seconds: usize) -> Vec<u64> {
        let marks = self.marks.iter().map(|mark| mark.1);
        let mut levels: Vec<u64> = marks.chain(self.last.map(|last| last.level)).collect();
        levels.drain(..levels.len().saturating_sub(seconds));
        levels
    }

    /// What the last whole second added.
    pub(crate) fn rate(&self) -> u64 {
        let mut newest = self.marks.iter().rev();
        match (newest.next(), newest.next()) {
            (Some(new), Some(old)) => new.0.saturating_sub(old.0),
            _ => 0,
        }
    }

    /// The most that one remembered second added.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Where the level is going: the last five seconds against the five before.
    pub(crate) fn heading(&self) -> Heading {
        let levels = self.levels(10);
        let (before, after) = levels.split_at(levels.len() / 2);
        let sum = |part: &[u64]| part.iter().fold(0_u64, |sum, level| sum.saturating_add(*level));
        // Halves of unequal length differ by one sample: compare by mean, without division.
        let (before, after) =
            (sum(before).saturating_mul(after.len() as u64), sum(after).saturating_mul(before.len() as u64));
        let margin = before.max(after) / 10;
        match () {
            () if after > before.saturating_add(margin) => Heading::Rising,
            () if before > after.saturating_add(margin) => Heading::Falling,
            () => Heading::Steady,
        }
    }
}

/// Where a level is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heading {
    /// Up by more than a tenth.
    Rising,
    /// Neither.
    Steady,
    /// Down by more than a tenth.
    Falling,
}

impl Heading {
    /// An arrow and a word.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Rising => "↗ rising",
            Self::Steady => "→ steady",
            Self::Falling => "↘ falling",
        }
    }
}

/// The value `passed` of `whole` milliseconds on the way from `before` to `after`.
fn between(before: u64, after: u64, passed: i64, whole: i64) -> u64 {
    let way = i128::from(after) - i128::from(before);
    let value = i128::from(before) + way * i128::from(passed) / i128::from(whole.max(1));
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(samples: &[(i64, u64, u64)]) -> Trend {
        let mut trend = Trend::default();
        for &(at, total, level) in samples {
            trend.record(Millis(at), total, level);
        }
        trend
    }

    #[test]
    fn rates_add_up_to_what_was_counted() {
        let trend = trend(&[(1_000, 0, 0), (1_400, 40, 0), (2_100, 110, 0), (4_000, 300, 0)]);
        assert_eq!(trend.rates(60), [100, 100]);
        assert_eq!((trend.rate(), trend.peak()), (100, 100));
    }

    #[test]
    fn a_snapshot_that_is_not_newer_changes_nothing() {
        let twice = trend(&[(1_000, 5, 9), (1_000, 7, 1), (500, 99, 1)]);
        assert!(twice.rates(60).is_empty());
        assert_eq!(twice.levels(60), [9]);
    }

    #[test]
    fn remembers_a_bounded_time_and_begins_anew_after_a_gap() {
        let mut long = Trend::default();
        for second in 0..1_000 {
            long.record(Millis(second * 1_000), 0, 0);
        }
        assert_eq!(long.rates(usize::MAX).len(), SECONDS);
        long.record(Millis(10_000_000), 5, 5);
        assert!(long.rates(usize::MAX).is_empty());
    }

    #[test]
    fn tells_where_a_level_is_going() {
        let line = |step: i64| {
            let level = |second| u64::try_from(500 + step * second).unwrap();
            trend(&(0..12).map(|second| (second * 1_000, 0, level(second))).collect::<Vec<_>>()).heading()
        };
        assert_eq!([line(40), line(0), line(-40)], [Heading::Rising, Heading::Steady, Heading::Falling]);
        assert_eq!(Trend::default().heading(), Heading::Steady);
    }
}
