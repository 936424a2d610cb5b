//! One snapshot, from servers that are only made up.

use firstcome_shared::wire::{Campaign, Code, Problem};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::print;
use crate::fixture::{self, NOW};
use crate::message::{Data, Failure, Feed, Health, Order, Side};
use crate::source::Api;
use crate::{ConsoleArgs, ConsoleError};

/// Answers from the fixture; a side that is away refuses connections.
struct Fake {
    command: bool,
    query: bool,
}

impl Api for Fake {
    fn fetch<'a>(&'a self, feed: &'a Feed) -> BoxFuture<'a, Result<Data, Failure>> {
        let up = match feed {
            Feed::Lag(_) | Feed::History(_) | Feed::Coupons(_) | Feed::DeadLetters(Side::Query) => self.query,
            Feed::Health(_) | Feed::Metrics(_) => self.command || self.query,
            _ => self.command,
        };
        async move {
            if !up {
                return Err(Failure::Unreachable("connection refused".into()));
            }
            Ok(match feed {
                Feed::Campaigns => Data::Campaigns(fixture::campaigns(NOW)),
                Feed::Pipeline(_) => Data::Pipeline(Box::new(fixture::pipeline(NOW))),
                Feed::Lag(_) => Data::Lag(fixture::projection("read_model", 190, 3)),
                Feed::Health(_) => Data::Health(Health::Ready),
                Feed::Metrics(_) => Data::Metrics(fixture::metrics()),
                Feed::DeadLetters(side) => Data::DeadLetters(fixture::dead_letters(*side)),
                Feed::Campaign(id) if id == "summer" => {
                    Data::Campaign(Box::new(fixture::campaigns(NOW).remove(0)))
                }
                Feed::History(id) if id == "summer" => Data::History(Box::new(fixture::history())),
                Feed::Coupons(id) if id == "summer" => Data::Coupons(fixture::coupons()),
                other => {
                    let detail = format!("there is no campaign {}", other.campaign().unwrap_or_default());
                    return Err(Failure::Refused(Box::new(Problem::new(Code::CampaignNotFound, detail))));
                }
            })
        }
        .boxed()
    }

    fn send<'a>(&'a self, _: &'a Order) -> BoxFuture<'a, Result<Option<Box<Campaign>>, Failure>> {
        async { Err(Failure::Unexpected("a snapshot sends nothing".into())) }.boxed()
    }

    fn servers(&self) -> usize {
        1
    }

    fn has_prometheus(&self) -> bool {
        false
    }
}

async fn printed(fake: Fake, campaign: Option<&str>, json: bool) -> Result<String, ConsoleError> {
    let mut args = ConsoleArgs::for_server("http://127.0.0.1:1");
    (args.once, args.json, args.campaign) = (true, json, campaign.map(str::to_owned));
    let mut out = Vec::new();
    print(&fake, &args, NOW, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

const UP: Fake = Fake { command: true, query: true };

#[tokio::test]
async fn text_of_everything_and_of_one_campaign() {
    insta::assert_snapshot!("once", printed(UP, None, false).await.unwrap());
    insta::assert_snapshot!("once-campaign", printed(UP, Some("summer"), false).await.unwrap());
}

#[tokio::test]
async fn json_is_the_wire_types_with_codes_masked() {
    let text = printed(UP, Some("summer"), true).await.unwrap();
    assert!(!text.contains("AB12"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["at"], "2026-11-20T10:00:30.000Z");
    assert_eq!(json["campaign"]["issued"], 5_400);
    assert_eq!(json["history"]["totals"]["redeemed"], 31);
    assert_eq!(json["read_model"]["lag_events"], 3);
    assert_eq!(json["errors"], serde_json::json!([]));
    assert_eq!(json["servers"][0]["ready"], true);
    assert_eq!(json["dead_letters"][0]["campaign_id"], "daily-coffee");
    assert_eq!(json["alerts"], serde_json::json!([]));
    let all: serde_json::Value = serde_json::from_str(&printed(UP, None, true).await.unwrap()).unwrap();
    assert_eq!(all["campaigns"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn what_is_away_is_named_and_only_a_missing_command_side_is_an_error() {
    let text = printed(Fake { command: true, query: false }, None, true).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["errors"], serde_json::json!([{"part": "read_model", "reason": "connection refused"}]));
    assert_eq!(json["read_model"], serde_json::Value::Null);
    let away = printed(Fake { command: false, query: true }, None, false).await.unwrap_err();
    assert_eq!(away.to_string(), "no snapshot: connection refused");
    let unknown = printed(UP, Some("winter"), false).await.unwrap_err();
    assert_eq!(unknown.to_string(), "no snapshot: Campaign not found: there is no campaign winter");
}
