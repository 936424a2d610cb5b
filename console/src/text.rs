//! Numbers, spans of time and foreign text as people read them. Integers only, so that what is shown is exact.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::Time;
use ratatui::text::Span;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A span of milliseconds in at most seven cells, two units at most: `350 ms`, `12 s`, `3m 05s`, `2h 04m`, `12d 07h`.
pub(crate) fn span(milliseconds: i64) -> String {
    let milliseconds = milliseconds.max(0);
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Time until something happens: whole seconds, the last one counted to its end.
pub(crate) fn countdown(milliseconds: i64) -> String {
    if milliseconds <= 0 { "now".to_owned() } else { span((milliseconds + 999) / 1000 * 1000) }
}

/// Seconds as the wire gives them, as a span; what is no time at all is `0 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 0.001 { "0 s".to_owned() } else { span(milliseconds(seconds)) }
}

#[expect(clippy::cast_possible_truncation, reason = "a float too large saturates, which is what is wanted")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// The moment's date and time of day, to the second, in UTC: `2026-11-20 10:00:00`.
pub(crate) fn moment(at: Time) -> String {
    let text = at.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// The same without the year: `11-20 10:00:00`.
pub(crate) fn moment_short(at: Time) -> String {
    let text = moment(at);
    text.get(5..).unwrap_or(&text).to_owned()
}

/// The moment's time of day, to the millisecond, in UTC: `10:00:00.000`.
pub(crate) fn time_of_day(at: Time) -> String {
    let text = at.to_string();
    text.get(11..23).unwrap_or(&text).to_owned()
}

/// From one moment to another as one line; neither the day is said twice nor seconds that are none.
pub(crate) fn from_to(from: Time, to: Time) -> String {
    let (from, to) = (moment(from), moment(to));
    let (from, to) = match (from.strip_suffix(":00"), to.strip_suffix(":00")) {
        (Some(from), Some(to)) => (from.to_owned(), to.to_owned()),
        _ => (from, to),
    };
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => format!("{from} – {time}"),
        _ => format!("{from} – {to}"),
    }
}

/// The same to the minute and without the year: `11-20 10:00 – 12:00`.
pub(crate) fn from_to_short(from: Time, to: Time) -> String {
    let (from, to) = (moment(from), moment(to));
    let short = |text: &str| text.get(5..16).unwrap_or(text).to_owned();
    if from.get(..10) == to.get(..10) {
        format!("{} – {}", short(&from), to.get(11..16).unwrap_or(&to))
    } else {
        format!("{} – {}", short(&from), short(&to))
    }
}

/// `part` of `whole` in percent, rounded down; only all of it is 100, and only nothing is 0.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 || part == 0 {
        return 0;
    }
    let percent = u128::from(part.min(whole)) * 100 / u128::from(whole);
    u64::try_from(percent).unwrap_or(100).max(1)
}

/// Cells that the text takes in a terminal.
pub(crate) fn width(text: &str) -> u16 {
    // Most text is ASCII, where bytes are cells.
    if text.is_ascii() {
        return u16::try_from(text.len()).unwrap_or(u16::MAX);
    }
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// A name or message from elsewhere, with nothing in it that would move a cursor or change a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// A code with all but its first group hidden, whatever the server sent.
pub(crate) fn masked(code: &str) -> String {
    let head: String = code.chars().take_while(char::is_ascii_alphanumeric).take(4).collect();
    format!("{head}-····")
}

/// A message of the log with every coupon's code masked, whether the server did that or not.
pub(crate) fn codes_masked(message: &str) -> String {
    const FIELD: &str = "\"code\":\"";
    let mut parts = message.split(FIELD);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('"').unwrap_or((part, ""));
        shown.push_str(FIELD);
        shown.push_str(&masked(code));
        if part.len() > code.len() {
            shown.push('"');
        }
        shown.push_str(rest);
    }
    shown
}

/// The text in lines of at most `width` cells, cut between words where that is possible. No text has one empty line.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let room = u16::try_from(width.max(1)).unwrap_or(u16::MAX);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        if !line.is_empty() && self::width(&line) + self::width(word.trim_end()) > room {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            // A word longer than a line is cut; the blank that ends a line may stand outside.
            let cells = self::width(letter.encode_utf8(&mut [0; 4]));
            if letter != ' ' && !line.is_empty() && self::width(&line) + cells > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Milliseconds between the moments, negative when `to` is the earlier.
pub(crate) fn between(from: Millis, to: Millis) -> i64 {
    to.0.saturating_sub(from.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits_by_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn spans_never_take_more_than_seven_cells_below_a_thousand_days() {
        let spans = [0, 999, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_000, 86_400_000, 999 * 86_400_000];
        assert_eq!(
            spans.map(span),
            ["0 ms", "999 ms", "59 s", "1m 00s", "59m 59s", "1h 00m", "23h 59m", "1d 00h", "999d 00h"]
        );
        assert_eq!([-5, 0, 1, 1000, 1001].map(countdown), ["now", "now", "1 s", "1 s", "2 s"]);
        assert_eq!([0.0, 0.25, 12.0].map(seconds), ["0 s", "250 ms", "12 s"]);
    }

    #[test]
    fn percent_is_never_rounded_to_an_end() {
        assert_eq!(
            [percent(0, 10), percent(1, 100_000), percent(99_999, 100_000), percent(5, 5)],
            [0, 1, 99, 100]
        );
        assert_eq!(percent(0, 0), 0);
    }

    #[test]
    fn codes_are_masked_whoever_sends_them() {
        assert_eq!(masked("7Q2M-9999-8888-7777"), "7Q2M-····");
        assert_eq!(masked("7Q2M999988887777"), "7Q2M-····");
        assert_eq!(masked("····"), "-····");
    }

    #[test]
    fn says_a_day_once() {
        let at = |millis| Time(Millis(millis));
        assert_eq!(from_to(at(0), at(60_000)), "1970-01-01 00:00 – 00:01");
        assert_eq!(from_to(at(0), at(61_000)), "1970-01-01 00:00:00 – 00:01:01");
        assert_eq!(from_to(at(0), at(90_000_000)), "1970-01-01 00:00 – 1970-01-02 01:00");
        assert_eq!(plain("a\u{1b}[2Jb"), "a[2Jb");
    }
    #[test]
    fn codes_are_masked_in_messages_too() {
        assert_eq!(
            codes_masked(r#"{"code":"7Q2M-AAAA-BBBB-CCCC","seq":1,"code":"8Q2M-AA"#),
            r#"{"code":"7Q2M-····","seq":1,"code":"8Q2M-····"#
        );
        assert_eq!(codes_masked("not JSON"), "not JSON");
    }

    #[test]
    fn wraps_between_words_and_cuts_what_has_none() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("    \"a\": 1", 20), ["    \"a\": 1"]);
        assert_eq!(wrapped("", 4), [""]);
        assert!(wrapped("여름쿠폰", 5).iter().all(|line| width(line) <= 5));
    }
}
