//! What operators and `verify` read: the audit and the sums over rows.

use firstcome_shared::domain::Window;

use super::*;

pub(super) async fn audit(
    ledger: &dyn Ledger,
    campaign: Option<&str>,
    after: Option<AuditCursor>,
    limit: u32,
) -> (Vec<String>, Option<AuditCursor>) {
    let page = ledger.audit(campaign.map(id).as_ref(), after, limit).await.unwrap();
    let shown = |entry: AuditEntry| format!("{} {} {}", entry.actor, entry.action, entry.campaign_id);
    (page.items.into_iter().map(shown).collect(), page.next.map(|next| next.parse().unwrap()))
}

pub(in crate::ledger) async fn lists_the_audit_newest_first(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let batch = [
        story.tell("summer", created("summer", 10)),
        story.tell("winter", created("winter", 5)),
        story.tell("summer", issued("summer", 1, &["ada"])),
        story.tell("summer", Event::GateFenced { incarnation: "two".to_owned() }),
        story.tell("summer", paused()),
        story.act("winter", "replay"),
    ];
    apply(ledger, &claim, &batch).await.unwrap();
    let all = [
        "ops operator_acted winter",
        "ops campaign_paused summer",
        "firstcome gate_fenced summer",
        "ops campaign_created winter",
        "ops campaign_created summer",
    ];
    assert_eq!(audit(ledger, None, None, 10).await, (all.map(str::to_owned).to_vec(), None));
    let (page, next) = audit(ledger, None, None, 2).await;
    assert_eq!(page, all[..2]);
    // An entry that comes between two pages does not shift the second.
    apply(ledger, &claim, &[story.tell("summer", Event::CampaignResumed { actor: ACTOR.to_owned() })])
        .await
        .unwrap();
    let (page, next) = audit(ledger, None, next, 2).await;
    assert_eq!(page, all[2..4]);
    assert_eq!(audit(ledger, None, next, 1).await, (vec![all[4].to_owned()], None));
    let (page, next) = audit(ledger, Some("winter"), None, 1).await;
    assert_eq!(page, all[..1]);
    assert_eq!(audit(ledger, Some("winter"), next, 5).await, (vec![all[3].to_owned()], None));
    assert_eq!(audit(ledger, Some("nobody"), None, 5).await, (vec![], None));

    let fence = ledger.audit(Some(&id("summer")), None, 3).await.unwrap().items.remove(2);
    assert_eq!(fence.details, serde_json::json!({"incarnation": "two", "epoch": 2}));
    assert_eq!((fence.position, fence.at.0), (Position::new(0, 4), batch[3].message.entries[0].at));
}

pub(in crate::ledger) async fn audits_several_entries_of_one_message(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let restock = |stock| Event::StockChanged { window: 1, stock, actor: ACTOR.to_owned() };
    let batch = [
        story.tell("summer", created("summer", 10)),
        story.tell_all("summer", vec![paused(), restock(20), restock(30)]),
    ];
    apply(ledger, &claim, &batch).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = ledger.audit(None, after, 1).await.unwrap();
        seen.extend(page.items.into_iter().map(|entry| entry.details.to_string()));
        after = page.next.map(|next| next.parse().unwrap());
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 4);
    assert_eq!(
        seen[..3],
        [
            r#"{"before":{"stock":20},"stock":30,"window":1}"#,
            r#"{"before":{"stock":10},"stock":20,"window":1}"#,
            r#"{"before":{"paused":false},"paused":true}"#,
        ]
    );
    assert_eq!(harness.number("SELECT count(*) FROM stock_entry").await, 3);
    assert_eq!(
        harness.number("SELECT count(*) FROM campaign WHERE definition LIKE '%\"stock\":30%'").await,
        1
    );
}

/// An act says what was so before, also when that was written long ago, by another batch.
pub(in crate::ledger) async fn audits_what_was_so_before(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let actor = || ACTOR.to_owned();
    let Event::CampaignCreated { mut definition, .. } = created("summer", 10) else { unreachable!() };
    definition.windows.push(Window {
        id: 2,
        opens_at: Millis(1 << 41),
        closes_at: Millis(1 << 42),
        stock: 5,
    });
    let created = Event::CampaignCreated {
        definition: definition.clone(),
        incarnation: "one".to_owned(),
        actor: actor(),
    };
    definition.name = "Summer".to_owned();
    definition.windows[1].closes_at = Millis(1 << 43);
    for event in [
        created,
        paused(),
        Event::StockChanged { window: 2, stock: 7, actor: actor() },
        Event::CampaignUpdated {
            definition: {
                definition.windows[1].stock = 7;
                definition
            },
            actor: actor(),
        },
        Event::CampaignResumed { actor: actor() },
        Event::CampaignCancelled { actor: actor() },
    ] {
        apply(ledger, &claim, &[story.tell("summer", event)]).await.unwrap();
    }
    let page = ledger.audit(None, None, 10).await.unwrap();
    let seen: Vec<_> =
        page.items.iter().map(|entry| (entry.action.as_str(), entry.details["before"].clone())).collect();
    let window = serde_json::json!({"id": 2, "opens_at": 1_i64 << 41, "closes_at": 1_i64 << 42, "stock": 7});
    assert_eq!(
        seen,
        [
            ("campaign_cancelled", serde_json::json!({"cancelled": false})),
            ("campaign_resumed", serde_json::json!({"paused": true})),
            ("campaign_updated", serde_json::json!({"name": "summer", "windows": [window]})),
            ("stock_changed", serde_json::json!({"stock": 5})),
            ("campaign_paused", serde_json::json!({"paused": false})),
            ("campaign_created", serde_json::Value::Null),
        ]
    );
}

