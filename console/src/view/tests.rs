//! Pictures of every screen. A picture that changed on purpose is accepted with `INSTA_UPDATE=always cargo test`.

mod advice;
mod colourless;
mod readme;

use std::collections::BTreeMap;

use crossterm::event::KeyCode;
use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, Code, HistoryCampaign, Page, Problem};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::{Theme, draw};
use crate::ThemeName;
use crate::fixture::{self, NOW, fetch, fetch_summer, key, keys, state};
use crate::message::{Audit, Data, Failure, Feed, Firing, Message, Side};
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
fn the_peak_is_the_read_models_and_an_estimate_without_it() {
    let mut state = campaign_screen(SMALL);
    let peak = |state: &State| {
        let picture = dark(state).to_string();
        picture.split("· peak ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned)
    };
    let history = HistoryCampaign { peak_per_second: 300, ..fixture::history() };
    fetch(&mut state, Feed::History("summer".into()), Data::History(Box::new(history)), NOW);
    assert_eq!(peak(&state).as_deref(), Some("300"), "as it stands among the totals");
    state.focus.as_mut().unwrap().history = None;
    assert_eq!(peak(&state).as_deref(), Some("~354"));
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
    fetch(&mut state, Feed::Pipeline(0), Data::Pipeline(Box::new(pipeline)), NOW);
    let refused = Failure::Unreachable("connection refused".into());
    let later = NOW.plus(3_000);
    update(&mut state, Message::Fetched(Feed::Lag(0), Err(refused)), later);
    insta::assert_snapshot!("pipeline-trouble-80x24", screen(&state, ThemeName::Dark, later));
}

/// Much is wrong.
fn trouble(state: &mut State) {
    let mut pipeline = fixture::pipeline(NOW);
    pipeline.dependencies[1].up = false;
    pipeline.dependencies[1].detail = Some("disk full".into());
    pipeline.ledger.parked = 2;
    fetch(state, Feed::Pipeline(0), Data::Pipeline(Box::new(pipeline)), NOW);
    let summary = "One person in twenty is told to come back later".to_owned();
    let firing = Firing {
        name: "BusyRate".into(),
        severity: "warning".into(),
        labels: BTreeMap::new(),
        summary: Some(summary),
        runbook: Some("https://runbook.example/#busyrate".into()),
    };
    fetch(state, Feed::Alerts, Data::Alerts(vec![firing]), NOW);
}

fn at_both_sizes(name: &str, make: impl Fn(u16, u16) -> State) {
    for (columns, rows) in [SMALL, LARGE] {
        insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), dark(&make(columns, rows)));
    }
}

fn command(state: &mut State, typed: &str) {
    keys(state, &format!(":{typed}"));
    key(state, KeyCode::Enter);
}

#[test]
fn dead_letters_and_one_of_them_whole() {
    at_both_sizes("dead-letters", |columns, rows| {
        let mut state = state(columns, rows, true);
        fixture::fetch_letters(&mut state);
        command(&mut state, "dead-letters");
        state
    });
    at_both_sizes("dead-letter", |columns, rows| {
        let mut state = state(columns, rows, true);
        fixture::fetch_letters(&mut state);
        command(&mut state, "dead-letters");
        key(&mut state, KeyCode::Enter);
        state
    });
    let mut state = state(SMALL.0, SMALL.1, true);
    command(&mut state, "dead-letters");
    fetch(&mut state, Feed::DeadLetters(Side::Command), Data::DeadLetters(Vec::new()), NOW);
    insta::assert_snapshot!("dead-letters-none-80x24", dark(&state));
}

#[test]
fn the_whole_of_a_letter_can_be_read_and_its_code_cannot() {
    let mut state = state(SMALL.0, SMALL.1, true);
    fixture::fetch_letters(&mut state);
    command(&mut state, "dead-letters");
    key(&mut state, KeyCode::Enter);
    let first = dark(&state).to_string();
    key(&mut state, KeyCode::End);
    let last = dark(&state).to_string();
    assert!(first.contains("value too long") && first.contains("↓ more"), "{first}");
    assert!(last.contains("7Q2M-····") && last.contains("p-6") && !last.contains("AB12"), "{last}");
}

