//! Where a campaign stands: a pure function of definition, flags, counts and now. No scheduler opens or closes
//! anything, so none can fail to.

use super::campaign::{Definition, Flags};
use crate::clock::Millis;
use crate::wire::{CampaignState, StateReason};

/// Where a campaign stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No window is open; the next one, by index, will be.
    Scheduled {
        /// Index of the next window.
        next: usize,
    },
    /// The window of this index issues coupons.
    Open {
        /// Index of the open window.
        window: usize,
    },
    /// Held by an operator.
    Paused,
    /// Nothing is issued.
    Closed(StateReason),
}

/// The state at `now`; `issued` counts the coupons of each window, in the definition's order.
///
/// A window that is sold out closes the campaign until stock is added or the next window opens.
pub fn state(definition: &Definition, flags: Flags, issued: &[u64], now: Millis) -> State {
    let open = definition.open_window(now);
    let next = definition.next_window(now);
    if flags.cancelled {
        State::Closed(StateReason::Cancelled)
    } else if open.is_none() && next.is_none() {
        State::Closed(StateReason::Ended)
    } else if flags.paused {
        State::Paused
    } else if let Some(window) = open {
        if issued.get(window).copied().unwrap_or(0) >= definition.windows[window].stock {
            State::Closed(StateReason::SoldOut)
        } else {
            State::Open { window }
        }
    } else {
        next.map_or(State::Closed(StateReason::Ended), |next| State::Scheduled { next })
    }
}

impl State {
    /// The state and its reason as the API names them.
    pub fn on_wire(self) -> (CampaignState, Option<StateReason>) {
        match self {
            Self::Scheduled { .. } => (CampaignState::Scheduled, None),
            Self::Open { .. } => (CampaignState::Open, None),
            Self::Paused => (CampaignState::Paused, None),
            Self::Closed(reason) => (CampaignState::Closed, Some(reason)),
        }
    }
}
