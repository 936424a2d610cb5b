//! What the console does, key by key, without terminal, server or clock.

mod everywhere;
mod letters;
mod notices;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use firstcome_shared::wire::{CampaignState, Code, Problem, Time};

use super::update;
use crate::fixture::{self, NOW, campaigns, fetch, fetch_summer, key, keys, state};
use crate::message::{Change, Data, Effect, Failure, Feed, Message, Order, Side};
use crate::state::{List as _, Mode, Screen, SortKey, State, Tone, Wanted};
use crate::view::layout;

fn shown(state: &State) -> Vec<&str> {
    state.campaigns.lines(0, usize::MAX).map(|entry| entry.view.id.as_str()).collect()
}

fn selected(state: &State) -> &str {
    &state.campaigns.selected().unwrap().view.id
}

fn select(state: &mut State, id: &str) {
    state.campaigns.select(id);
    assert_eq!(selected(state), id);
}

fn said(state: &State) -> &str {
    state.status.as_ref().map_or("", |status| status.text.as_str())
}

fn follow(id: &str) -> Effect {
    Effect::Follow(Some(id.to_owned()))
}

fn order(campaign: &str, change: Change) -> Order {
    Order { campaign: campaign.to_owned(), change }
}

#[test]
fn enter_opens_the_selected_campaign_and_esc_comes_back() {
    let mut state = state(80, 24, false);
    select(&mut state, "summer");
    assert_eq!(key(&mut state, KeyCode::Enter), [follow("summer")]);
    assert_eq!(state.screen, Screen::Campaign);
    // Help above it keeps it followed.
    assert_eq!(keys(&mut state, "?"), []);
    assert_eq!(key(&mut state, KeyCode::Esc), []);
    assert_eq!(state.screen, Screen::Campaign);
    assert_eq!(key(&mut state, KeyCode::Esc), [Effect::Follow(None)]);
    assert_eq!((state.screen, selected(&state)), (Screen::Campaigns, "summer"));
}

#[test]
fn commands_lead_to_screens_and_campaigns_and_complete() {
    let mut state = state(80, 24, false);
    keys(&mut state, ":pip");
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.screen, Screen::Pipeline);
    keys(&mut state, ":win");
    key(&mut state, KeyCode::Tab);
    assert_eq!(state.mode, Mode::Command { typed: "winter-sale".into(), chosen: 0 });
    assert_eq!(key(&mut state, KeyCode::Enter), [follow("winter-sale")]);
    keys(&mut state, ":nowhere");
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert!(said(&state).contains("nowhere"), "{}", said(&state));
    keys(&mut state, ":q");
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Quit]);
}

#[test]
fn a_line_of_the_pipeline_opens_its_campaign() {
    let mut state = state(80, 24, false);
    key(&mut state, KeyCode::Tab);
    keys(&mut state, "j");
    assert_eq!(key(&mut state, KeyCode::Enter), [follow("first-hundred")]);
}

#[test]
fn quits_by_key_and_by_interrupt_whatever_is_typed() {
    let mut state = state(80, 24, false);
    assert_eq!(keys(&mut state, "q"), [Effect::Quit]);
    keys(&mut state, "/q");
    assert_eq!(state.campaigns.filter(), "q");
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(update(&mut state, Message::Key(interrupt), NOW), [Effect::Quit]);
}

#[test]
fn where_the_service_would_stop_too_leaving_is_asked_first() {
    let interrupt = || Message::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    let mut state = state(80, 24, false);
    state.owner = true;
    for typed in ["q", ":quit"] {
        assert_eq!(keys(&mut state, typed), []);
        if typed.len() > 1 {
            assert_eq!(key(&mut state, KeyCode::Enter), []);
        }
        assert_eq!(state.mode, Mode::Stop, "{typed}");
        assert_eq!(key(&mut state, KeyCode::Enter), []);
        assert_eq!((&state.mode, said(&state)), (&Mode::Normal, "the service goes on"));
    }
    assert_eq!(keys(&mut state, "qy"), [Effect::Quit]);
    // Whatever is typed: the first interrupt asks, the second ends it.
    keys(&mut state, "/su");
    assert_eq!(update(&mut state, interrupt(), NOW), []);
    assert_eq!(state.mode, Mode::Stop);
    assert_eq!(update(&mut state, interrupt(), NOW), [Effect::Quit]);
}

