//! The running services: are they ready, do their clocks agree, and what opens when.

use std::process::ExitCode;

use anyhow::Context as _;
use firstcome_bench::{Api, Target};
use firstcome_shared::clock::{Clock as _, Millis, SystemClock};
use firstcome_shared::wire::{Campaign, Code, Problem, StateReason};
use reqwest::header::DATE;
use reqwest::{Client, Response, StatusCode};

use super::PATIENCE;
use super::report::{Opening, Place, Report};
use crate::cli::CheckArgs;

/// Nothing but the readiness of the servers: 0 when all are.
pub async fn ready(servers: &[String]) -> anyhow::Result<ExitCode> {
    let http = client()?;
    for server in servers {
        let answer = probe(&http, server).await.with_context(|| format!("no answer from {server}"))?;
        if !answer.status().is_success() {
            eprintln!("firstcome: {server}: {}", reason(answer).await);
            return Ok(crate::held(false));
        }
    }
    Ok(crate::held(true))
}

/// Every server that is named, and their campaigns.
pub async fn check(args: &CheckArgs, report: &mut Report) -> anyhow::Result<()> {
    let http = client()?;
    let mut running = Vec::new();
    for server in &args.server {
        let mut place = Place::new("service", address(server));
        let asked = SystemClock.now();
        match probe(&http, server).await {
            // Tonight it will run, perhaps.
            Err(_) => place.warn("ready", "does not run", "start it before the event"),
            Ok(answer) => {
                if let Some(theirs) = date(&answer) {
                    place.clock(theirs, asked, SystemClock.now(), 1_000, true);
                }
                if answer.status() == StatusCode::OK {
                    place.ok("ready", "yes");
                } else {
                    place.wrong("ready", reason(answer).await, "see its log");
                }
                running.push(server.clone());
            }
        }
        report.add(place);
    }
    if running.is_empty() {
        return Ok(());
    }
    let api = Api::new(&Target::new(&running, args.api_key.as_deref())?)?;
    let mut place = Place::new("campaigns", "");
    match api.campaigns().await {
        Ok(campaigns) => {
            report.opens = openings(campaigns);
            say_next(&mut place, report.opens.first());
        }
        // A read side alone opens nothing.
        Err(error) if error.code() == Some(Code::NotFound) => {}
        Err(error) => place.unknown("next", error.to_string(), "give the key of any role with --api-key"),
    }
    report.add(place);
    Ok(())
}

fn say_next(place: &mut Place, next: Option<&Opening>) {
    match next {
        Some(next) if next.opens_in_seconds > 0 => {
            place.ok("next", format!("{} at {}", next.id, next.opens_at));
        }
        Some(next) => place.ok("next", format!("{} is open", next.id)),
        None => place.warn("next", "nothing is open or will be", "create the campaign"),
    }
}

fn openings(campaigns: Vec<Campaign>) -> Vec<Opening> {
    let mut opens: Vec<Opening> = campaigns
        .into_iter()
        .filter(|campaign| campaign.reason != Some(StateReason::Cancelled))
        .filter_map(|campaign| {
            let window = campaign.window?;
            let wait = window.opens_at.0.since(campaign.now.0);
            Some(Opening {
                id: campaign.id,
                state: campaign.state,
                opens_at: window.opens_at,
                closes_at: window.closes_at,
                stock: window.stock,
                remaining: window.remaining,
                opens_in_seconds: wait / 1_000 + i64::from(wait % 1_000 > 0),
            })
        })
        .collect();
    opens.sort_by(|one, other| (one.opens_at.0, &one.id).cmp(&(other.opens_at.0, &other.id)));
    opens
}

fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().no_proxy().timeout(PATIENCE).build()?)
}

async fn probe(http: &Client, server: &str) -> reqwest::Result<Response> {
    http.get(format!("{}/readyz", server.trim_end_matches('/'))).send().await
}

async fn reason(answer: Response) -> String {
    let status = answer.status();
    answer.json::<Problem>().await.map_or_else(|_| status.to_string(), |problem| problem.detail)
}

fn address(server: &str) -> String {
    server.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// What the server's clock said, in whole seconds.
fn date(answer: &Response) -> Option<Millis> {
    let text = answer.headers().get(DATE)?.to_str().ok()?;
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Millis(moment.as_millisecond()))
}
