//! The write side's routes. Handlers translate between HTTP and the service, and decide nothing.

mod askers;
mod campaigns;
mod coupons;
mod operations;
mod settings;
mod verification;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use firstcome_shared::domain::{CampaignId, Invalid};
use firstcome_shared::http::{self, Failure, Readiness};
use firstcome_shared::wire::{Code, Problem};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::lane::NoAnswer;
use crate::service::Service;

/// Every route of the write side.
pub fn routes(service: Arc<Service>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(coupons::issue))
        .routes(routes!(campaigns::list, campaigns::create))
        .routes(routes!(campaigns::get, campaigns::patch))
        .routes(routes!(campaigns::pause))
        .routes(routes!(campaigns::resume))
        .routes(routes!(campaigns::cancel))
        .routes(routes!(campaigns::rebuild))
        .routes(routes!(askers::askers))
        .routes(routes!(operations::pipeline, settings::patch))
        .routes(routes!(operations::dead_letters))
        .routes(routes!(operations::message))
        .routes(routes!(operations::replay))
        .routes(routes!(operations::discard))
        .routes(routes!(operations::audit_log))
        .routes(routes!(verification::fingerprint))
        .with_state(service)
}

/// Ready when the log answers and is the one it was.
#[async_trait]
impl Readiness for Service {
    async fn not_ready(&self) -> Vec<String> {
        self.obstacles().await
    }
}

/// A campaign named in a path. What can be no name is no campaign.
fn campaign_id(text: &str) -> http::Result<CampaignId> {
    CampaignId::parse(text).map_err(|_| not_found(text).into())
}

fn not_found(campaign: &str) -> Problem {
    Problem::new(Code::CampaignNotFound, format!("There is no campaign {campaign:?}."))
}

fn invalid(invalid: Invalid) -> Problem {
    Problem::invalid(invalid.field, invalid.problem)
}

/// Why `campaign` gave no answer.
fn no_answer(campaign: &str, why: NoAnswer) -> Failure {
    match why {
        NoAnswer::Busy => Problem::new(
            Code::Busy,
            "Too many requests wait for this campaign. Nothing was used up: ask again.",
        )
        .into(),
        NoAnswer::NotFound => not_found(campaign).into(),
        NoAnswer::Unavailable(reason) => unavailable(reason),
    }
}

/// Safe to repeat; the reason is for the log, not for the caller.
fn unavailable(reason: impl std::fmt::Display) -> Failure {
    Failure::unavailable("Not decided, or not known to be. It is safe to ask again.", reason)
}
