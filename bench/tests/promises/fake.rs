//! A server with the API's shape and everything in memory. Each store is a list of its own that a test may tamper with;
//! the projections follow the log a few messages at a time, whenever somebody looks.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use firstcome_bench::{Api, Target};
use firstcome_shared::clock::{Clock as _, Millis, SystemClock};
use firstcome_shared::position::Position;
use firstcome_shared::wire::{
    AskCoupon, Campaign, CampaignState, Code, Coupon, CouponRow, CouponStatus, CreateCampaign, Fingerprint,
    HistoryCampaign, Issued, LogView, Outcome, Page, Pipeline, Problem, ProjectionView, Store, Time,
    Timeline, TimelineBucket, Totals, WindowView,
};

/// Messages that a projection applies at each look.
const STEP: u64 = 400;

/// What the server is told to do wrong.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them, in any combination")]
pub struct Faults {
    /// Sells so many beyond the stock.
    pub oversell: u64,
    /// Says "sold out" with so many left.
    pub hold_back: u64,
    /// Tells every n-th asker of the coupon that was issued last.
    pub twin_every: Option<u64>,
    /// Leaves out this number.
    pub skip: Option<u64>,
    /// Gives a holder who asks again another coupon.
    pub forgetful: bool,
    /// Issues this number and keeps it in no store.
    pub lose: Option<u64>,
    /// Every n-th request is told "busy".
    pub busy_every: Option<u64>,
    /// Every n-th request is decided, and its answer cut off.
    pub cut_every: Option<u64>,
    /// Every n-th request is told "unavailable" before anything is decided.
    pub unavailable_every: Option<u64>,
    /// Shows codes as a reader sees them.
    pub masked: bool,
    /// The counter of issued coupons is wrong by so many.
    pub counter_off: u64,
    /// Projections apply a message only so many milliseconds after it was logged.
    pub lag_ms: i64,
    /// The log shows a decision only so many milliseconds after the gate has made it.
    pub gate_ahead_ms: i64,
    /// Projections apply nothing.
    pub stalled: bool,
    /// The ledger applies nothing after this message.
    pub ledger_stops_at: Option<u64>,
    /// The read model's total is wrong by so many.
    pub total_off: u64,
    /// Its peak is.
    pub peak_off: u64,
    /// The last second of its timeline is.
    pub bucket_off: u64,
    /// The read model says that it knows no campaign.
    pub read_model_unaware: bool,
    /// So many campaigns are said to be parked.
    pub parked: u64,
    /// Most rows that gate, ledger and read model can sum up before the answer's deadline; 0: any number.
    pub rows_in_time: usize,
    /// Stock of each window, and what was issued in it, as the view of one campaign shows them.
    pub windows: &'static [(u64, u64)],
}

/// A coupon where a store keeps it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub position: u64,
    pub row: CouponRow,
}

/// A campaign in all its stores.
#[derive(Debug, Default)]
pub struct Shop {
    pub stock: u64,
    opens_at: Millis,
    holders: HashMap<String, usize>,
    pub gate: Vec<CouponRow>,
    pub log: Vec<Kept>,
    pub ledger: Vec<Kept>,
    pub read_model: Vec<Kept>,
    /// What the read model has counted, by second; no hand that changes its rows changes these.
    seconds: BTreeMap<i64, u64>,
    next: u64,
}

/// Everything.
#[derive(Debug, Default)]
pub struct World {
    pub faults: Faults,
    pub shops: BTreeMap<String, Shop>,
    requests: u64,
    end: u64,
    ledger_at: u64,
    read_model_at: u64,
}

/// The running server.
pub struct Fake {
    /// Its address; those of its sides, separated by a comma.
    pub url: String,
    world: Arc<Mutex<World>>,
    servers: Vec<tokio::task::JoinHandle<()>>,
}

type Routes = Router<Arc<Mutex<World>>>;

