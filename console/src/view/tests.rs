//! Pictures of every screen. A picture that changed on purpose is accepted with `INSTA_UPDATE=always cargo test`.

use crossterm::event::KeyCode;
use firstcome_shared::clock::Millis;
use firstcome_shared::wire::Campaign;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::{Theme, draw};
use crate::ThemeName;
use crate::fixture::{self, NOW, fetch, fetch_summer, key, keys, state};
use crate::message::{Data, Failure, Feed, Message};
use crate::state::State;
use crate::update::update;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

fn screen(state: &State, theme: ThemeName, now: Millis) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    let theme = Theme::new(theme);
    terminal.draw(|frame| draw(state, &theme, now, frame.buffer_mut())).unwrap();
    terminal.backend().clone()
}

fn dark(state: &State) -> TestBackend {
    screen(state, ThemeName::Dark, NOW)
}

fn campaign_screen((columns, rows): (u16, u16)) -> State {
    let mut state = state(columns, rows, true);
    keys(&mut state, ":summer");
    key(&mut state, KeyCode::Enter);
    fetch_summer(&mut state);
    state
}

#[test]
fn campaigns() {
    insta::assert_snapshot!("campaigns-80x24", dark(&state(SMALL.0, SMALL.1, false)));
    insta::assert_snapshot!("campaigns-120x40", dark(&state(LARGE.0, LARGE.1, true)));
}

#[test]
fn campaigns_sorted_by_id_keep_heading_and_names() {
    let mut state = state(100, 24, false);
    keys(&mut state, "s");
    insta::assert_snapshot!("campaigns-by-id-100x24", dark(&state));
    let mut short = campaigns_named("demo", "The firstcome demo");
    keys(&mut short, "s");
    let picture = dark(&short).to_string();
    assert!(picture.contains("CAMPAIGN↑") && picture.contains("The firstcome demo"), "{picture}");
}

/// A console of 100 columns on a single campaign.
fn campaigns_named(id: &str, name: &str) -> State {
    let mut state = State::new(&["http://127.0.0.1:8080".to_owned()], false, None);
    update(&mut state, Message::Resized(100, 24), NOW);
    let campaign = Campaign { name: name.to_owned(), ..fixture::campaign(id) };
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(vec![campaign]), NOW);
    state
}

#[test]
fn what_is_left_of_a_cancelled_campaign_looks_like_nothing_to_be_had() {
    let mut state = state(SMALL.0, SMALL.1, true);
    keys(&mut state, ":mistake");
    key(&mut state, KeyCode::Enter);
    insta::assert_snapshot!("campaign-cancelled-80x24", dark(&state));
}

#[test]
fn campaign() {
    insta::assert_snapshot!("campaign-80x24", dark(&campaign_screen(SMALL)));
    insta::assert_snapshot!("campaign-120x40", dark(&campaign_screen(LARGE)));
}

#[test]
fn campaign_with_several_windows() {
    let mut state = state(SMALL.0, SMALL.1, false);
    keys(&mut state, ":daily-coffee");
    key(&mut state, KeyCode::Enter);
    insta::assert_snapshot!("campaign-windows-80x24", dark(&state));
}

#[test]
fn pipeline() {
    for (columns, rows) in [SMALL, LARGE] {
        let mut state = state(columns, rows, false);
        key(&mut state, KeyCode::Tab);
        insta::assert_snapshot!(format!("pipeline-{columns}x{rows}"), dark(&state));
    }
}

#[test]
fn pipeline_with_something_wrong() {
    let mut state = state(SMALL.0, SMALL.1, false);
    key(&mut state, KeyCode::Tab);
    let mut pipeline = fixture::pipeline(NOW);
    pipeline.dependencies[1].up = false;
    pipeline.dependencies[1].detail = Some("disk full".into());
    pipeline.ledger.parked = 2;
    pipeline.campaigns[0].log_away = true;
    fetch(&mut state, Feed::Pipeline, Data::Pipeline(Box::new(pipeline)), NOW);
    let refused = Failure::Unreachable("connection refused".into());
    let later = NOW.plus(3_000);
    update(&mut state, Message::Fetched(Feed::Lag, Err(refused)), later);
    insta::assert_snapshot!("pipeline-trouble-80x24", screen(&state, ThemeName::Dark, later));
}

#[test]
fn help() {
    for (columns, rows) in [SMALL, LARGE] {
        let mut state = state(columns, rows, false);
        keys(&mut state, "?");
        insta::assert_snapshot!(format!("help-{columns}x{rows}"), dark(&state));
    }
}

