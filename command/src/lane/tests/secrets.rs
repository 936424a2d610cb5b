//! Instances with different secrets over one log: codes of a campaign are made with one secret only (P2, P4).

use firstcome_shared::domain::Command;
use firstcome_shared::fingerprint::Range;
use firstcome_shared::wire::{CampaignState, Store};

use super::{again, newly};
use crate::lane::NoAnswer;
use crate::testing::{Instance, World, id, one_off, person};

const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn refused<T: std::fmt::Debug>(outcome: Result<T, NoAnswer>) {
    let Err(NoAnswer::Unavailable(reason)) = outcome else { panic!("{outcome:?}") };
    for part in ["another secret", "FIRSTCOME_CODE_SECRET"] {
        assert!(reason.contains(part), "{reason}");
    }
}

/// Nothing that needs a lane is done for the campaign, twice over: what was found out once is kept.
async fn serves_nothing_of(instance: &Instance, name: &str) {
    let (service, id) = (&instance.service, id(name));
    for _ in 0..2 {
        refused(service.lane(&id).await);
        refused(service.campaign(&id).await);
        refused(service.command(&id, Command::Pause, "olga".into()).await);
        refused(service.rebuild(&id, "olga").await);
        for store in [Store::Gate, Store::Log, Store::Ledger] {
            refused(service.fingerprint(&id, store, &Range::default()).await);
        }
    }
}

/// Both started when the log was empty: there was nothing to refuse to start for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_of_another_secret_is_not_served() {
    let world = World::new().await;
    let (one, other) = (world.instance().await, world.instance_with_secret(OTHER).await);
    for (instance, name) in [(&one, "summer"), (&other, "winter")] {
        instance.service.create(&one_off(name, 5), "olga").await.unwrap();
        newly(&instance.insist(name, person("ann")).await);
    }
    serves_nothing_of(&other, "summer").await;
    serves_nothing_of(&one, "winter").await;
    assert_eq!((world.messages("summer").await.len(), world.messages("winter").await.len()), (2, 2));
    let listed = one.service.campaigns(None, 10).await.unwrap().items;
    let states: Vec<_> = listed.iter().map(|item| (item.id.as_str(), item.state)).collect();
    assert_eq!(states, [("summer", CampaignState::Open), ("winter", CampaignState::Unavailable)]);
    assert_eq!(again(&one.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}
