//! Log messages of version 1, one file a kind: what was once written must be readable for ever, and be written the
//! same. A golden file is never changed; a new field gets a default, a new kind gets a file.

use std::collections::BTreeSet;
use std::path::Path;

use firstcome_shared::event::{Event, Message};

/// The file of a kind. Without a wildcard: a new kind does not compile until it is named here.
fn file(event: &Event) -> &'static str {
    match event {
        Event::CampaignCreated { .. } => "campaign_created.json",
        Event::GateFenced { .. } => "gate_fenced.json",
        Event::CampaignPaused { .. } => "campaign_paused.json",
        Event::CampaignResumed { .. } => "campaign_resumed.json",
        Event::CampaignCancelled { .. } => "campaign_cancelled.json",
        Event::CampaignUpdated { .. } => "campaign_updated.json",
        Event::StockChanged { .. } => "stock_changed.json",
        Event::CouponsIssued { .. } => "coupons_issued.json",
        Event::StockThresholdReached { .. } => "stock_threshold_reached.json",
        Event::OperatorActed { .. } => "operator_acted.json",
    }
}

/// Name and text of every golden file.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("a readable folder");
        let text = std::fs::read_to_string(entry.path()).expect("a readable file");
        (entry.file_name().to_string_lossy().into_owned(), text.trim_end().to_owned())
    };
    std::fs::read_dir(folder).expect("the golden files").map(read).collect()
}

fn golden(name: &str) -> String {
    files().into_iter().find(|(file, _)| file == name).map(|(_, text)| text).expect("a golden file")
}

#[test]
fn every_kind_reads_and_writes_the_same_bytes() {
    let files = files();
    let mut kinds = BTreeSet::new();
    for (name, text) in &files {
        let message = Message::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(String::from_utf8_lossy(&message.encode()), *text, "{name}");
        for entry in &message.entries {
            assert_eq!(
                (file(&entry.event), format!("{}.json", entry.event.kind())),
                (name.as_str(), name.clone())
            );
            kinds.insert(entry.event.kind());
        }
    }
    assert_eq!((files.len(), kinds.len()), (10, 10), "one file a kind");
}

#[test]
fn what_this_release_does_not_know_is_undecodable() {
    let text = golden("coupons_issued.json");
    let table = [
        ("\"coupons_issued\":", "\"coupons_conjured\":", "unknown variant `coupons_conjured`"),
        ("\"version\":1", "\"version\":2", "version 2 is not known"),
        ("\"version\":1,", "", "missing field `version`"),
        ("\"campaign\":\"summer\"", "\"campaign\":\"Summer\"", "must be 1 to 64 of a-z"),
        ("\"seq\":1", "\"seq\":-1", "invalid value"),
        ("\"user_id\":\"u-1\"", "\"user_id\":\"\"", "must be 1 to 128 bytes"),
        ("\"window\":1,", "", "missing field `window`"),
        ("]}", "]", "expected"),
    ];
    for (old, new, problem) in table {
        let spoilt = text.replacen(old, new, 1);
        assert_ne!(spoilt, text, "{old}");
        let undecodable = Message::decode(spoilt.as_bytes()).expect_err(old);
        assert!(undecodable.to_string().contains(problem), "{old}: {undecodable}");
    }
    // A version to come may look like anything, but says that it is one.
    let undecodable = Message::decode(br#"{"version":3,"anything":[]}"#).expect_err("version 3");
    assert_eq!(undecodable.to_string(), "undecodable message: version 3 is not known to this release");
}

#[test]
fn fields_that_came_later_have_defaults() {
    let removals = [
        ("coupons_issued.json", "\"key\":\"order 1~\","),
        ("coupons_issued.json", ",\"code\":\"MV6R-9SYZ-5MYD-N419\""),
        ("campaign_created.json", "\"amount_off\":500,\"currency\":\"EUR\",\"valid_for_seconds\":2592000"),
        (
            "campaign_created.json",
            "\"waiting_room\":{\"admit_per_second\":50,\"max_active\":200,\"admission_ttl_seconds\":120},",
        ),
    ];
    for (name, removed) in removals {
        let text = golden(name);
        let less = text.replacen(removed, "", 1);
        assert_ne!(less, text, "{name}: {removed}");
        let (whole, message) = (Message::decode(text.as_bytes()), Message::decode(less.as_bytes()));
        assert_ne!(message.as_ref(), whole.as_ref(), "{name}: {removed}");
        assert!(message.is_ok(), "{name} without {removed}: {message:?}");
    }
}

#[test]
fn fields_of_a_later_release_are_passed_over() {
    let text = golden("coupons_issued.json");
    let more = text.replacen("\"window\":1,", "\"window\":1,\"colour\":\"blue\",", 1);
    assert_eq!(Message::decode(more.as_bytes()), Message::decode(text.as_bytes()));
}

/// Who knows in which request a decision was made says so; messages from before that field are read as ever.
#[test]
fn a_message_may_name_the_requests_of_its_decisions() {
    let plain = golden("campaign_paused.json");
    let mut message = Message::decode(plain.as_bytes()).unwrap();
    assert!(message.requests.is_empty());
    let decision = message.entries[0].decision;
    message.requests.insert(decision, "4f2a-1".to_owned());
    let named = String::from_utf8(message.encode().to_vec()).unwrap();
    let field = format!(",\"requests\":{{\"{decision}\":\"4f2a-1\"}}}}");
    assert_eq!(named, plain.strip_suffix('}').unwrap().to_owned() + &field);
    let again = Message::decode(named.as_bytes()).unwrap();
    assert_eq!((again.request(decision), again.request(decision + 1)), (Some("4f2a-1"), None));
}
