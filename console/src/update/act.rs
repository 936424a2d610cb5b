//! Actions: what changes something outside always passes a question that names its target, or says why there is
//! nothing to ask.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::CampaignState;

use super::say;
use crate::message::{Change, Effect, Order};
use crate::state::{Mode, Standing, State, Tone, Wanted};

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Pause what runs, resume what is paused.
    Toggle,
    Pause,
    Resume,
    Stock,
    Admission,
    Cancel,
    Replay,
    Discard,
    LedgerRate,
}

/// Says that a console which only reads does not act.
pub(super) fn refuse_reader(state: &mut State, keys: &str, about: &str, now: Millis) {
    let text = format!("{keys}: this console only reads; start it with --operator to {about}");
    say(state, Tone::Bad, text, now);
}

/// Asks before anything is sent, or says why there is nothing to ask. `named`: the campaign, or what else the wish is
/// about; else the one on show or the selected one.
pub(super) fn ask(state: &mut State, wish: Wish, named: Option<&str>, now: Millis) {
    if matches!(wish, Wish::Replay | Wish::Discard) {
        return ask_about_letter(state, wish, now);
    }
    if wish == Wish::LedgerRate {
        return ask_about_rate(state, named, now);
    }
    let target = match named {
        Some(id) => state.campaigns.get(id),
        None => state.target(),
    };
    let Some(target) = target else {
        let text =
            named.map_or_else(|| "no campaign is selected".to_owned(), |id| format!("no campaign {id}"));
        return say(state, Tone::Bad, text, now);
    };
    let (id, standing) = (target.view.id.clone(), target.standing());
    let paused = target.view.state == CampaignState::Paused;
    let (no_window, room) = (target.view.window.is_none(), target.view.waiting_room);
    if matches!(standing, Standing::Cancelled) || (standing == Standing::Ended && wish != Wish::Cancel) {
        return say(state, Tone::Bad, format!("{id} is {}: nothing can be changed", standing.word()), now);
    }
    let confirm = |change| Mode::Confirm { order: Order { campaign: id.clone(), change } };
    state.mode = match wish {
        Wish::Stock if no_window => {
            return say(state, Tone::Bad, format!("{id} has no window left to add stock to"), now);
        }
        Wish::Admission if room.is_none() => {
            return say(state, Tone::Bad, format!("{id} has no waiting room"), now);
        }
        Wish::Pause if paused => return say(state, Tone::Plain, format!("{id} is paused already"), now),
        Wish::Resume if !paused => return say(state, Tone::Plain, format!("{id} is not paused"), now),
        Wish::Stock => Mode::Number { campaign: id, wanted: Wanted::Stock, typed: String::new() },
        Wish::Admission => Mode::Number { campaign: id, wanted: Wanted::Admission, typed: String::new() },
        Wish::Cancel => {
            let order = Order { campaign: id.clone(), change: Change::Cancel };
            Mode::Spell { order, word: id, typed: String::new() }
        }
        Wish::Resume => confirm(Change::Resume),
        Wish::Toggle if paused => confirm(Change::Resume),
        Wish::Toggle | Wish::Pause | Wish::Replay | Wish::Discard | Wish::LedgerRate => {
            confirm(Change::Pause)
        }
    };
}

fn ask_about_letter(state: &mut State, wish: Wish, now: Millis) {
    let Some(letter) = state.target_letter() else {
        return say(state, Tone::Bad, "no dead letter is selected", now);
    };
    let (side, at, campaign) = (letter.side, letter.letter.position, letter.letter.campaign_id.clone());
    state.mode = if wish == Wish::Replay {
        Mode::Confirm { order: Order { campaign, change: Change::Replay { side, at } } }
    } else {
        let order = Order { campaign, change: Change::Discard { side, at } };
        Mode::Spell { order, word: at.to_string(), typed: String::new() }
    };
}

fn ask_about_rate(state: &mut State, given: Option<&str>, now: Millis) {
    let rate = match given {
        Some("none") => Ok(None),
        given => given.unwrap_or_default().parse().map(Some),
    };
    match rate {
        Ok(rate) if rate != Some(0) => state.mode = Mode::Confirm { order: Order::ledger_rate(rate) },
        _ => say(state, Tone::Bad, "type how many coupons a second, at least 1, or none for no limit", now),
    }
}

/// Sends it.
pub(super) fn send(state: &mut State, order: Order, now: Millis) -> Vec<Effect> {
    say(state, Tone::Plain, format!("sending {} …", order.request()), now);
    vec![Effect::Send(order)]
}

/// Does not.
pub(super) fn forget(state: &mut State, now: Millis) -> Vec<Effect> {
    say(state, Tone::Plain, "nothing was sent", now);
    Vec::new()
}
