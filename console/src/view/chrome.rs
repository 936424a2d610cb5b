//! What stands around every screen: header, tabs, what is wrong, banner, where one is, the latest news, the hints of
//! the keys.

use firstcome_shared::clock::Millis;
use ratatui::layout::Rect;

use super::layout::{LEAST, screen_name};
use super::pen::Pen;
use super::{alerts, layout};
use crate::commands::completions;
use crate::keys::{Action, BINDINGS};
use crate::message::Side;
use crate::state::{List, Mode, Picture, Screen, State, Tone};
use crate::text;
use crate::update::tab_of;

/// Product, server, how old the picture is, role.
pub(crate) fn header(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let role = if state.operator { "operator" } else { "reader" };
    let (command, query) = (state.picture(Side::Command, now), state.picture(Side::Query, now));
    let (mark, style, said) = match (&command, &query) {
        (Picture::Elsewhere, Picture::Live) => ("◐", theme.warn, "history only".to_owned()),
        (Picture::Live, Picture::Elsewhere) => ("◐", theme.warn, "live; no history".to_owned()),
        (Picture::Live, Picture::Live | Picture::Awaited) => ("●", theme.good, command.text()),
        (Picture::Live, Picture::Old { .. }) => ("◐", theme.warn, format!("live; history {}", query.short())),
        (Picture::Awaited, _) => ("○", theme.dim, command.text()),
        (Picture::Old { .. } | Picture::Elsewhere, _) => ("○", theme.bad, command.text()),
    };
    let end = pen.put(1, area.y, area.width, "firstcome", theme.accent.patch(theme.title));
    // How old the picture is matters more than where it comes from, and half an address says nothing.
    let right = 3 + text::width(role) + 1;
    let wanted = text::width(&said) + 2;
    let room = area.width.saturating_sub(end + 2 + right);
    let addresses = state.servers.addresses();
    let server = room.saturating_sub(wanted + 2).min(text::width(&addresses));
    let server = if server < 12 { 0 } else { server };
    pen.put(end + 2, area.y, server, &addresses, theme.dim);
    let width = wanted.min(room.saturating_sub(server + 2));
    let at = area.width.saturating_sub(right + width);
    pen.run(at, area.y, width, &[(mark, style), (" ", theme.text), (&said, style)]);
    pen.run(area.width - right, area.y, right, &[(" · ", theme.dim), (role, theme.text)]);
}

/// The screens that can be reached from everywhere.
pub(crate) fn tabs(pen: &mut Pen, area: Rect, state: &State) {
    let theme = *pen.theme;
    let shown = tab_of(state.screen);
    for (screen, x, label) in layout::tabs(state) {
        let style = if screen == shown { theme.accent.patch(theme.title) } else { theme.dim };
        pen.put(area.x + x, area.y, area.width.saturating_sub(x), &label, style);
    }
}

/// The gravest of all that is wrong, and what to do.
pub(crate) fn alerts(pen: &mut Pen, area: Rect, state: &State) {
    let Some(alert) = state.alerts.first().filter(|_| area.height > 0) else { return };
    let theme = *pen.theme;
    let more = match state.alerts.count() {
        1 => " ! more ".to_owned(),
        all => format!(" 1 of {}: ! all ", text::count(all as u64)),
    };
    let style = alerts::style(&theme, alert.severity);
    let room = area.width.saturating_sub(text::width(&more) + 1);
    let mark = format!("{} {} ", alert.severity.symbol(), alert.severity.word());
    pen.run(1, area.y, room, &[(&mark, style), (&alert.title, style)]);
    pen.right(0, area.y, area.width, &more, theme.dim);
    if area.height > 1 {
        let at = 1 + text::width(&mark);
        pen.put(at, area.y + 1, area.width.saturating_sub(at + 1), &alert.advice, theme.text);
    }
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
        Screen::Campaign => state.focus.as_ref().map(|focus| focus.id.clone()),
        Screen::Letter => state.letter.as_ref().map(|letter| letter.letter.id.clone()),
        Screen::Act => state.act.as_ref().map(|act| act.position.to_string()),
        Screen::Audit => state.audit.campaign.as_ref().map(|id| format!("Audit of {id}")),
        _ => None,
    };
    let name = |screen| name(screen).unwrap_or_else(|| screen_name(screen).to_owned());
    let mut x = 1;
    for below in &state.below {
        x = pen.run(x, area.y, area.width, &[(&name(*below), theme.dim), (" › ", theme.dim)]);
    }
    x = pen.put(x, area.y, area.width, &name(state.screen), theme.title);
    pen.rule(x + 1, area.y, area.width.saturating_sub(x + 2));
    if let Some(list) = state.list() {
        let shown = match (list.len(), list.total()) {
            (shown, total) if shown == total => text::count(total as u64),
            (shown, total) => format!("{} of {}", text::count(shown as u64), text::count(total as u64)),
        };
        let filter = match list.filter() {
            "" => String::new(),
            filter => format!(" · /{filter}"),
        };
        let (key, arrow) = list.order();
        let key = list.keys().get(key).copied().unwrap_or_default();
        let note = format!(" {shown}{filter} · by {key} {arrow}");
        pen.right(x + 2, area.y, area.width.saturating_sub(x + 3), &note, theme.dim);
    }
}

/// The line that is being typed, else the latest news.
pub(crate) fn status(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let width = area.width.saturating_sub(2);
    match &state.mode {
        Mode::Filter { .. } => {
            let filter = state.list().map(List::filter).unwrap_or_default();
            pen.run(1, area.y, width, &[("/", theme.accent), (filter, theme.text), ("▏", theme.accent)]);
        }
        Mode::Command { typed, chosen } => {
            let found = completions(state, typed);
            let whole = found.get(*chosen).map(String::as_str).unwrap_or_default();
            let rest = whole.strip_prefix(typed.as_str()).unwrap_or_default();
            let pieces = [(":", theme.accent), (typed, theme.text), ("▏", theme.accent), (rest, theme.dim)];
            let mut x = pen.run(1, area.y, width, &pieces) + 3;
            for (at, other) in found.iter().enumerate().filter(|_| found.len() > 1) {
                let mark = if at == *chosen { "▸" } else { " " };
                if x + text::width(other) + 1 > width {
                    pen.put(x, area.y, 1, "…", theme.dim);
                    break;
                }
                x = pen.run(x, area.y, width, &[(mark, theme.accent), (other, theme.dim)]) + 1;
            }
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
            let filtered = state.list().is_some_and(|list| !list.filter().is_empty());
            let nowhere = line.action == Action::Back && state.below.is_empty() && !filtered;
            let allowed = state.operator || !line.needs_operator();
            let here = line.on.contains(&state.screen) && allowed && !nowhere;
            let first = line.keys.split(' ').next().unwrap_or(line.keys);
            line.hint(state.owner).filter(|_| here).map(|hint| (first, hint))
        })),
        Mode::Filter { .. } => hints.extend([("enter", "keep"), ("esc", "drop")]),
        Mode::Command { .. } => {
            hints.extend([("tab", "complete"), ("↑↓", "choose"), ("enter", "go"), ("esc", "leave")]);
        }
        Mode::Number { .. } => hints.extend([("enter", "next"), ("esc", "leave")]),
        Mode::Spell { .. } => hints.extend([("enter", "send"), ("esc", "leave")]),
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
