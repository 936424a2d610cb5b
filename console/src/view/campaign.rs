//! The Campaign screen: how much is left and how fast it goes, now and over the last minutes; what became of the
//! coupons; the latest of them; the windows. The upper half is the command side's, the lower the read model's.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{
    Campaign, Coupon, CouponStatus, CouponTerms, HistoryCampaign, LimitPer, Time, WindowView,
};
use ratatui::layout::Rect;

use super::campaigns::standing_style;
use super::layout::CampaignAreas;
use super::pen::Pen;
use crate::message::Feed;
use crate::state::{Entry, Focus, List as _, Picture, State, status_word};
use crate::text;

/// Cells of a masked code.
const CODE: u16 = 9;
/// Cells of a coupon's status: symbol and word.
const STATUS: u16 = 10;

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let Some(focus) = &state.focus else { return };
    let areas = CampaignAreas::of(state);
    if let Some(entry) = state.campaigns.get(&focus.id) {
        title(pen, areas.title, entry, now);
        gauge(pen, areas.gauge, entry);
        stock_chart(pen, areas.stock, entry);
        rate_chart(pen, areas.rate, entry, focus);
        if areas.windows.height > 0 {
            windows(pen, areas.windows, &entry.view);
        }
    } else {
        let text = match state.links.campaign_failure() {
            Some(failure) => text::plain(&format!("{}: {failure}", focus.id)),
            None => format!("{}: no picture yet", focus.id),
        };
        pen.put(area.x, area.y, area.width, &text, theme.dim);
    }
    totals(pen, areas.totals, state, focus, now);
    if areas.askers.height > 0 {
        askers(pen, areas.askers, state, focus, now);
    }
    coupons(pen, areas.coupons, state, focus, now);
}

fn title(pen: &mut Pen, area: Rect, entry: &Entry, now: Millis) {
    let theme = *pen.theme;
    let (view, standing) = (&entry.view, entry.standing());
    let style = standing_style(&theme, standing);
    let next = entry.next(now).map(|(word, time)| format!(" · {word} in {}", text::countdown(time)));
    let next = next.unwrap_or_default().replace("in now", "now");
    let state = format!("{} {}", standing.symbol(), standing.word());
    let taken = text::width(&state) + text::width(&next);
    let at = area.right().saturating_sub(taken);
    pen.put(area.x, area.y, at.saturating_sub(area.x + 2), &view.name, theme.title);
    pen.run(at, area.y, taken, &[(&state, style), (&next, theme.text)]);
    let long = terms(view, text::from_to);
    let fits = text::width(&long) <= area.width;
    let line = if fits { long } else { terms(view, text::from_to_short) };
    pen.put(area.x, area.y + 1, area.width, &line, theme.dim);
}

/// Window, limit, worth, admission and epoch in one line.
fn terms(view: &Campaign, span: fn(Time, Time) -> String) -> String {
    let mut parts = Vec::new();
    if let Some(window) = view.window {
        let several = view.windows.as_ref().filter(|windows| windows.len() > 1);
        let at = several
            .and_then(|windows| Some((windows.iter().position(|w| w.id == window.id)? + 1, windows.len())));
        let which = at.map(|(at, of)| format!("window {at} of {of}: ")).unwrap_or_default();
        parts.push(format!("{which}{} UTC", span(window.opens_at, window.closes_at)));
    }
    let per = match view.limit_per {
        LimitPer::Campaign => "",
        LimitPer::Window => " and window",
    };
    parts.push(format!("{} per person{per}", view.per_user_limit));
    parts.extend(worth(&view.coupon));
    if view.waiting_room.is_some() || view.waiting > 0 {
        parts.push(format!("{} waiting, {} admitted", text::count(view.waiting), text::count(view.active)));
    }
    parts.push(format!("epoch {}", view.epoch));
    parts.join(" · ")
}

fn worth(coupon: &CouponTerms) -> Option<String> {
    match (coupon.percent_off, coupon.amount_off, &coupon.currency) {
        (Some(percent), _, _) => Some(format!("{percent} % off")),
        (_, Some(amount), Some(currency)) => Some(format!("{} {currency} off", text::count(amount))),
        _ => None,
    }
}

