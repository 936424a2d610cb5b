//! A campaign that a whole city took part in is open again in seconds: the gate is rebuilt from the log alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use firstcome_shared::clock::{Clock as _, Millis, SystemClock};
use firstcome_shared::domain::{CampaignId, CodeSecret, Definition, Terms, UserId, Window};
use firstcome_shared::event::{Entry, Event, IssuedCoupon, Message, VERSION};
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::event_log::{EventLog as _, Subject};
use firstcome_shared::wire::LimitPer;

use crate::rig::{Folder, Server, ask_until_clear};

const HOLDERS: u64 = 1_000_000;
/// Of processor time, which other tests on the same machine do not take from it.
const WITHIN: Duration = Duration::from_secs(10);
/// By the clock, on however busy a machine.
const PATIENCE: Duration = Duration::from_mins(1);
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
            requests: std::collections::BTreeMap::new(),
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

/// Starts the server and asks as one who holds a coupon: how long it took until the answer, in processor time and by the
/// clock.
async fn opened(folder: &Folder) -> (Server, Duration, Duration) {
    let started = Instant::now();
    let server = Server::start(folder).await;
    let middle = format!("person-{}", HOLDERS / 2);
    let coupon = ask_until_clear(&server.api, "city", &middle, None).await.already();
    let (cpu, took) = (server.cpu(), started.elapsed());
    assert_eq!(coupon.seq, HOLDERS / 2);
    let expected = CodeSecret::new(SECRET).unwrap().code(&CampaignId::parse("city").unwrap(), coupon.seq);
    assert_eq!(coupon.code, expected);
    (server, cpu, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_of_a_million_holders_is_open_again_in_under_ten_seconds() {
    let folder = Folder::new();
    write_log(&folder, HOLDERS).await;
    let (server, cpu, took) = opened(&folder).await;
    println!(
        "{HOLDERS} holders: {took:.2?} from the start of the process to the first answer, {cpu:.2?} of work"
    );
    assert!(cpu < WITHIN && took < PATIENCE, "{HOLDERS} holders: open again after {took:?}, {cpu:?} of work");
    assert_eq!(server.api.ask("city", "newcomer").await.issued().seq, HOLDERS + 1, "it sells on");
}
