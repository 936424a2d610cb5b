//! The wire types of the HTTP API: what a client sends and gets, exactly. Handlers, console and bench share them,
//! and the `OpenAPI` document is made from them.

mod campaign;
mod history;
mod issue;
mod object;
mod pipeline;
mod problem;
mod time;
mod verify;

pub use campaign::{
    Campaign, CampaignState, CouponTerms, CreateCampaign, Daily, LimitPer, PatchCampaign, PatchWindow,
    StateReason, WaitingRoom, Window, WindowView,
};
pub use history::{CouponEvent, CouponHistory, HistoryCampaign, Live, Timeline, TimelineBucket, Totals};
pub use issue::{AskCoupon, Coupon, CouponStatus, Issued, Outcome};
pub use pipeline::{
    Asker, AuditEntry, CampaignPipeline, DeadLetter, Dependency, LogView, PatchPipeline, Pipeline,
    ProjectionView,
};
pub use problem::{Code, Problem};
pub use time::Time;
pub use verify::{CouponRow, Fingerprint, Store};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of a list. `next` is an opaque cursor for the page after this one; absent on the last page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Pass it as `after` to get the next page; null when there is none.
    pub next: Option<String>,
}
