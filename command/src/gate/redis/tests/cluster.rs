//! On a Redis Cluster: a campaign lives on one node, and each way to another one is a gate that forgot (ARCHITECTURE G2).

use std::collections::HashSet;
use std::sync::Arc;

use firstcome_shared::clock::ManualClock;
use firstcome_shared::domain::{Book, CampaignId, Definition, Verdict};
use firstcome_shared::event::Event;
use firstcome_testkit::{Redis, RedisCluster};

use super::{NOON, RedisGate, book, call, connect, definition, fenced, people};
use crate::gate::{Call, Gate, GateError, Logged, ROWS};
use crate::testing::{DEADLINE, until};

/// Campaigns enough for every node to have some.
const CAMPAIGNS: usize = 12;
const STOCK: u64 = 300;

fn campaign(number: usize) -> CampaignId {
    CampaignId::parse(&format!("summer-{number}")).unwrap()
}

fn one(campaign: &CampaignId) -> Definition {
    Definition { id: campaign.clone(), ..definition(STOCK) }
}

async fn load(gate: &RedisGate, epoch: u64, book: Book) -> Result<(), GateError> {
    let campaign = book.definition.id.clone();
    let load = fenced(gate, epoch, &format!("{epoch:016x}"), book).await;
    gate.load(&campaign, load).await
}

/// Asks until there is an answer other than that the gate is away.
async fn decide(gate: &RedisGate, campaign: &CampaignId, call: Call<'_>, user: u64) -> Result<(), GateError> {
    let begun = std::time::Instant::now();
    loop {
        match gate.decide(campaign, call, &people([user])).await {
            Err(GateError::Unavailable(_)) if begun.elapsed() < DEADLINE => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            outcome => return outcome.map(|_| ()),
        }
    }
}

/// What is in the outbox, folded: the truth, as the log would have it.
async fn folded(gate: &RedisGate, campaign: &CampaignId, call: Call<'_>, mut book: Book) -> Book {
    for entry in gate.outbox(campaign, call, book.decision, 1 << 30).await.unwrap().body {
        book.apply(&entry).unwrap();
    }
    book
}

/// Who holds a coupon, one by one, as the gate says.
async fn holders(gate: &RedisGate, campaign: &CampaignId, call: Call<'_>) -> Vec<String> {
    let rows = gate.rows(campaign, call, 1, ROWS).await.unwrap().body;
    assert!(rows.iter().zip(1..).all(|(row, place)| row.held.seq == place));
    rows.into_iter().map(|row| row.user.to_string()).collect()
}

