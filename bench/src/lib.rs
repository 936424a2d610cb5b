//! Load generator and auditor. It talks HTTP only and knows nothing but the wire types, so that what it says about a
//! running system is what any caller could find out: rushes over real connections, an audit of every answer against gate,
//! log, ledger and read model, a verification that can run while people ask, and rates that stand beside a yardstick of
//! the same process in the same run.

mod answers;
mod api;
mod audit;
mod error;
mod load;
mod rush;
mod scenario;
mod target;
mod text;
mod verify;

pub use answers::{Again, Answer, Answers, Held, Tally, Told};
pub use api::Api;
pub use audit::{AuditReport, Broken, Evidence, Level, Promise, Terms, audit, judge};
pub use error::BenchError;
pub use load::Latency;
pub use rush::{Pace, Progress, Rush};
pub use scenario::{BenchArgs, PhaseRate, RatioReport, RatioRun, RatioSet, Report, RunReport, Scenario, run};
pub use target::Target;
pub use verify::{
    Difference, Kind, StoreCounts, Verdict, VerifyArgs, VerifyReport, verify, verify_campaigns,
};
