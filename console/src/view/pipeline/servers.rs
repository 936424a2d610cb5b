//! Each server of several by itself, below what they see together.

use firstcome_shared::clock::Millis;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::message::Health;
use crate::state::{Picture, Server, State};
use crate::text;
use crate::view::grid::Grid;
use crate::view::layout::server_list;
use crate::view::pen::Pen;
use crate::view::theme::Theme;

pub(super) fn draw(pen: &mut Pen, state: &State, now: Millis) {
    let list = server_list(state);
    if list.height == 0 {
        return;
    }
    let theme = *pen.theme;
    let wide = list.width >= 100;
    let columns = [
        ("SERVER", None),
        ("SIDE", Some(7)),
        ("STATE", Some(if wide { 26 } else { 13 })),
        ("VERSION", Some(7)),
        ("LEDGER", Some(if wide { 16 } else { 6 })),
        ("HISTORY", Some(if wide { 16 } else { 7 })),
        ("QUEUE", Some(6)),
    ];
    let grid = Grid::new(Rect { y: list.y.saturating_sub(1), height: list.height + 1, ..list }, columns);
    grid.heading(pen, columns.len(), "");
    let servers = state.servers.all();
    let rows = usize::from(list.height);
    // Those in trouble first when there is no room for all.
    let mut order: Vec<&Server> = servers.iter().collect();
    if servers.len() > rows {
        order.sort_by_key(|server| is_well(server, now));
    }
    for (row, server) in order.into_iter().take(rows).enumerate() {
        let (standing, style) = standing(&theme, server, wide, now);
        let lag = |events: Option<u64>, seconds: f64| match events {
            None => ("–".to_owned(), theme.dim),
            Some(0) => ("0".to_owned(), theme.dim),
            Some(events) if wide => {
                (format!("{} for {}", text::count(events), text::seconds(seconds)), theme.text)
            }
            Some(events) => (text::count(events), theme.text),
        };
        let ledger = server.pipeline.as_ref().map(|pipeline| &pipeline.ledger);
        let number = |number: Option<u64>| {
            number.map_or_else(|| ("–".to_owned(), theme.dim), |number| (text::count(number), theme.text))
        };
        let more = servers.len().saturating_sub(rows);
        let name = if more > 0 && row + 1 == rows {
            format!("{} (+{more} more)", server.address)
        } else {
            server.address.clone()
        };
        let cells = [
            (name, theme.title),
            (server.halves().to_owned(), theme.text),
            (standing, style),
            (server.version.clone().unwrap_or_else(|| "?".to_owned()), theme.dim),
            lag(ledger.map(|view| view.lag_events), ledger.map_or(0.0, |view| view.lag_seconds)),
            lag(
                server.lag.as_ref().map(|view| view.lag_events),
                server.lag.as_ref().map_or(0.0, |view| view.lag_seconds),
            ),
            number(server.queued()),
        ];
        grid.line(pen, row, &cells, false);
    }
}

fn is_well(server: &Server, now: Millis) -> bool {
    server.picture(now).is_live() && server.health == Some(Health::Ready)
}

/// Whether it is ready, or how old what is known of it is.
fn standing(theme: &Theme, server: &Server, wide: bool, now: Millis) -> (String, Style) {
    match (server.picture(now), &server.health) {
        (Picture::Live, Some(Health::Ready)) => ("● ready".to_owned(), theme.good),
        (Picture::Live, Some(Health::NotReady(why))) => (format!("! {}", text::plain(why)), theme.bad),
        (picture @ (Picture::Awaited | Picture::Live | Picture::Elsewhere), _) => {
            (format!("○ {}", picture.text()), theme.dim)
        }
        // Where there is little room, how long it has been away says more than why.
        (Picture::Old { age: Some(age), .. }, _) if !wide => {
            (format!("× {} old", text::span(age)), theme.bad)
        }
        (picture @ Picture::Old { .. }, _) => (format!("× {}", picture.short()), theme.bad),
    }
}