#[test]
fn audit_and_one_act_whole() {
    let audit = |columns, rows| {
        let mut state = state(columns, rows, true);
        command(&mut state, "audit");
        let items = (1..40).rev().map(fixture::audit_entry).collect();
        let page = Page { items, next: Some("0-1".to_owned()) };
        fetch(&mut state, Feed::Audit(Audit::default()), Data::Audit(page), NOW);
        state
    };
    at_both_sizes("audit", audit);
    at_both_sizes("act", |columns, rows| {
        let mut state = audit(columns, rows);
        keys(&mut state, "jj");
        key(&mut state, KeyCode::Enter);
        state
    });
    let mut refused = state(SMALL.0, SMALL.1, false);
    command(&mut refused, "audit");
    let problem = Problem::new(Code::Forbidden, "This needs the role operator.");
    let failure = Failure::Refused(Box::new(problem));
    update(&mut refused, Message::Fetched(Feed::Audit(Audit::default()), Err(failure)), NOW);
    insta::assert_snapshot!("audit-forbidden-80x24", dark(&refused));
}

#[test]
fn alerts_as_a_banner_on_every_screen_and_all_of_them_on_their_own() {
    at_both_sizes("alerts", |columns, rows| {
        let mut state = state(columns, rows, true);
        trouble(&mut state);
        keys(&mut state, "!");
        state
    });
    let mut state = state(SMALL.0, SMALL.1, true);
    trouble(&mut state);
    for _ in 0..6 {
        let picture = dark(&state).to_string();
        assert!(picture.contains("▲ PAGE The log (sqlite) is away: disk full"), "{picture}");
        assert!(picture.contains("Nothing is issued"), "{picture}");
        key(&mut state, KeyCode::Tab);
    }
    insta::assert_snapshot!("campaigns-alerts-80x24", dark(&state));
}

#[test]
fn several_servers_each_and_as_a_whole() {
    at_both_sizes("pipeline-servers", |columns, rows| {
        let mut state = fixture::several(columns, rows);
        command(&mut state, "pipeline");
        let refused = Failure::Unreachable("connection refused".into());
        let later = NOW.plus(1);
        update(&mut state, Message::Fetched(Feed::Health(0), Err(refused)), later);
        state
    });
}

#[test]
fn completions_stand_beside_what_is_typed() {
    let mut state = state(SMALL.0, SMALL.1, true);
    keys(&mut state, ":d");
    key(&mut state, KeyCode::Down);
    insta::assert_snapshot!("command-80x24", dark(&state));
}

#[test]
fn questions_about_a_dead_letter_name_it_and_the_request() {
    let mut state = state(SMALL.0, SMALL.1, true);
    fixture::fetch_letters(&mut state);
    command(&mut state, "dead-letters");
    keys(&mut state, "r");
    insta::assert_snapshot!("question-replay", dark(&state));
    keys(&mut state, "nd0-5");
    insta::assert_snapshot!("question-discard", dark(&state));
    key(&mut state, KeyCode::Esc);
    command(&mut state, "admission winter-sale");
    keys(&mut state, "25");
    insta::assert_snapshot!("question-admission", dark(&state));
    key(&mut state, KeyCode::Esc);
    command(&mut state, "ledger-rate 5000");
    insta::assert_snapshot!("question-ledger-rate", dark(&state));
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
    // With all that can be wrong.
    let mut state = fixture::several(SMALL.0, SMALL.1);
    trouble(&mut state);
    fixture::fetch_letters(&mut state);
    command(&mut state, "pipeline");
    for theme in names {
        insta::assert_snapshot!(
            format!("trouble-{theme:?}").to_lowercase(),
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
            fixture::fetch_letters(&mut state);
            trouble(&mut state);
            for press in [
                "p", "n", "?", ":pipe\n", "+", "9", "\n", "n", ":dead\n", "\n", "d", "4", "\n", "n",
                ":audit\n", "!", ":th",
            ] {
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