#[test]
fn questions_name_target_and_request() {
    let mut state = campaign_screen(SMALL);
    keys(&mut state, "p");
    insta::assert_snapshot!("question-pause", dark(&state));
    key(&mut state, KeyCode::Esc);
    keys(&mut state, "+500");
    key(&mut state, KeyCode::Enter);
    insta::assert_snapshot!("question-stock", dark(&state));
    key(&mut state, KeyCode::Esc);
    keys(&mut state, "xsum");
    insta::assert_snapshot!("question-cancel", dark(&state));
}

#[test]
fn stopping_the_service_is_asked_even_where_nothing_else_fits() {
    let mut state = state(SMALL.0, SMALL.1, false);
    state.owner = true;
    let last = |state: &State| dark(state).to_string().lines().last().unwrap_or_default().to_owned();
    assert!(last(&state).contains("q stop"), "{}", last(&state));
    keys(&mut state, "q");
    insta::assert_snapshot!("question-stop", dark(&state));
    update(&mut state, Message::Resized(40, 8), NOW);
    let picture = dark(&state).to_string();
    assert!(picture.contains("stop the service? y: yes"), "{picture}");
}

#[test]
fn away_banner_and_filter() {
    let mut state = state(SMALL.0, SMALL.1, false);
    update(&mut state, Message::Banner(Some("rush over: press q for the audit".into())), NOW);
    keys(&mut state, "/su");
    let later = NOW.plus(12_000);
    let refused = Failure::Unreachable("connection refused".into());
    update(&mut state, Message::Fetched(Feed::Campaigns, Err(refused)), later);
    insta::assert_snapshot!("away-80x24", screen(&state, ThemeName::Dark, later));
}

#[test]
fn nothing_known_yet_and_nothing_there() {
    let mut state = State::new(&["http://127.0.0.1:8080".to_owned()], false, None);
    insta::assert_snapshot!("connecting-80x24", dark(&state));
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(Vec::new()), NOW);
    insta::assert_snapshot!("empty-80x24", dark(&state));
}

#[test]
fn themes() {
    let state = state(SMALL.0, SMALL.1, false);
    let names = [ThemeName::Dark, ThemeName::Light, ThemeName::HighContrast, ThemeName::Mono];
    for theme in names {
        insta::assert_snapshot!(
            format!("campaigns-{theme:?}").to_lowercase(),
            styled(&screen(&state, theme, NOW))
        );
    }
}

/// The picture with its styles below it: a letter for each cell, and what the letters mean.
fn styled(backend: &TestBackend) -> String {
    use std::fmt::Write as _;
    let buffer = backend.buffer();
    let mut styles: Vec<(Color, Color, Modifier)> = Vec::new();
    let mut text = backend.to_string();
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let style = (cell.fg, cell.bg, cell.modifier);
            let index = styles.iter().position(|known| *known == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            text.push(char::from(b'a' + u8::try_from(index).unwrap()));
        }
        text.push('\n');
    }
    for (letter, (fg, bg, modifier)) in ('a'..).zip(&styles) {
        writeln!(text, "{letter}: {fg} on {bg}, {modifier:?}").unwrap();
    }
    text
}

#[test]
fn mono_uses_no_colour_at_all() {
    let mut state = campaign_screen(LARGE);
    keys(&mut state, "p");
    let picture = screen(&state, ThemeName::Mono, NOW);
    let coloured =
        picture.buffer().content.iter().find(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    assert!(coloured.is_none(), "{coloured:?}");
}

#[test]
fn says_so_when_the_terminal_is_too_small() {
    let state = state(40, 8, false);
    insta::assert_snapshot!("too-small", dark(&state));
}

#[test]
fn no_size_makes_any_screen_panic() {
    for rows in [1, 2, 5, 18, 19, 23, 60] {
        for columns in [1, 3, 64, 65, 79, 101, 200] {
            let mut state = campaign_screen((columns, rows));
            for press in ["p", "n", "?", ":pipe\n", "+", "9"] {
                for letter in press.chars() {
                    key(&mut state, if letter == '\n' { KeyCode::Enter } else { KeyCode::Char(letter) });
                }
                assert_eq!(dark(&state).buffer().area.width, columns);
            }
        }
    }
}

#[test]
fn only_the_lines_on_show_are_there_when_there_are_a_thousand() {
    let mut state = state(SMALL.0, SMALL.1, false);
    let many = (0..1_000).map(|number| fixture::campaign(&format!("c-{number:04}"))).collect();
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(many), NOW);
    key(&mut state, KeyCode::End);
    let picture = dark(&state).to_string();
    assert!(picture.contains("c-0999") && !picture.contains("c-0900"), "{picture}");
}