fn gauge(pen: &mut Pen, area: Rect, entry: &Entry) {
    let theme = *pen.theme;
    let (left, stock) = entry.left_of();
    let number = text::count(left);
    let standing = entry.standing();
    let of = if standing.is_over() {
        format!(" of {} never issued · {}", text::count(stock), standing.word())
    } else {
        format!(" of {} left · {} %", text::count(stock), text::percent(left, stock))
    };
    let full = entry.to_be_had().unwrap_or(0);
    let taken = text::width(&number) + text::width(&of);
    let width = area.width.saturating_sub(taken + 2);
    for y in area.y..area.bottom() {
        pen.gauge(area.x, y, width, (full, stock), theme.accent);
    }
    pen.run(area.right().saturating_sub(taken), area.y, taken, &[(&number, theme.title), (&of, theme.dim)]);
}

fn stock_chart(pen: &mut Pen, area: Rect, entry: &Entry) {
    let theme = *pen.theme;
    let (_, stock) = entry.left_of();
    let top = text::count(stock);
    let label = text::width(&top);
    let chart = Rect {
        x: area.x + label + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(label + 1),
        height: area.height.saturating_sub(1),
    };
    pen.heading(area, "Stock left", &format!("last {} s", chart.width));
    pen.right(area.x, chart.y, label, &top, theme.dim);
    pen.right(area.x, chart.bottom().saturating_sub(1), label, "0", theme.dim);
    let style = if entry.standing().is_over() { theme.dim } else { theme.accent };
    pen.bars(chart, &entry.trend.levels(usize::from(chart.width)), stock, style);
}

fn rate_chart(pen: &mut Pen, area: Rect, entry: &Entry, focus: &Focus) {
    let theme = *pen.theme;
    // The read model has counted every second; between two looks from here a second is only estimated.
    let (about, peak) = match (&focus.history, entry.trend.peak()) {
        (Some(history), _) => ("", history.peak_per_second),
        (None, 0) => ("", 0),
        (None, peak) => ("~", peak),
    };
    let note = format!("now {} · peak {about}{}", text::count(entry.trend.rate()), text::count(peak));
    pen.heading(area, "Issues/s", &note);
    let chart = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let rates = entry.trend.rates(usize::from(chart.width));
    let most = rates.iter().copied().max().unwrap_or(0);
    pen.bars(chart, &rates, most, theme.good);
}

fn windows(pen: &mut Pen, area: Rect, view: &Campaign) {
    let theme = *pen.theme;
    let windows = view.windows.as_deref().unwrap_or_default();
    pen.heading(area, "Windows (UTC)", "left of stock");
    let rows = usize::from(area.height.saturating_sub(2));
    let is_current = |window: &WindowView| view.window.is_some_and(|current| current.id == window.id);
    // The current window with one before it; when all are over, the last ones.
    let current = windows.iter().position(is_current).unwrap_or(windows.len());
    let top = current.saturating_sub(1).min(windows.len().saturating_sub(rows));
    for (y, (index, window)) in (area.y + 1..).zip(windows.iter().enumerate().skip(top).take(rows)) {
        let (mark, style) = if is_current(window) { ("▸", theme.title) } else { (" ", theme.text) };
        let stock = format!("{} of {}", text::count(window.remaining), text::count(window.stock));
        let room = area.width.saturating_sub(text::width(&stock) + 1);
        let line =
            format!("{mark} {:>3}  {}", index + 1, text::from_to_short(window.opens_at, window.closes_at));
        pen.put(area.x, y, room, &line, style);
        pen.right(area.x, y, area.width, &stock, style);
    }
}

/// What stands at the end of a heading when what is below it is not up to date.
fn age(picture: &Picture) -> String {
    if picture.is_live() { String::new() } else { picture.text() }
}

fn totals(pen: &mut Pen, area: Rect, state: &State, focus: &Focus, now: Millis) {
    let theme = *pen.theme;
    let picture = state.links.of(&Feed::History(focus.id.clone()), now);
    pen.heading(area, "Totals", "");
    let Some(history) = &focus.history else {
        return reason(pen, area, &picture);
    };
    let mut y = area.y + 1;
    for (label, value) in total_lines(history) {
        if y >= area.bottom() {
            return;
        }
        pen.put(area.x, y, area.width, label, theme.dim);
        pen.right(area.x, y, area.width, &value, theme.text);
        y += 1;
    }
    if y < area.bottom() && !picture.is_live() {
        pen.put(area.x, y, area.width, &age(&picture), theme.warn);
    }
}