impl Drop for Fake {
    fn drop(&mut self) {
        self.servers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Fake {
    /// Both sides at one address.
    pub async fn start(faults: Faults) -> Self {
        Self::serve(faults, |commands, queries| vec![commands.merge(queries)]).await
    }

    /// Each side at an address of its own, the read side's first.
    pub async fn split(faults: Faults) -> Self {
        Self::serve(faults, |commands, queries| vec![queries, commands]).await
    }

    async fn serve(faults: Faults, sides: fn(Routes, Routes) -> Vec<Routes>) -> Self {
        let world = Arc::new(Mutex::new(World { faults, ..World::default() }));
        let commands = Router::new()
            .route("/v1/campaigns", post(create).get(list))
            .route("/v1/campaigns/{id}", get(show))
            .route("/v1/campaigns/{id}/coupons", post(ask))
            .route("/v1/campaigns/{id}/fingerprint", get(fingerprint))
            .route("/v1/pipeline", get(pipeline));
        let queries = Router::new()
            .route("/v1/history/campaigns/{id}", get(statistics))
            .route("/v1/history/campaigns/{id}/timeline", get(timeline))
            .route("/v1/history/campaigns/{id}/fingerprint", get(history_fingerprint))
            .route("/v1/history/lag", get(lag));
        let (mut urls, mut servers) = (Vec::new(), Vec::new());
        for side in sides(commands, queries) {
            let nothing = || async { refuse(Problem::new(Code::NotFound, "nothing at this path")) };
            let app = side.route("/healthz", get(|| async { "ok" })).fallback(nothing);
            let app = app.with_state(Arc::clone(&world));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.push(format!("http://{}", listener.local_addr().unwrap()));
            servers.push(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
        }
        Self { url: urls.join(","), world, servers }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub fn target(&self) -> Target {
        Target::new(&self.url.split(',').collect::<Vec<_>>(), None).unwrap()
    }

    pub fn api(&self) -> Api {
        Api::new(&self.target()).unwrap()
    }

    /// A campaign that opens in so many milliseconds.
    pub fn open(&self, id: &str, stock: u64, in_ms: i64) {
        let mut world = self.world();
        world.end += 1;
        let shop = Shop { stock, opens_at: SystemClock.now().plus(in_ms), ..Shop::default() };
        world.shops.insert(id.to_owned(), shop);
    }

    /// A campaign with so many coupons issued, in every store.
    pub fn sell(&self, id: &str, stock: u64, sold: u64) {
        self.open(id, stock, -1);
        let mut world = self.world();
        for person in 0..sold {
            world.decide(id, &format!("p-{person}")).unwrap();
        }
        world.advance(u64::MAX);
    }

    /// Changes a campaign's stores by hand.
    pub fn tamper(&self, id: &str, hand: impl FnOnce(&mut Shop)) {
        hand(self.world().shops.get_mut(id).unwrap());
    }
}

impl Shop {
    /// A store's rows, to tamper with: of the gate's without positions.
    pub fn rows(&mut self, store: Store) -> Vec<&mut CouponRow> {
        match store {
            Store::Gate => self.gate.iter_mut().collect(),
            Store::Log => self.log.iter_mut().map(|kept| &mut kept.row).collect(),
            Store::Ledger => self.ledger.iter_mut().map(|kept| &mut kept.row).collect(),
            Store::ReadModel => self.read_model.iter_mut().map(|kept| &mut kept.row).collect(),
        }
    }

    pub fn remove(&mut self, store: Store, seq: u64) {
        match store {
            Store::Gate => self.gate.retain(|row| row.seq != seq),
            Store::Log => self.log.retain(|kept| kept.row.seq != seq),
            Store::Ledger => self.ledger.retain(|kept| kept.row.seq != seq),
            Store::ReadModel => self.read_model.retain(|kept| kept.row.seq != seq),
        }
    }

    pub fn insert(&mut self, store: Store, position: u64, row: CouponRow) {
        let kept = Kept { position, row };
        match store {
            Store::Gate => self.gate.push(kept.row),
            Store::Log => self.log.push(kept),
            Store::Ledger => self.ledger.push(kept),
            Store::ReadModel => self.read_model.push(kept),
        }
    }
}

impl World {
    fn advance(&mut self, step: u64) {
        if self.faults.stalled {
            return;
        }
        let old = SystemClock.now().plus(-self.faults.lag_ms);
        let rows = self.shops.values().flat_map(|shop| &shop.log);
        let too_new = rows.filter(|kept| kept.row.issued_at.0 > old).map(|kept| kept.position).min();
        let end = too_new.map_or(self.end, |new| new - 1);
        let to = |at: u64, end: u64| at.saturating_add(step).min(end).max(at);
        let ledger = to(self.ledger_at, end.min(self.faults.ledger_stops_at.unwrap_or(end)));
        let read = to(self.read_model_at, end);
        for shop in self.shops.values_mut() {
            let (ledger_at, read_at) = (self.ledger_at, self.read_model_at);
            let new = |from: u64, to: u64, log: &[Kept]| -> Vec<Kept> {
                let first = log.partition_point(|kept| kept.position <= from);
                log[first..].iter().take_while(|kept| kept.position <= to).cloned().collect()
            };
            shop.ledger.extend(new(ledger_at, ledger, &shop.log));
            let read = new(read_at, read, &shop.log);
            for kept in &read {
                *shop.seconds.entry(kept.row.issued_at.0.0.div_euclid(1_000)).or_default() += 1;
            }
            shop.read_model.extend(read);
        }
        (self.ledger_at, self.read_model_at) = (ledger, read);
    }

    #[expect(clippy::result_large_err, reason = "one a request")]
    fn decide(&mut self, id: &str, user: &str) -> Result<(Outcome, CouponRow), Problem> {
        let faults = self.faults;
        let shop = self.shops.get_mut(id).ok_or_else(|| Problem::new(Code::CampaignNotFound, "no such"))?;
        let now = SystemClock.now();
        if now < shop.opens_at {
            let opens_at = Some(Time(shop.opens_at));
            return Err(Problem { opens_at, ..Problem::new(Code::NotOpen, "not yet") });
        }
        if let Some(index) = shop.holders.get(user).filter(|_| !faults.forgetful) {
            return Ok((Outcome::AlreadyIssued, shop.gate[*index].clone()));
        }
        let issued = shop.gate.len() as u64;
        if issued >= (shop.stock + faults.oversell).saturating_sub(faults.hold_back) {
            return Err(Problem::new(Code::SoldOut, "all gone"));
        }
        shop.next += 1;
        if faults.skip == Some(shop.next) {
            shop.next += 1;
        }
        if faults.twin_every.is_some_and(|every| shop.next.is_multiple_of(every)) {
            shop.next -= 1;
            let twin = CouponRow { user_id: user.to_owned(), ..shop.gate[shop.gate.len() - 1].clone() };
            return Ok((Outcome::Issued, twin));
        }
        let row = coupon(shop.next, user, now);
        if faults.lose == Some(shop.next) {
            return Ok((Outcome::Issued, row));
        }
        shop.holders.insert(user.to_owned(), shop.gate.len());
        shop.gate.push(CouponRow { status: None, ..row.clone() });
        self.end += 1;
        shop.log.push(Kept { position: self.end, row: row.clone() });
        Ok((Outcome::Issued, row))
    }

    fn view(&self, id: &str, shop: &Shop) -> Campaign {
        let issued = shop.gate.len() as u64 + self.faults.counter_off;
        let remaining = shop.stock.saturating_sub(shop.gate.len() as u64);
        Campaign {
            id: id.to_owned(),
            name: id.to_owned(),
            state: CampaignState::Open,
            reason: None,
            stock: shop.stock,
            issued,
            remaining,
            window: None,
            windows: (!self.faults.windows.is_empty()).then(|| windows(self.faults.windows)),
            per_user_limit: 1,
            limit_per: firstcome_shared::wire::LimitPer::Campaign,
            coupon: firstcome_shared::wire::CouponTerms::default(),
            waiting_room: None,
            waiting: 0,
            active: 0,
            epoch: 1,
            now: Time(SystemClock.now()),
        }
    }
}

fn windows(counts: &[(u64, u64)]) -> Vec<WindowView> {
    let window = |(id, (stock, issued)): (u32, &(u64, u64))| WindowView {
        id,
        opens_at: Time(Millis(i64::from(id) * 1_000)),
        closes_at: Time(Millis(i64::from(id) * 1_000 + 500)),
        stock: *stock,
        issued: *issued,
        remaining: stock.saturating_sub(*issued),
    };
    (1..).zip(counts).map(window).collect()
}

/// A coupon as the server makes it.
pub fn coupon(seq: u64, user: &str, now: Millis) -> CouponRow {
    CouponRow {
        seq,
        user_id: user.to_owned(),
        code: format!("CODE-{seq:06}"),
        issued_at: Time(now),
        expires_at: None,
        status: Some(CouponStatus::Issued),
    }
}

type Shared = State<Arc<Mutex<World>>>;

fn refuse(problem: Problem) -> Response {
    (StatusCode::from_u16(problem.status).unwrap(), Json(problem)).into_response()
}

fn nth(every: Option<u64>, request: u64) -> bool {
    every.is_some_and(|every| request.is_multiple_of(every))
}

async fn create(State(world): Shared, Json(body): Json<CreateCampaign>) -> Response {
    let mut world = world.lock().unwrap();
    world.end += 1;
    let shop = Shop { stock: body.stock.unwrap(), opens_at: body.opens_at.unwrap().0, ..Shop::default() };
    let view = world.view(&body.id, &shop);
    world.shops.insert(body.id, shop);
    (StatusCode::CREATED, Json(view)).into_response()
}

/// One campaign a page, so that paging is walked.
async fn list(State(world): Shared, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let world = world.lock().unwrap();
    let after = query.get("after").cloned().unwrap_or_default();
    let mut left = world.shops.iter().filter(|(id, _)| **id > after);
    let items: Vec<Campaign> = left.next().map(|(id, shop)| world.view(id, shop)).into_iter().collect();
    let next = left.next().and(items.first()).map(|campaign| campaign.id.clone());
    Json(Page { items, next }).into_response()
}

async fn show(State(world): Shared, Path(id): Path<String>) -> Response {
    let world = world.lock().unwrap();
    match world.shops.get(&id) {
        Some(shop) => Json(world.view(&id, shop)).into_response(),
        None => refuse(Problem::new(Code::CampaignNotFound, "no such")),
    }
}

async fn ask(State(world): Shared, Path(id): Path<String>, Json(body): Json<AskCoupon>) -> Response {
    let mut world = world.lock().unwrap();
    world.requests += 1;
    let (request, faults) = (world.requests, world.faults);
    if nth(faults.busy_every, request) {
        let problem = Problem::new(Code::Busy, "too many");
        return refuse(Problem { retry_after_seconds: None, ..problem });
    }
    if nth(faults.unavailable_every, request) {
        let problem = Problem::new(Code::Unavailable, "away");
        return refuse(Problem { retry_after_seconds: None, ..problem });
    }
    let decided = world.decide(&id, &body.user_id);
    if nth(faults.cut_every, request) {
        let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
        return Body::from_stream(broken).into_response();
    }
    let (outcome, row) = match decided {
        Ok(decided) => decided,
        Err(problem) => return refuse(problem),
    };
    let coupon = Coupon {
        campaign_id: id,
        seq: row.seq,
        user_id: row.user_id,
        code: row.code,
        issued_at: row.issued_at,
        expires_at: row.expires_at,
        status: CouponStatus::Issued,
    };
    let position = Position::new(0, world.end);
    let status = if outcome == Outcome::Issued { StatusCode::CREATED } else { StatusCode::OK };
    (status, Json(Issued { outcome, coupon, remaining: None, position })).into_response()
}

async fn statistics(State(world): Shared, Path(id): Path<String>) -> Response {
    let mut world = world.lock().unwrap();
    world.advance(STEP);
    let faults = world.faults;
    let Some(shop) = world.shops.get(&id).filter(|_| !faults.read_model_unaware) else {
        return refuse(Problem::new(Code::CampaignNotFound, "no such"));
    };
    Json(HistoryCampaign {
        name: id.clone(),
        id,
        state: CampaignState::Open,
        reason: None,
        stock: shop.stock,
        totals: Totals { issued: shop.seconds.values().sum::<u64>() + faults.total_off, ..Totals::default() },
        first_issued_at: None,
        last_issued_at: None,
        seconds_to_sell_out: None,
        peak_per_second: shop.seconds.values().max().copied().unwrap_or(0) + faults.peak_off,
        position: Position::new(0, world.read_model_at),
    })
    .into_response()
}

async fn timeline(
    State(world): Shared,
    Path(id): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let mut world = world.lock().unwrap();
    world.advance(STEP);
    let bucket = |(second, issued): (&i64, &u64)| TimelineBucket {
        at: Time(Millis(second * 1_000)),
        issued: *issued,
        ..TimelineBucket::default()
    };
    let mut items: Vec<_> = world.shops[&id].seconds.iter().map(bucket).collect();
    if let Some(last) = items.last_mut() {
        last.issued += world.faults.bucket_off;
    }
    assert_eq!(asked["step"], "1s");
    Json(Timeline { campaign_id: id, step_seconds: 1, items }).into_response()
}

#[derive(serde::Deserialize)]
struct Asked {
    store: Option<Store>,
    from: Option<u64>,
    to: Option<u64>,
    upto: Option<Position>,
    rows: Option<bool>,
}

async fn fingerprint(State(world): Shared, Path(id): Path<String>, Query(asked): Query<Asked>) -> Response {
    answer(&world, &id, &asked, asked.store.unwrap())
}

async fn history_fingerprint(
    State(world): Shared,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    if world.lock().unwrap().faults.read_model_unaware {
        return refuse(Problem::new(Code::CampaignNotFound, "no such"));
    }
    answer(&world, &id, &asked, Store::ReadModel)
}

fn answer(world: &Mutex<World>, id: &str, asked: &Asked, store: Store) -> Response {
    let mut world = world.lock().unwrap();
    world.advance(STEP);
    let Some(shop) = world.shops.get(id) else {
        return refuse(Problem::new(Code::CampaignNotFound, "no such"));
    };
    let upto = asked.upto.map_or(u64::MAX, |position| position.sequence);
    let kept = |rows: &[Kept]| -> Vec<CouponRow> {
        rows.iter().filter(|kept| kept.position <= upto).map(|kept| kept.row.clone()).collect()
    };
    let (at, mut rows) = match store {
        Store::Gate => (world.end, shop.gate.clone()),
        Store::Log => (world.end, kept(&shop.log)),
        Store::Ledger => (world.ledger_at, kept(&shop.ledger)),
        Store::ReadModel => (world.read_model_at, kept(&shop.read_model)),
    };
    if store == Store::Log {
        let logged = SystemClock.now().plus(-world.faults.gate_ahead_ms);
        rows.retain(|row| row.issued_at.0 <= logged);
    }
    rows.retain(|row| (asked.from.unwrap_or(0)..=asked.to.unwrap_or(u64::MAX)).contains(&row.seq));
    let most = world.faults.rows_in_time;
    if store != Store::Log && most > 0 && rows.len() > most {
        return refuse(Problem::new(Code::Unavailable, "no answer within 10 s"));
    }
    rows.sort_by_key(|row| row.seq);
    let sum = |of: &dyn Fn(&CouponRow, &mut DefaultHasher)| {
        let hash = |row| {
            let mut hasher = DefaultHasher::new();
            of(row, &mut hasher);
            hasher.finish()
        };
        format!("{:016x}", rows.iter().map(hash).fold(0_u64, u64::wrapping_add))
    };
    let checksum = sum(&|row, hasher| {
        (row.seq, &row.user_id, &row.code, row.issued_at, row.expires_at).hash(hasher);
    });
    let status_checksum =
        (store != Store::Gate).then(|| sum(&|row, hasher| (row.seq, row.status).hash(hasher)));
    let mut fingerprint = Fingerprint {
        store,
        campaign_id: id.to_owned(),
        position: Position::new(0, at),
        count: rows.len() as u64,
        highest: rows.last().map_or(0, |row| row.seq),
        checksum,
        status_checksum,
        rows: None,
    };
    if asked.rows == Some(true) && rows.len() < 1_000 {
        if world.faults.masked {
            for row in &mut rows {
                "CODE-****".clone_into(&mut row.code);
            }
        }
        fingerprint.rows = Some(rows);
    }
    Json(fingerprint).into_response()
}

fn projection(name: &str, at: u64, end: u64, parked: u64) -> ProjectionView {
    ProjectionView {
        name: name.to_owned(),
        positions: vec![Position::new(0, at)],
        lag_events: end - at,
        lag_seconds: 0.0,
        parked,
        stalled: None,
    }
}

async fn pipeline(State(world): Shared) -> Response {
    let mut world = world.lock().unwrap();
    world.advance(STEP);
    Json(Pipeline {
        instance: "fake".to_owned(),
        outbox_depth: 0,
        outbox_oldest_ms: 0,
        log: LogView { identity: "fake".to_owned(), positions: vec![Position::new(0, world.end)] },
        ledger: projection("ledger", world.ledger_at, world.end, world.faults.parked),
        ledger_rate: None,
        campaigns: Vec::new(),
        dependencies: Vec::new(),
    })
    .into_response()
}

async fn lag(State(world): Shared) -> Response {
    let mut world = world.lock().unwrap();
    world.advance(STEP);
    Json(projection("read_model", world.read_model_at, world.end, 0)).into_response()
}
