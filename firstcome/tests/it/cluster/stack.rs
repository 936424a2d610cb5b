//! A cluster to be broken: servers of the test's own, and the binary's two sides on them, two instances each.

use firstcome_testkit::{Mongo, Nats, Postgres, Proxy, Redis};

use crate::rig::{Api, Launch, Server, System};

const SECRET: &str = "a secret of a test, long enough to be taken";

/// Engines and instances; they end with it.
pub struct Stack {
    pub redis: Redis,
    pub nats: Nats,
    pub postgres: Postgres,
    pub mongo: Mongo,
    /// Between the first instance of the write side, it alone, and the log.
    pub wire: Proxy,
    commands: Vec<Option<Server>>,
    queries: Vec<Option<Server>>,
    api: Api,
}

/// One of the instances.
#[derive(Clone, Copy, Debug)]
pub enum Instance {
    /// Of the write side.
    Command(usize),
    /// Of the read side.
    Query(usize),
}

impl Stack {
    /// Everything up, and ready.
    pub async fn start() -> Self {
        Self::start_with(async |postgres: &Postgres| (postgres.url(), ())).await.0
    }

    /// The same, with a proxy between both instances of the write side and the ledger.
    pub async fn start_watching_the_ledger() -> (Self, Proxy) {
        Self::start_with(async |postgres: &Postgres| {
            let proxy = Proxy::to(&postgres.addr()).await;
            (postgres.url().replace(&postgres.addr(), &proxy.addr()), proxy)
        })
        .await
    }

    async fn start_with<T>(ledger: impl AsyncFnOnce(&Postgres) -> (String, T)) -> (Self, T) {
        let (redis, nats, postgres, mongo) =
            tokio::join!(Redis::start(), Nats::start(), Postgres::start(), Mongo::start());
        let wire = Proxy::to(&nats.addr()).await;
        let through = format!("nats://{}", wire.addr());
        let (ledger, between) = ledger(&postgres).await;
        let command = |nats: &str| {
            Launch::part("command")
                .env("FIRSTCOME_CODE_SECRET", SECRET)
                .env("FIRSTCOME_REDIS_URL", &redis.url())
                .env("FIRSTCOME_NATS_URL", nats)
                .env("FIRSTCOME_POSTGRES_URL", &ledger)
        };
        let query = || {
            Launch::part("query")
                .env("FIRSTCOME_NATS_URL", &nats.url())
                .env("FIRSTCOME_MONGO_URL", &format!("{}/firstcome", mongo.url().trim_end_matches('/')))
        };
        let (first, second) = tokio::join!(command(&through).start(), command(&nats.url()).start());
        let (third, fourth) = tokio::join!(query().start(), query().start());
        let (commands, queries) = (vec![Some(first), Some(second)], vec![Some(third), Some(fourth)]);
        let api = over(&commands, &queries);
        (Self { redis, nats, postgres, mongo, wire, commands, queries, api }, between)
    }

    /// kill -9.
    pub async fn kill(&self, instance: Instance) {
        self.instance(instance).kill().await;
    }

    /// Starts a killed one again, at the address where it was.
    pub async fn start_again(&mut self, instance: Instance) {
        let slot = match instance {
            Instance::Command(place) => &mut self.commands[place],
            Instance::Query(place) => &mut self.queries[place],
        };
        let killed = slot.take().expect("it is there");
        let addr = killed.url.strip_prefix("http://").expect("a URL").to_owned();
        *slot = Some(killed.started_again_at(&addr).await);
    }

    /// An instance as it runs.
    pub fn instance(&self, instance: Instance) -> &Server {
        let slot = match instance {
            Instance::Command(place) => &self.commands[place],
            Instance::Query(place) => &self.queries[place],
        };
        slot.as_ref().expect("it is there")
    }

    /// Addresses of all instances, the write side's first.
    fn instances(&self) -> impl Iterator<Item = &Server> {
        self.commands.iter().chain(&self.queries).flatten()
    }
}

impl System for Stack {
    fn api(&self) -> &Api {
        &self.api
    }

    fn addresses(&self) -> String {
        self.instances().map(|server| server.url.as_str()).collect::<Vec<_>>().join(",")
    }

    fn key(&self) -> Option<&str> {
        None
    }
}

fn over(commands: &[Option<Server>], queries: &[Option<Server>]) -> Api {
    Api::over(&urls(commands), &urls(queries), None)
}

fn urls(side: &[Option<Server>]) -> Vec<&str> {
    side.iter().flatten().map(|server| server.url.as_str()).collect()
}