pub(in crate::ledger) async fn sums_up_rows_in_a_range(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let batch = [
        story.tell("summer", created("summer", 10)),
        story.tell("winter", created("winter", 10)),
        story.tell("summer", issued("summer", 1, &["ada", "bob"])),
        story.tell("winter", issued("winter", 1, &["eve"])),
        story.tell("summer", issued("summer", 3, &["cid", "dan"])),
    ];
    apply(ledger, &claim, &batch).await.unwrap();
    let ask = async |range: Range| ledger.fingerprint(&id("summer"), &range).await.unwrap();
    let facts = |sum: &Fingerprint| (sum.count, sum.highest);
    let whole = ask(Range::default()).await;
    assert_eq!((facts(&whole), whole.rows.as_ref()), ((4, 4), None));
    assert!(whole.status_checksum.is_some());
    let upto = |sequence| Some(Position::new(0, sequence));
    let half = ask(Range { to: 2, ..Range::default() }).await;
    assert_eq!(facts(&half), (2, 2));
    let early = ask(Range { upto: upto(4), ..Range::default() }).await;
    assert_eq!((facts(&early), &early.checksum), ((2, 2), &half.checksum));
    assert_eq!(early.position, Position::new(0, 5), "the checkpoint, whatever was asked for");
    assert_eq!(facts(&ask(Range { upto: upto(2), ..Range::default() }).await), (0, 0));
    assert_eq!(facts(&ask(Range { upto: upto(5), ..Range::default() }).await), (4, 4));
    let middle = ask(Range { from: 2, to: 3, rows: true, ..Range::default() }).await;
    let seqs: Vec<u64> = middle.rows.unwrap().iter().map(|row| row.seq).collect();
    assert_eq!((seqs, middle.count), (vec![2, 3], 2));
    assert_eq!(facts(&sum(ledger, "nobody").await), (0, 0));
}

pub(in crate::ledger) async fn sees_what_was_changed_by_hand(harness: Box<dyn Harness>) {
    let ledger = harness.ledger();
    let mut story = Story::default();
    let claim = claim(ledger, "a", Millis(0)).await;
    let batch = [
        story.tell("summer", created("summer", 10)),
        story.tell("summer", issued("summer", 1, &["ada", "bob"])),
    ];
    apply(ledger, &claim, &batch).await.unwrap();
    let before = sum(ledger, "summer").await;
    let changes = [
        (
            "UPDATE coupon SET user_id = 'eve' WHERE seq = 2",
            "UPDATE coupon SET user_id = 'bob' WHERE seq = 2",
        ),
        ("UPDATE coupon SET issued_at = issued_at + 1", "UPDATE coupon SET issued_at = issued_at - 1"),
        ("UPDATE coupon SET expires_at = 5", "UPDATE coupon SET expires_at = NULL"),
        ("UPDATE coupon SET code = 'X' WHERE seq = 1", "UPDATE coupon SET code = 'summer-1' WHERE seq = 1"),
        (
            "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, issued_at, position)
             VALUES ('summer', 3, 'eve', 1, 'E', 1, 5, 2)",
            "DELETE FROM coupon WHERE seq = 3",
        ),
    ];
    for (change, back) in changes {
        assert!(harness.by_hand(change).await > 0, "{change}");
        assert_ne!(sum(ledger, "summer").await.checksum, before.checksum, "{change}");
        harness.by_hand(back).await;
        assert_eq!(sum(ledger, "summer").await, before, "{back}");
    }
    harness.by_hand("UPDATE coupon SET status = 'revoked' WHERE seq = 1").await;
    let revoked = sum(ledger, "summer").await;
    assert_eq!(revoked.checksum, before.checksum);
    assert_ne!(revoked.status_checksum, before.status_checksum);
    harness.by_hand("DELETE FROM coupon WHERE seq = 1").await;
    let fewer = sum(ledger, "summer").await;
    assert_ne!(fewer.checksum, before.checksum);
    assert_eq!((fewer.count, fewer.highest), (1, 2));
}