#[test]
fn filters_by_id_name_and_state_and_drops_the_filter() {
    let mut state = state(80, 24, false);
    let all = shown(&state).len();
    keys(&mut state, "/pause");
    assert_eq!(shown(&state), ["late-night"]);
    key(&mut state, KeyCode::Enter);
    assert_eq!((&state.mode, shown(&state).len()), (&Mode::Normal, 1));
    keys(&mut state, "/");
    for _ in 0.."pause".len() {
        key(&mut state, KeyCode::Backspace);
    }
    keys(&mut state, "쿠폰");
    assert_eq!(shown(&state), ["mistake"]);
    // Esc while typing: as before. Esc afterwards: no filter.
    key(&mut state, KeyCode::Esc);
    assert_eq!(shown(&state), ["late-night"]);
    key(&mut state, KeyCode::Esc);
    assert_eq!(shown(&state).len(), all);
}

#[test]
fn sorts_by_each_column_both_ways_and_keeps_the_selection() {
    let mut state = state(80, 24, false);
    assert_eq!(
        shown(&state),
        ["daily-coffee", "summer", "late-night", "first-hundred", "winter-sale", "yesterday", "mistake"]
    );
    select(&mut state, "winter-sale");
    let mut first = Vec::new();
    loop {
        keys(&mut state, "s");
        first.push((state.campaigns.sort.key, shown(&state)[0].to_owned()));
        if state.campaigns.sort.key == SortKey::State {
            break;
        }
    }
    let first: Vec<(SortKey, &str)> = first.iter().map(|(sort, id)| (*sort, id.as_str())).collect();
    assert_eq!(
        first,
        [
            (SortKey::Id, "daily-coffee"),
            (SortKey::Left, "first-hundred"),
            (SortKey::Issued, "summer"),
            (SortKey::Rate, "summer"),
            (SortKey::Waiting, "winter-sale"),
            (SortKey::Until, "winter-sale"),
            (SortKey::State, "daily-coffee"),
        ]
    );
    keys(&mut state, "S");
    assert_eq!((shown(&state)[0], selected(&state)), ("mistake", "winter-sale"));
}

#[test]
fn a_campaign_that_is_gone_leaves_the_selection_on_the_list() {
    let mut state = state(80, 24, false);
    key(&mut state, KeyCode::End);
    let few = campaigns(NOW).into_iter().take(2).collect();
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(few), NOW);
    assert_eq!(selected(&state), "summer");
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(Vec::new()), NOW);
    assert!(state.campaigns.selected().is_none());
    assert_eq!(key(&mut state, KeyCode::Enter), []);
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut state = state(80, 24, false);
    let list = layout::campaign_list(&state);
    let mouse = |state: &mut State, kind, row| {
        let event = MouseEvent { kind, column: 10, row, modifiers: KeyModifiers::NONE };
        update(state, Message::Mouse(event), NOW)
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    assert_eq!(mouse(&mut state, click, list.y + 1), []);
    assert_eq!(selected(&state), "summer");
    assert_eq!(mouse(&mut state, click, list.y + 15), []);
    assert_eq!(mouse(&mut state, MouseEventKind::ScrollDown, list.y), []);
    assert_eq!(selected(&state), "winter-sale");
    assert_eq!(mouse(&mut state, click, list.y + 1), []);
    assert_eq!(mouse(&mut state, click, list.y + 1), [follow("summer")]);
}

#[test]
fn a_reader_is_told_why_nothing_happens() {
    let mut state = state(80, 24, false);
    for press in ["p", "+", "x"] {
        state.status = None;
        assert_eq!(keys(&mut state, press), []);
        assert_eq!(state.mode, Mode::Normal);
        assert!(said(&state).contains("--operator"), "{press}: {}", said(&state));
    }
}