fn askers(pen: &mut Pen, area: Rect, state: &State, focus: &Focus, now: Millis) {
    let theme = *pen.theme;
    let picture = state.links.of(&Feed::Askers(focus.id.clone()), now);
    let old = !focus.askers.is_empty() && !picture.is_live();
    pen.heading(area, "Asked most", if old { "old" } else { "times" });
    if focus.askers.is_empty() {
        return reason(pen, area, &picture);
    }
    for (y, asker) in (area.y + 1..area.bottom()).zip(&focus.askers) {
        // What is counted in bounded memory is known between two bounds.
        let sign = if asker.at_least < asker.asks { "≥ " } else { "" };
        let times = format!("{sign}{}", text::count(asker.at_least));
        let room = area.width.saturating_sub(text::width(&times) + 1);
        pen.put(area.x, y, room, &text::plain(&asker.user_id), theme.text);
        pen.right(area.x, y, area.width, &times, theme.title);
    }
}

fn total_lines(history: &HistoryCampaign) -> Vec<(&'static str, String)> {
    let totals = history.totals;
    let time = |at: Option<_>| at.map_or_else(|| "–".to_owned(), text::time_of_day);
    vec![
        ("issued", text::count(totals.issued)),
        ("redeemed", text::count(totals.redeemed)),
        ("revoked", text::count(totals.revoked)),
        ("expired", text::count(totals.expired)),
        ("first issue", time(history.first_issued_at)),
        ("last issue", time(history.last_issued_at)),
        ("sold out in", history.seconds_to_sell_out.map_or_else(|| "–".to_owned(), |s| format!("{s:.1} s"))),
        ("peak a second", text::count(history.peak_per_second)),
    ]
}

fn coupons(pen: &mut Pen, area: Rect, state: &State, focus: &Focus, now: Millis) {
    let picture = state.links.of(&Feed::Coupons(focus.id.clone()), now);
    let late = age(&picture);
    let rows = usize::from(area.height.saturating_sub(1));
    let (coupons, top) = (&state.coupons, state.coupons.cursor().top);
    let note = match coupons.len() {
        _ if !late.is_empty() => late,
        all if all > rows => format!("{}–{} of {all}", top + 1, top + rows),
        _ => String::new(),
    };
    pen.heading(area, "Latest coupons", if coupons.total() == 0 { "" } else { &note });
    if coupons.total() == 0 {
        return reason(pen, area, &picture);
    }
    let seq = coupons.all().iter().map(|coupon| coupon.seq).max().unwrap_or(0);
    let seq = text::width(&text::count(seq)).max(4);
    for (y, coupon) in (area.y + 1..).zip(coupons.lines(top, rows)) {
        line(pen, Rect { y, height: 1, ..area }, seq, coupon);
    }
}

fn line(pen: &mut Pen, area: Rect, seq: u16, coupon: &Coupon) {
    let theme = *pen.theme;
    let word = status_word(coupon.status);
    let (symbol, style) = match coupon.status {
        CouponStatus::Issued => ("●", theme.good),
        CouponStatus::Redeemed => ("✓", theme.accent),
        CouponStatus::Revoked => ("×", theme.warn),
        CouponStatus::Expired => ("□", theme.dim),
    };
    let roomy = area.width >= 60;
    let gap = if roomy { 2 } else { 1 };
    let time = text::time_of_day(coupon.issued_at);
    let time = if roomy { time.as_str() } else { time.get(..8).unwrap_or(&time) };
    let fixed = seq + gap + CODE + gap + text::width(time) + gap;
    // The word gives way before the person does: the symbol says the same.
    let status = if fixed + 12 + gap + STATUS <= area.width { STATUS } else { 1 };
    let person = area.width.saturating_sub(fixed + gap + status);
    pen.right(area.x, area.y, seq, &text::count(coupon.seq), theme.title);
    let code = text::masked(&coupon.code);
    let mut x = area.x + seq + gap;
    for (content, width, style) in [
        (coupon.user_id.as_str(), person, theme.text),
        (&code, CODE, theme.dim),
        (time, text::width(time), theme.dim),
    ] {
        pen.put(x, area.y, width, content, style);
        x += width + gap;
    }
    pen.run(x, area.y, status, &[(symbol, style), (if status > 1 { " " } else { "" }, style)]);
    pen.put(x + 2, area.y, status.saturating_sub(2), word, style);
}

/// Why there is nothing to see.
fn reason(pen: &mut Pen, area: Rect, picture: &Picture) {
    let text = if picture.is_live() { "none yet".to_owned() } else { picture.text() };
    if area.height > 1 {
        pen.put(area.x, area.y + 1, area.width, &text, pen.theme.dim);
    }
}