/// The node that serves the campaign, not the dead one.
async fn owner(cluster: &RedisCluster, campaign: &CampaignId, dead: Option<usize>) -> usize {
    let key = format!("fc:{{{campaign}}}:meta");
    let begun = std::time::Instant::now();
    loop {
        for (index, node) in cluster.nodes().iter().enumerate() {
            if Some(index) != dead && node.command(&format!("EXISTS {key}")).await.trim() == "1" {
                return index;
            }
        }
        // A lost election is held again only after some seconds.
        if begun.elapsed() > 3 * DEADLINE {
            let mut seen = String::new();
            for node in cluster.nodes() {
                seen += &node.command("CLUSTER NODES").await;
                seen += &node.log();
            }
            panic!("nobody serves {key}:\n{seen}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Returns when the master's replica has all that the master has.
async fn level(master: &Redis) {
    until("the replica is level", || async {
        let info = master.command("INFO replication").await;
        let offset = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")).unwrap().trim();
        info.contains(&format!("state=online,offset={offset},"))
    })
    .await;
}

/// Returns when every node that is not dead says that all is well.
async fn settled(cluster: &RedisCluster, dead: Option<usize>) {
    for (index, node) in cluster.nodes().iter().enumerate() {
        let well = async || node.command("CLUSTER INFO").await.contains("cluster_state:ok");
        until("the cluster is well", || async { Some(index) == dead || well().await }).await;
    }
}

async fn start(masters: usize, replicas: usize) -> (RedisCluster, RedisGate, RedisGate) {
    let (cluster, clock) = (RedisCluster::start_with(masters, replicas).await, ManualClock::at(NOON));
    let (one, two) = (connect(&cluster.url(), &clock).await, connect(&cluster.node(1).url(), &clock).await);
    (cluster, one, two)
}

/// Two instances, one of which knows a single node at first; more people than coupons; many campaigns on all nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rush_on_a_cluster_is_exact() {
    let (cluster, one_gate, two_gate) = start(3, 0).await;
    let gates = [Arc::new(one_gate), Arc::new(two_gate)];
    let mut nodes = HashSet::new();
    for number in 0..CAMPAIGNS {
        load(&gates[0], 1, book(one(&campaign(number)))).await.unwrap();
        nodes.insert(owner(&cluster, &campaign(number), None).await);
    }
    assert_eq!(nodes.len(), 3, "campaigns live on all nodes");
    let mut tasks = Vec::new();
    for number in 0..CAMPAIGNS {
        for turn in 0..8_u64 {
            let gate = Arc::clone(&gates[usize::try_from(turn).unwrap() % 2]);
            tasks.push(tokio::spawn(async move {
                let mut issued = 0;
                for first in (0..STOCK * 2).step_by(30) {
                    let asks = people((first..first + 40).map(|user| (user * 7 + turn * 13) % (STOCK * 2)));
                    let reply = gate.decide(&campaign(number), call(1), &asks).await.unwrap();
                    issued +=
                        reply.body.iter().filter(|verdict| matches!(verdict, Verdict::Issued { .. })).count();
                }
                (number, issued)
            }));
        }
    }
    let mut issued = [0; CAMPAIGNS];
    for task in tasks {
        let (number, count) = task.await.unwrap();
        issued[number] += count;
    }
    assert_eq!(issued, [usize::try_from(STOCK).unwrap(); CAMPAIGNS]);
    for number in 0..CAMPAIGNS {
        let campaign = campaign(number);
        let held = holders(&gates[1], &campaign, call(1)).await;
        assert_eq!(held.iter().collect::<HashSet<_>>().len(), held.len(), "nobody twice");
        let book = folded(&gates[0], &campaign, call(1), book(one(&campaign))).await;
        assert_eq!(book.total_issued(), STOCK);
        let entries = gates[1].outbox(&campaign, call(1), 0, 1 << 30).await.unwrap().body;
        let logged: Vec<_> = entries
            .iter()
            .flat_map(|entry| match &entry.event {
                Event::CouponsIssued { coupons, .. } => coupons.as_slice(),
                _ => &[],
            })
            .map(|coupon| coupon.user_id.to_string())
            .collect();
        assert_eq!(held, logged, "outbox and holders agree, in order");
    }
    let settings = gates[1].settings().await.unwrap();
    assert_eq!(settings.len(), 3, "every node, also those that the URL does not name");
}

/// A slot with a campaign is moved, key by key, while people ask: on the other node it is refused until it is loaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_whose_slot_is_moved_has_forgotten() {
    let (cluster, gate, other) = start(3, 0).await;
    let summer = campaign(0);
    let begun = book(one(&summer));
    load(&gate, 1, begun.clone()).await.unwrap();
    for user in 1..=20 {
        decide(&gate, &summer, call(1), user).await.unwrap();
    }
    let logged = folded(&gate, &summer, call(1), begun).await;
    let from = owner(&cluster, &summer, None).await;
    let to = (from + 1) % 3;
    move_slot(&cluster, &summer, from, to).await;
    assert_eq!(owner(&cluster, &summer, None).await, to, "its keys came along");

    // Both find the new owner by themselves, and it is not believed, though it has every key.
    for gate in [&gate, &other] {
        assert_eq!(decide(gate, &summer, call(1), 99).await, Err(GateError::Forgot));
        assert_eq!(gate.view(&summer, call(1)).await.err(), Some(GateError::Forgot));
    }
    load(&other, 2, logged.clone()).await.unwrap();
    decide(&gate, &summer, call(2), 21).await.unwrap();
    let held = holders(&other, &summer, call(2)).await;
    assert_eq!(held, (1..=21).map(|user| format!("u-{user}")).collect::<Vec<_>>());

    // And back again: the first node is the incarnation that it was, and holds nothing of it.
    let logged = folded(&gate, &summer, call(2), logged).await;
    move_slot(&cluster, &summer, to, from).await;
    assert_eq!(decide(&gate, &summer, call(2), 99).await, Err(GateError::Forgot));
    load(&gate, 3, logged).await.unwrap();
    decide(&other, &summer, call(3), 22).await.unwrap();
    assert_eq!(holders(&gate, &summer, call(3)).await.len(), 22);
}

/// As `redis-cli --cluster reshard` does it, for one slot.
async fn move_slot(cluster: &RedisCluster, campaign: &CampaignId, from: usize, to: usize) {
    let (source, target) = (cluster.node(from), cluster.node(to));
    let slot = source.command(&format!("CLUSTER KEYSLOT fc:{{{campaign}}}:meta")).await.trim().to_owned();
    let (source_id, target_id) = (
        source.command("CLUSTER MYID").await.trim().to_owned(),
        target.command("CLUSTER MYID").await.trim().to_owned(),
    );
    let say = async |node: &Redis, command: String| {
        let answer = node.command(&command).await;
        assert!(answer.trim() == "OK" || answer.trim() == "NOKEY", "{command}: {answer}");
    };
    say(target, format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}")).await;
    say(source, format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}")).await;
    let keys = source.command(&format!("CLUSTER GETKEYSINSLOT {slot} 100")).await;
    let (host, port) =
        target.addr().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    for key in keys.lines().map(str::trim).filter(|key| !key.is_empty()) {
        say(source, format!("MIGRATE {host} {port} {key} 0 5000")).await;
    }
    for node in cluster.nodes() {
        say(node, format!("CLUSTER SETSLOT {slot} NODE {target_id}")).await;
    }
}

/// A master dies and its replica takes over; then it comes back and is given its place again: three memories.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_whose_master_fails_over_and_back_has_forgotten_twice() {
    let (cluster, gate, other) = start(3, 1).await;
    let summer = campaign(0);
    let begun = book(one(&summer));
    load(&gate, 1, begun.clone()).await.unwrap();
    for user in 1..=20 {
        decide(&gate, &summer, call(1), user).await.unwrap();
    }
    let first = gate.incarnation(&summer).await.unwrap();
    let logged = folded(&gate, &summer, call(1), begun).await;

    let master = owner(&cluster, &summer, None).await;
    level(cluster.node(master)).await;
    cluster.node(master).kill().await;
    let replica = owner(&cluster, &summer, Some(master)).await;
    settled(&cluster, Some(master)).await;
    assert_eq!(decide(&gate, &summer, call(1), 99).await, Err(GateError::Forgot), "a replica that took over");
    assert_eq!(decide(&other, &summer, call(1), 99).await, Err(GateError::Forgot));
    let second = gate.incarnation(&summer).await.unwrap();
    load(&gate, 2, logged.clone()).await.unwrap();
    for user in 21..=30 {
        decide(&other, &summer, call(2), user).await.unwrap();
    }
    let logged = folded(&gate, &summer, call(2), logged).await;

    // The old master comes back as a replica of the new one, and is made master again.
    let (old, new) = (cluster.node(master), cluster.node(replica));
    old.restart().await;
    let is = async |node: &Redis, what: &str| node.command("INFO replication").await.contains(what);
    until("the old master follows the new one", || is(old, "master_link_status:up")).await;
    level(new).await;
    assert_eq!(old.command("CLUSTER FAILOVER TAKEOVER").await.trim(), "OK");
    until("the old master is master again", || is(old, "role:master")).await;
    until("and the new one knows", || is(new, "role:slave")).await;
    settled(&cluster, None).await;
    assert_eq!(decide(&gate, &summer, call(2), 99).await, Err(GateError::Forgot), "it has every key");
    let third = gate.incarnation(&summer).await.unwrap();
    assert_eq!(HashSet::from([&first, &second, &third]).len(), 3);
    load(&other, 3, logged).await.unwrap();
    let knowing = Call { logged: Logged { decision: 30, sequence: 1 }, ..call(3) };
    decide(&gate, &summer, knowing, 31).await.unwrap();
    let held = holders(&gate, &summer, call(3)).await;
    assert_eq!(held, (1..=31).map(|user| format!("u-{user}")).collect::<Vec<_>>());
}