#[test]
fn pause_is_sent_only_after_a_yes() {
    let mut state = state(80, 24, true);
    select(&mut state, "summer");
    let pause = order("summer", Change::Pause);
    keys(&mut state, "p");
    assert_eq!(state.mode, Mode::Confirm { order: pause.clone() });
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert_eq!((&state.mode, said(&state)), (&Mode::Normal, "nothing was sent"));
    keys(&mut state, "p");
    assert_eq!(keys(&mut state, "y"), [Effect::Send(pause)]);
}

#[test]
fn what_is_paused_is_resumed_and_what_is_over_stays() {
    let mut state = state(80, 24, true);
    select(&mut state, "late-night");
    assert_eq!(keys(&mut state, "py"), [Effect::Send(order("late-night", Change::Resume))]);
    for id in ["mistake", "yesterday"] {
        select(&mut state, id);
        assert_eq!((keys(&mut state, "p"), &state.mode), (vec![], &Mode::Normal));
        assert!(said(&state).contains(id), "{}", said(&state));
    }
}

#[test]
fn stock_is_sent_as_a_new_total_of_the_right_window() {
    let mut state = state(80, 24, true);
    select(&mut state, "summer");
    keys(&mut state, "+5x00");
    key(&mut state, KeyCode::Enter);
    let whole = order("summer", Change::Stock { window: None, total: 10_500 });
    assert_eq!(keys(&mut state, "y"), [Effect::Send(whole)]);
    // The second of three windows is open.
    select(&mut state, "daily-coffee");
    keys(&mut state, "+1");
    key(&mut state, KeyCode::Enter);
    let second = order("daily-coffee", Change::Stock { window: Some(2), total: 3_001 });
    assert_eq!(keys(&mut state, "y"), [Effect::Send(second)]);
    keys(&mut state, "+0");
    key(&mut state, KeyCode::Enter);
    let typed = "0".into();
    assert_eq!(state.mode, Mode::Number { campaign: "daily-coffee".into(), wanted: Wanted::Stock, typed });
}

#[test]
fn the_ledgers_rate_is_a_number_or_none_and_asked_for_like_any_order() {
    let mut state = state(80, 24, true);
    for (typed, rate) in [("500", Some(500)), ("none", None), ("n", None)] {
        keys(&mut state, &format!(":ledger-rate {typed}"));
        key(&mut state, KeyCode::Enter);
        assert_eq!(state.mode, Mode::Confirm { order: Order::ledger_rate(rate) });
        assert_eq!(keys(&mut state, "y"), [Effect::Send(Order::ledger_rate(rate))]);
    }
    let done = Message::Answered(Order::ledger_rate(Some(500)), Ok(None));
    update(&mut state, done, NOW);
    assert_eq!(said(&state), "at most 500 coupons a second go into the ledger");
    for bad in ["", " 0", " -1", " many"] {
        keys(&mut state, &format!(":ledger-rate{bad}"));
        assert_eq!((key(&mut state, KeyCode::Enter), &state.mode), (vec![], &Mode::Normal));
        assert!(said(&state).contains("at least 1"), "{bad}: {}", said(&state));
    }
    state.operator = false;
    keys(&mut state, ":ledger-rate 500");
    key(&mut state, KeyCode::Enter);
    assert!(said(&state).contains("--operator"), "{}", said(&state));
}

#[test]
fn cancel_wants_the_id_typed() {
    let mut state = state(80, 24, true);
    select(&mut state, "summer");
    keys(&mut state, "xsumme");
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert!(matches!(state.mode, Mode::Spell { .. }));
    keys(&mut state, "r");
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Send(order("summer", Change::Cancel))]);
}

#[test]
fn the_question_stays_on_its_target_when_the_list_moves() {
    let mut state = state(80, 24, true);
    select(&mut state, "summer");
    keys(&mut state, "p");
    let mut later = campaigns(NOW);
    later[0].state = CampaignState::Scheduled;
    for campaign in &mut later {
        campaign.now = Time(NOW.plus(1));
    }
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(later), NOW.plus(1));
    assert_eq!(keys(&mut state, "y"), [Effect::Send(order("summer", Change::Pause))]);
}

