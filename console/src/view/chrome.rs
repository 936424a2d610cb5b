//! What stands around every screen: header, banner, where one is, the latest news, the hints of the keys.

use firstcome_shared::clock::Millis;
use ratatui::layout::Rect;

use super::layout::LEAST;
use super::pen::Pen;
use crate::keys::{Action, BINDINGS};
use crate::message::Side;
use crate::state::{Mode, Picture, Screen, State, Tone};
use crate::text;
use crate::update::completion;

/// Product, server, how old the picture is, role.
pub(crate) fn header(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let role = if state.operator { "operator" } else { "reader" };
    let (command, query) = (state.links.picture(Side::Command, now), state.links.picture(Side::Query, now));
    let (mark, style, said) = match (&command, &query) {
        (Picture::Live, Picture::Live | Picture::Awaited) => ("●", theme.good, command.text()),
        (Picture::Live, Picture::Old { .. }) => ("◐", theme.warn, format!("live; history {}", query.short())),
        (Picture::Awaited, _) => ("○", theme.dim, command.text()),
        (Picture::Old { .. }, _) => ("○", theme.bad, command.text()),
    };
    let end = pen.put(1, area.y, area.width, "firstcome", theme.accent.patch(theme.title));
    // How old the picture is matters more than where it comes from, and half an address says nothing.
    let right = 3 + text::width(role) + 1;
    let wanted = text::width(&said) + 2;
    let room = area.width.saturating_sub(end + 2 + right);
    let server = room.saturating_sub(wanted + 2).min(text::width(&state.servers));
    let server = if server < 12 { 0 } else { server };
    pen.put(end + 2, area.y, server, &state.servers, theme.dim);
    let width = wanted.min(room.saturating_sub(server + 2));
    let at = area.width.saturating_sub(right + width);
    pen.run(at, area.y, width, &[(mark, style), (" ", theme.text), (&said, style)]);
    pen.run(area.width - right, area.y, right, &[(" · ", theme.dim), (role, theme.text)]);
}

/// What whoever started the console has to say.
pub(crate) fn banner(pen: &mut Pen, area: Rect, state: &State) {
    if let Some(banner) = &state.banner {
        let theme = *pen.theme;
        pen.fill(area, theme.selected);
        let style = theme.accent.patch(theme.selected);
        pen.run(1, area.y, area.width.saturating_sub(2), &[("▶ ", style), (banner, style)]);
    }
}

/// Where one is.
pub(crate) fn crumbs(pen: &mut Pen, area: Rect, state: &State) {
    let theme = *pen.theme;
    let name = |screen: Screen| match screen {
        Screen::Campaigns => "Campaigns",
        Screen::Campaign => state.focus.as_ref().map_or("Campaign", |focus| focus.id.as_str()),
        Screen::Pipeline => "Pipeline",
        Screen::Help => "Help",
    };
    let mut x = 1;
    for below in &state.below {
        x = pen.run(x, area.y, area.width, &[(name(*below), theme.dim), (" › ", theme.dim)]);
    }
    x = pen.put(x, area.y, area.width, name(state.screen), theme.title);
    for at in x + 1..area.width.saturating_sub(1) {
        pen.put(at, area.y, 1, "─", theme.dim);
    }
    if state.screen == Screen::Campaigns {
        let (campaigns, sort) = (&state.campaigns, state.campaigns.sort);
        let shown = match (campaigns.len(), campaigns.total()) {
            (shown, total) if shown == total => text::count(total as u64),
            (shown, total) => format!("{} of {}", text::count(shown as u64), text::count(total as u64)),
        };
        let filter = match campaigns.filter.as_str() {
            "" => String::new(),
            filter => format!(" · /{filter}"),
        };
        let note = format!(" {shown}{filter} · by {} {}", sort.key.word(), sort.arrow());
        pen.right(x + 2, area.y, area.width.saturating_sub(x + 3), &note, theme.dim);
    }
}

/// The line that is being typed, else the latest news.
pub(crate) fn status(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let width = area.width.saturating_sub(2);
    match &state.mode {
        Mode::Filter { .. } => {
            let pieces =
                [("/", theme.accent), (state.campaigns.filter.as_str(), theme.text), ("▏", theme.accent)];
            pen.run(1, area.y, width, &pieces);
        }
        Mode::Command { typed } => {
            let whole = completion(state, typed).unwrap_or_default();
            let rest = whole.strip_prefix(typed.as_str()).unwrap_or_default();
            let pieces = [(":", theme.accent), (typed, theme.text), ("▏", theme.accent), (rest, theme.dim)];
            pen.run(1, area.y, width, &pieces);
        }
        _ => {
            if let Some(status) = state.status.as_ref().filter(|status| status.is_shown(now)) {
                let (mark, style) = match status.tone {
                    Tone::Plain => ("· ", theme.dim),
                    Tone::Good => ("✓ ", theme.good),
                    Tone::Bad => ("! ", theme.bad),
                };
                pen.run(1, area.y, width, &[(mark, style), (&status.text, style)]);
            }
        }
    }
}

/// The keys that matter here.
pub(crate) fn footer(pen: &mut Pen, area: Rect, state: &State) {
    let theme = *pen.theme;
    let mut hints: Vec<(&str, &str)> = Vec::new();
    match &state.mode {
        Mode::Normal => hints.extend(BINDINGS.iter().filter_map(|line| {
            let nowhere =
                line.action == Action::Back && state.below.is_empty() && state.campaigns.filter.is_empty();
            let allowed = state.operator || !line.needs_operator();
            let here = line.on.contains(&state.screen) && allowed && !nowhere;
            let first = line.keys.split(' ').next().unwrap_or(line.keys);
            line.hint(state.owner).filter(|_| here).map(|hint| (first, hint))
        })),
        Mode::Filter { .. } => hints.extend([("enter", "keep"), ("esc", "drop")]),
        Mode::Command { .. } => hints.extend([("tab", "complete"), ("enter", "go"), ("esc", "leave")]),
        Mode::Stock { .. } => hints.extend([("enter", "next"), ("esc", "leave")]),
        Mode::Cancel { .. } => hints.extend([("enter", "send"), ("esc", "leave")]),
        Mode::Confirm { .. } => hints.extend([("y", "send"), ("any other key", "do not")]),
        Mode::Stop => hints.extend([("y", "stop"), ("any other key", "do not")]),
    }
    let mut x = 1;
    for (key, hint) in hints {
        let width = text::width(key) + 1 + text::width(hint);
        if x + width > area.width.saturating_sub(1) {
            break;
        }
        x = pen.run(x, area.y, width, &[(key, theme.accent), (" ", theme.text), (hint, theme.dim)]) + 2;
    }
}

/// All that fits when nothing fits.
pub(crate) fn too_small(pen: &mut Pen, area: Rect, state: &State) {
    let theme = *pen.theme;
    // The one question that keeps somebody from leaving is asked even here.
    let title = if state.mode == Mode::Stop { "stop the service? y: yes" } else { "terminal too small" };
    let lines =
        [title.to_owned(), format!("{}×{} here, {}×{} needed", area.width, area.height, LEAST.0, LEAST.1)];
    for (y, line) in (area.height.saturating_sub(2) / 2..).zip(&lines) {
        let x = area.width.saturating_sub(text::width(line)) / 2;
        pen.put(x, y, area.width, line, theme.text);
    }
}
