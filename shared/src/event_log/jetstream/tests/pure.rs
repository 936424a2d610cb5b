//! Answers of the servers, read.

use serde_json::json;

use super::super::api::{Published, published};
use super::*;

#[test]
fn tells_refused_from_in_process_from_unknown() {
    let error = |code: u64, description: &str| {
        let reply = json!({ "stream": "firstcome", "seq": 0, "error":
            { "code": 400, "err_code": code, "description": description } });
        published(reply.to_string().as_bytes())
    };
    assert_eq!(published(br#"{"stream":"firstcome","seq":7}"#), Published::Stored(7));
    assert_eq!(error(10_071, "wrong last sequence: 42"), Published::Refused(Some(42)));
    assert_eq!(error(10_071, "wrong last sequence: 0"), Published::Refused(Some(0)));
    assert_eq!(error(10_071, "wrong last sequence"), Published::Refused(None));
    assert_eq!(error(10_164, "wrong last sequence"), Published::InProcess);
    assert_eq!(error(10_158, "duplicate message id is in process"), Published::InProcess);
    for (code, description) in
        [(10_077, "maximum bytes exceeded"), (10_008, "temporarily unavailable"), (0, "")]
    {
        assert!(matches!(error(code, description), Published::Unknown(_)), "{code}");
    }
    for answer in [&b""[..], b"{}", b"null", br#"{"stream":"firstcome","seq":0}"#] {
        assert!(matches!(published(answer), Published::Unknown(_)), "{answer:?}");
    }
}

#[test]
fn believes_a_leader_only_while_a_quorum_hears_it() {
    let second = 1_000_000_000_u64;
    let peer = |current: bool, active: u64, offline: bool| json!({ "name": "n", "current": current, "active": active, "offline": offline });
    let info = |replicas: usize, leader: &str, peers: Vec<serde_json::Value>| {
        let config = json!({ "name": "firstcome", "num_replicas": replicas, "discard": "new", "retention": "limits", "storage": "file" });
        let cluster = json!({ "name": "c", "leader": leader, "replicas": peers });
        let state = json!({ "first_seq": 0, "last_seq": 0 });
        serde_json::from_value::<Info>(json!({ "config": config, "state": state, "cluster": cluster }))
            .unwrap()
    };
    let (near, far) = (peer(true, second, false), peer(true, 4 * second, false));
    let (behind, never, dead) = (peer(false, second, false), peer(false, 0, false), peer(true, second, true));
    assert!(info(1, "", vec![]).has_quorum());
    assert!(info(3, "a", vec![near.clone(), far.clone()]).has_quorum());
    assert!(info(3, "a", vec![behind.clone(), dead.clone()]).has_quorum());
    assert!(info(5, "a", vec![near.clone(), behind, far.clone(), far.clone()]).has_quorum());
    for peers in
        [vec![far.clone(), far.clone()], vec![never.clone(), never], vec![dead.clone(), dead], vec![]]
    {
        assert!(!info(3, "a", peers.clone()).has_quorum(), "{peers:?}");
    }
    assert!(!info(5, "a", vec![near.clone(), far.clone(), far.clone(), far]).has_quorum());
    assert!(!info(3, "", vec![near.clone(), near]).has_quorum(), "nobody leads");
}