#[test]
fn answers_and_problems_are_shown() {
    let mut state = state(80, 24, true);
    let pause = order("summer", Change::Pause);
    let mut paused = campaigns(NOW).remove(0);
    paused.state = CampaignState::Paused;
    update(&mut state, Message::Answered(pause.clone(), Ok(Some(Box::new(paused)))), NOW);
    assert_eq!(said(&state), "summer is paused");
    assert_eq!(state.campaigns.get("summer").unwrap().view.state, CampaignState::Paused);
    let problem = Problem::new(Code::Forbidden, "this needs the role operator");
    let refused = Failure::Refused(Box::new(problem));
    update(&mut state, Message::Answered(pause.clone(), Err(refused)), NOW);
    assert_eq!(said(&state), "pause summer: Forbidden: this needs the role operator");
    assert_eq!(state.status.as_ref().unwrap().tone, Tone::Bad);
    update(&mut state, Message::Answered(pause, Err(Failure::Unreachable("timed out".into()))), NOW);
    assert!(said(&state).contains("not known"), "{}", said(&state));
}

#[test]
fn one_side_away_leaves_the_other_live_and_comes_back() {
    let mut state = state(80, 24, false);
    let refused = || Err(Failure::Unreachable("connection refused".into()));
    let later = NOW.plus(12_000);
    update(&mut state, Message::Fetched(Feed::Lag(0), refused()), later);
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(campaigns(later)), later);
    assert!(state.picture(Side::Command, later).is_live());
    let query = state.picture(Side::Query, later).text();
    assert_eq!(query, "12 s old, reconnecting: connection refused");
    assert!(state.read_model.is_some(), "the last picture stays");
    fetch(&mut state, Feed::Lag(0), Data::Lag(fixture::projection("read_model", 1, 0)), later);
    assert!(state.picture(Side::Query, later).is_live());
}

#[test]
fn what_comes_late_for_another_campaign_is_dropped() {
    let mut state = state(80, 24, false);
    keys(&mut state, ":summer");
    key(&mut state, KeyCode::Enter);
    keys(&mut state, ":daily-coffee");
    assert_eq!(key(&mut state, KeyCode::Enter), [follow("daily-coffee")]);
    fetch_summer(&mut state);
    let focus = state.focus.as_ref().unwrap();
    assert!(focus.history.is_none() && state.coupons.total() == 0);
}

#[test]
fn an_older_view_never_replaces_a_newer_one() {
    let mut state = state(80, 24, false);
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(campaigns(NOW.plus(-5_000))), NOW);
    assert_eq!(state.campaigns.get("summer").unwrap().view.issued, 5_400);
}

#[test]
fn a_gate_that_does_not_answer_leaves_what_was_known_of_its_campaign() {
    let mut state = state(80, 24, false);
    let later = NOW.plus(1_000);
    let mut silent = fixture::with_window("summer", (0, 1), 0, 0);
    (silent.state, silent.window, silent.now) = (CampaignState::Unavailable, None, Time(later));
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(vec![silent]), later);
    let summer = state.campaigns.get("summer").unwrap();
    assert_eq!((summer.standing().word(), summer.to_be_had()), ("unavailable", None));
    assert_eq!((summer.view.issued, summer.left_of()), (5_400, (4_600, 10_000)));
}

#[test]
fn countdowns_go_by_the_gates_clock() {
    let state = state(80, 24, false);
    // Fetched at NOW, when it was NOW at the gate too; opening 15 s later.
    let winter = state.campaigns.get("winter-sale").unwrap();
    assert_eq!(winter.next(NOW.plus(5_000)), Some(("opens", 10_000)));
    let mut ahead = campaigns(NOW.plus(60_000)).remove(0);
    ahead.id = "ahead".into();
    let mut other = State::new(&[], false, None);
    fetch(&mut other, Feed::Campaigns, Data::Campaigns(vec![ahead]), NOW);
    let next = other.campaigns.get("ahead").unwrap().next(NOW);
    assert_eq!(next, Some(("closes", 7_200_000 - 90_000)));
}

/// So many campaigns are parked in the ledger.
fn parked(state: &mut State, parked: u64) -> Vec<Effect> {
    let mut pipeline = fixture::pipeline(NOW);
    pipeline.ledger.parked = parked;
    update(state, Message::Fetched(Feed::Pipeline(0), Ok(Data::Pipeline(Box::new(pipeline)))), NOW)
}
