//! What an operator may do to a campaign, decided in the gate like an issue: absolute values, an actor, idempotent.

use super::book::Book;
use super::campaign::{Definition, Flags};
use super::create::check_windows;
use super::ids::Invalid;
use super::state::{State, state};
use crate::clock::Millis;
use crate::event::{Entry, Event};
use crate::wire::{StateReason, WaitingRoom};

/// An operator's wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold the campaign.
    Pause,
    /// Go on.
    Resume,
    /// End it for good.
    Cancel,
    /// Change it.
    Update(Patch),
}

/// New values; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Name for people.
    pub name: Option<String>,
    /// Total stock of a campaign with one window.
    pub stock: Option<u64>,
    /// Changes of single windows.
    pub windows: Vec<WindowPatch>,
    /// Numbers of the waiting room.
    pub waiting_room: Option<WaitingRoom>,
}

/// New values of one window; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowPatch {
    /// Which window.
    pub id: u32,
    /// New opening.
    pub opens_at: Option<Millis>,
    /// New closing.
    pub closes_at: Option<Millis>,
    /// New total stock.
    pub stock: Option<u64>,
}

/// Why a command was not carried out; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A value is not allowed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Not in the campaign's present state.
    #[error("{0}")]
    Conflict(String),
}

impl Book {
    /// Carries out `command` at gate time `max(now, last time)`; the entries go to the outbox in the same atomic
    /// step. No entries: it was so already.
    pub fn command(&mut self, command: &Command, actor: &str, now: Millis) -> Result<Vec<Entry>, Refused> {
        let now = self.gate_time(now);
        let events = match command {
            Command::Pause => self.pause(actor, now)?,
            Command::Resume if self.flags.cancelled => {
                return Err(Refused::Conflict("the campaign is cancelled: it cannot go on".to_owned()));
            }
            Command::Resume if self.flags.paused => vec![Event::CampaignResumed { actor: actor.to_owned() }],
            Command::Cancel if !self.flags.cancelled => {
                vec![Event::CampaignCancelled { actor: actor.to_owned() }]
            }
            Command::Resume | Command::Cancel => Vec::new(),
            Command::Update(patch) => self.update(patch, actor, now)?,
        };
        let mut entries = Vec::with_capacity(events.len());
        for event in events {
            let entry = Entry { decision: self.decision + 1, at: now, event };
            // What was just validated against this very book applies.
            self.apply(&entry).map_err(|corrupt| Refused::Conflict(corrupt.to_string()))?;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn pause(&self, actor: &str, now: Millis) -> Result<Vec<Event>, Refused> {
        match state(&self.definition, Flags { paused: false, ..self.flags }, &self.issued, now) {
            _ if self.flags.paused => Ok(Vec::new()),
            State::Closed(StateReason::Cancelled | StateReason::Ended) => {
                Err(Refused::Conflict("the campaign is over: there is nothing to pause".to_owned()))
            }
            _ => Ok(vec![Event::CampaignPaused { actor: actor.to_owned() }]),
        }
    }

    fn update(&self, patch: &Patch, actor: &str, now: Millis) -> Result<Vec<Event>, Refused> {
        let changed = self.patched(patch, now)?;
        if changed == self.definition {
            return Ok(Vec::new());
        }
        if self.flags.cancelled {
            return Err(Refused::Conflict("the campaign is cancelled: it cannot be changed".to_owned()));
        }
        let mut events = Vec::new();
        let mut restocked = self.definition.clone();
        for (old, new) in restocked.windows.iter_mut().zip(&changed.windows) {
            if old.stock != new.stock {
                old.stock = new.stock;
                events.push(Event::StockChanged {
                    window: new.id,
                    stock: new.stock,
                    actor: actor.to_owned(),
                });
            }
        }
        if restocked != changed {
            events.push(Event::CampaignUpdated { definition: changed, actor: actor.to_owned() });
        }
        Ok(events)
    }

    /// The definition with the patch applied, if every change is allowed at `now`.
    fn patched(&self, patch: &Patch, now: Millis) -> Result<Definition, Refused> {
        let mut changed = self.definition.clone();
        if let Some(name) = &patch.name {
            changed.name.clone_from(name);
        }
        if let Some(room) = patch.waiting_room {
            if changed.waiting_room.is_none() {
                return Err(Invalid::new("waiting_room", "the campaign has no waiting room").into());
            }
            changed.waiting_room = Some(room);
        }
        let mut windows = patch.windows.clone();
        if let Some(stock) = patch.stock {
            let [only] = changed.windows.as_slice() else {
                return Err(Invalid::new(
                    "stock",
                    "the campaign has several windows: name them in `windows`",
                )
                .into());
            };
            windows.push(WindowPatch { id: only.id, stock: Some(stock), ..WindowPatch::default() });
        }
        for (place, new) in windows.iter().enumerate() {
            let Some(window) = changed.windows.iter_mut().find(|window| window.id == new.id) else {
                return Err(
                    Invalid::new(format!("windows[{place}].id"), "the campaign has no such window").into()
                );
            };
            let conflict = |what: &str| Refused::Conflict(format!("window {}: {what}", new.id));
            let before = *window;
            window.opens_at = new.opens_at.unwrap_or(window.opens_at);
            window.closes_at = new.closes_at.unwrap_or(window.closes_at);
            window.stock = new.stock.unwrap_or(window.stock);
            if *window != before && before.closes_at <= now {
                return Err(conflict("it is over and cannot be changed"));
            }
            let moved = (window.opens_at, window.closes_at) != (before.opens_at, before.closes_at);
            if moved && before.opens_at <= now {
                return Err(conflict("its times can be changed only before it opens"));
            }
            if moved && window.closes_at <= now {
                return Err(
                    Invalid::new(format!("windows[{place}].closes_at"), "must not be in the past").into()
                );
            }
            if window.stock < before.stock && before.opens_at <= now {
                return Err(conflict("its stock can shrink only before it opens"));
            }
        }
        check_windows(&changed.windows)?;
        Ok(changed)
    }
}
