//! A campaign that a whole city took part in is open again in seconds: the gate is rebuilt from the log alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use firstcome_shared::clock::{Clock as _, Millis, SystemClock};
use firstcome_shared::domain::{CampaignId, CodeSecret, Definition, Terms, UserId, Window};
use firstcome_shared::event::{Entry, Event, IssuedCoupon, Message, VERSION};
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::event_log::{EventLog as _, Subject};
use firstcome_shared::wire::LimitPer;

use crate::rig::{Folder, Server, Told};

const HOLDERS: u64 = 1_000_000;
const WITHIN: Duration = Duration::from_secs(10);
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const A_BATCH: u64 = 512;

/// Writes the log of a campaign with that many holders, as a rush leaves it.
async fn write_log(folder: &Folder, holders: u64) {
    std::fs::write(folder.file("code-secret"), SECRET).unwrap();
    let secret = CodeSecret::new(SECRET).unwrap();
    let log = SqliteLog::open(&folder.file("log.db"), Arc::new(SystemClock)).await.unwrap();
    let campaign = CampaignId::parse("city").unwrap();
    let subject = Subject::decisions(&campaign);
    let at = SystemClock.now().plus(-60_000);
    let window = Window { id: 1, opens_at: at.plus(-1), closes_at: at.plus(3_600_000), stock: 3 * holders };
    let definition = Definition {
        id: campaign.clone(),
        name: "City".to_owned(),
        windows: vec![window],
        per_user_limit: 1,
        limit_per: LimitPer::Campaign,
        coupon: Terms::default(),
        waiting_room: None,
        key_id: secret.key_id().to_owned(),
    };
    let created =
        Event::CampaignCreated { definition, incarnation: "gone".to_owned(), actor: "ops".to_owned() };
    let mut end = 0;
    let mut append = async |decision: u64, at: Millis, event: Event| {
        let mut entry = Entry { decision, at, event };
        entry.seal(&campaign, &secret);
        let message = Message {
            version: VERSION,
            campaign: campaign.clone(),
            log: log.identity().to_owned(),
            epoch: 1,
            first: decision,
            last: decision,
            prev: end,
            nonce: decision.to_string(),
            entries: vec![entry],
        };
        end = log.append(&subject, end, message.encode()).await.unwrap();
    };
    append(0, at, created).await;
    let mut sold = 0;
    let mut decision = 0;
    while sold < holders {
        let upto = holders.min(sold + A_BATCH);
        let coupon = |seq: u64| IssuedCoupon {
            seq,
            user_id: UserId::parse(&format!("person-{seq}")).unwrap(),
            n: 1,
            key: None,
            code: String::new(),
        };
        let coupons = (sold + 1..=upto).map(coupon).collect();
        decision += 1;
        let moment = at.plus(i64::try_from(decision).unwrap());
        append(decision, moment, Event::CouponsIssued { window: 1, expires_at: None, coupons }).await;
        sold = upto;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_of_a_million_holders_is_open_again_in_under_ten_seconds() {
    let folder = Folder::new();
    write_log(&folder, HOLDERS).await;

    let started = Instant::now();
    let server = Server::start(&folder).await;
    let listens = started.elapsed();
    let middle = format!("person-{}", HOLDERS / 2);
    let holder = crate::rig::ask_until_clear(&server.api, "city", &middle, None).await;
    let answered = started.elapsed();

    let coupon = holder.already();
    assert_eq!(coupon.seq, HOLDERS / 2);
    let expected = CodeSecret::new(SECRET).unwrap().code(&CampaignId::parse("city").unwrap(), coupon.seq);
    assert_eq!(coupon.code, expected);
    let Told::Issued(next, _) = server.api.ask("city", "newcomer").await else { panic!("sells on") };
    assert_eq!(next.seq, HOLDERS + 1);
    println!("{HOLDERS} holders: listens after {listens:.2?}, first answer after {answered:.2?}");
    assert!(answered < WITHIN, "{HOLDERS} holders: open again after {answered:?}");
}
