//! The rules of first come, first served, as pure functions and values: no I/O, no clock, no async. The memory gate
//! runs them directly, the other gates must agree with them, and a rebuild folds the log through them.

pub mod book;
pub mod campaign;
pub mod code;
pub mod command;
pub mod create;
pub mod decide;
pub mod ids;
pub mod state;

#[cfg(test)]
mod tests;

pub use book::{Book, Corrupt, Held, Holdings};
pub use campaign::{Definition, Flags, Terms, Window};
pub use code::{CodeSecret, mask};
pub use command::{Command, Patch, Refused, WindowPatch};
pub use decide::{Ask, Decided, Verdict};
pub use ids::{CampaignId, Invalid, RequestKey, UserId};
pub use state::{State, state};
