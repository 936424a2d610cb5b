//! Data that contradicts what is there is refused before anything is written.

use firstcome_shared::event::Event;
use firstcome_shared::projection::{ApplyError, Delivery, Projection};
use firstcome_testkit::shared;
use mongodb::bson::{Document, doc};

use super::{BASE, asked, begun, history};
use crate::read_model::contract::dump;
use crate::testing::{History, code};

fn recode(delivery: &mut Delivery, place: usize, code: String) {
    match &mut delivery.message.entries[0].event {
        Event::CouponsIssued { coupons, .. } => coupons[place].code = code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_taken_leaves_nothing_of_its_batch() {
    let in_database = |history: &mut History| {
        recode(history.deliveries.last_mut().unwrap(), 3, code("winter", 2));
    };
    let in_batch = |history: &mut History| {
        recode(history.deliveries.last_mut().unwrap(), 3, code("summer", 15));
    };
    let spoils: [&dyn Fn(&mut History); 2] = [&in_database, &in_batch];
    for spoil in spoils {
        let mut history = history();
        let (model, claim) = begun(&shared::mongo_database().await, &history).await;
        asked(&mut history, "summer", 15, 17);
        asked(&mut history, "winter", 10, 15);
        spoil(&mut history);
        let before = dump(&model).await;
        let refused = model.apply(&claim, BASE, history.since(BASE), history.end()).await;
        let Err(ApplyError::Refused(reason)) = refused else { panic!("{refused:?}") };
        assert!(!reason.contains(&code("winter", 2)) && !reason.contains(&code("summer", 15)), "{reason}");
        assert_eq!(dump(&model).await, before);
        let good = history.end() - 1;
        let all_but_the_last = &history.since(BASE)[..usize::try_from(good - BASE).unwrap()];
        model.apply(&claim, BASE, all_but_the_last, good).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_is_somebody_elses_leaves_nothing_of_its_batch() {
    let history = history();
    let (model, claim) = begun(&shared::mongo_database().await, &history).await;
    let coupons = model.writer.collection::<Document>("coupon");
    let foreign = doc! {
        "_id": { "c": "summer", "s": 5_i64 }, "user": "somebody else", "code": "another", "window": 1_i64,
        "n": 1_i64, "issued": 0_i64, "status": "issued", "version": 1_i64, "partition": 0_i64, "sequence": 5_i64,
    };
    coupons.insert_one(foreign).await.unwrap();
    let before = dump(&model).await;
    let refused = model.apply(&claim, BASE, history.since(BASE), history.end()).await;
    assert!(matches!(refused, Err(ApplyError::Refused(_))), "{refused:?}");
    assert_eq!(dump(&model).await, before);
    coupons.delete_one(doc! { "user": "somebody else" }).await.unwrap();
    model.apply(&claim, BASE, history.since(BASE), history.end()).await.unwrap();
}
