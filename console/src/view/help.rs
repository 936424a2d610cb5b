//! The Help screen, made from the tables of keys and commands and from the states' own symbols and words: two columns of
//! keys, then the commands, then what the tables' words mean.

use ratatui::layout::Rect;

use super::campaigns::standing_style;
use super::pen::Pen;
use crate::commands::{self, COMMANDS};
use crate::keys::{BINDINGS, Binding, Group};
use crate::state::{Standing, State};

const STANDINGS: [[Standing; 3]; 2] = [
    [Standing::Open, Standing::Paused, Standing::SoldOut],
    [Standing::Scheduled, Standing::Ended, Standing::Cancelled],
];

const WORDS: [(&str, &str); 5] = [
    ("left, of", "coupons left in the open window, else in the next one"),
    ("/s, trend", "coupons issued in each of the last seconds"),
    ("outbox", "decided by the gate and not yet logged: nobody is told of it"),
    ("next", "until the window closes, or until the next one opens"),
    ("mouse", "the wheel moves, a click selects, a second click opens; tabs too"),
];

/// One line of a column.
enum Line {
    Title(&'static str),
    Key(&'static Binding),
    States([Standing; 3]),
    Blank,
}

fn keys(group: Group) -> impl Iterator<Item = Line> {
    BINDINGS.iter().filter(move |binding| binding.group == group).map(Line::Key)
}

/// The left and the right column.
fn columns() -> [Vec<Line>; 2] {
    let mut left = vec![Line::Title("Move")];
    left.extend(keys(Group::Move));
    left.extend([Line::Blank, Line::Title("States")]);
    left.extend(STANDINGS.map(Line::States));
    let mut right = vec![Line::Title("Look")];
    right.extend(keys(Group::Look));
    right.extend([Line::Blank, Line::Title("Act (with --operator; each asks first)")]);
    right.extend(keys(Group::Act));
    [left, right]
}

fn shown_commands() -> impl Iterator<Item = (&'static commands::Line, &'static str)> {
    COMMANDS.iter().filter_map(|line| Some((line, line.about?)))
}

/// Lines of the whole page.
pub(crate) fn lines() -> usize {
    let keys = columns().iter().map(Vec::len).max().unwrap_or(0);
    keys + 2 + shown_commands().count() + 2 + WORDS.len()
}

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State) {
    let theme = *pen.theme;
    let top = state.help.top;
    // The row of a line of the page, when it is on show.
    let row = |line: usize| {
        let row = u16::try_from(line.checked_sub(top)?).ok()?;
        (row < area.height).then_some(area.y + row)
    };
    let half = (area.width / 2).min(48);
    let columns = columns();
    for (x, column) in [area.x, area.x + half].into_iter().zip(&columns) {
        for (line, content) in column.iter().enumerate() {
            if let Some(y) = row(line) {
                draw_line(pen, Rect::new(x, y, half.saturating_sub(1), 1), content, state.owner);
            }
        }
    }
    let commands_at = columns.iter().map(Vec::len).max().unwrap_or(0) + 1;
    if let Some(y) = row(commands_at) {
        pen.put(area.x, y, area.width, "Commands, after : (tab completes, ↑↓ choose)", theme.title);
    }
    let mut words_at = commands_at + 1;
    for (command, about) in shown_commands() {
        if let Some(y) = row(words_at) {
            let pieces =
                [(command.name, theme.accent), (" ", theme.text), (command.argument.word(), theme.dim)];
            pen.run(area.x + 1, y, 22, &pieces);
            pen.put(area.x + 24, y, area.width.saturating_sub(24), about, theme.text);
        }
        words_at += 1;
    }
    words_at += 1;
    if let Some(y) = row(words_at) {
        pen.put(area.x, y, area.width, "Words", theme.title);
    }
    for (line, (word, meaning)) in (words_at + 1..).zip(WORDS) {
        if let Some(y) = row(line) {
            pen.put(area.x + 1, y, 11, word, theme.accent);
            pen.put(area.x + 12, y, area.width.saturating_sub(12), meaning, theme.text);
        }
    }
    if lines() > top + usize::from(area.height) {
        pen.right(area.x, area.bottom().saturating_sub(1), area.width, "↓ more", theme.dim);
    }
}

fn draw_line(pen: &mut Pen, area: Rect, line: &Line, owner: bool) {
    let theme = *pen.theme;
    match line {
        Line::Blank => {}
        Line::Title(title) => _ = pen.put(area.x, area.y, area.width, title, theme.title),
        Line::Key(binding) => {
            pen.put(area.x + 1, area.y, 10, binding.keys, theme.accent);
            pen.put(area.x + 12, area.y, area.width.saturating_sub(12), binding.about(owner), theme.text);
        }
        Line::States(standings) => {
            for (x, standing) in (area.x + 1..).step_by(13).zip(standings) {
                let style = standing_style(&theme, *standing);
                pen.run(x, area.y, 12, &[(standing.symbol(), style), (" ", style), (standing.word(), style)]);
            }
        }
    }
}
