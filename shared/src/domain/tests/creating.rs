//! From a request to a definition: what is allowed, and which field is to blame.

use serde_json::{Value, json};

use crate::clock::Millis;
use crate::domain::{Definition, Invalid, create};
use crate::wire::Time;

/// A request that is allowed, with some fields changed; null takes one away.
fn define(changes: &Value) -> Result<Definition, Invalid> {
    let mut request = json!({
        "id": "summer", "opens_at": "2026-12-01T10:00:00Z", "closes_at": "2026-12-01T11:00:00Z", "stock": 100,
    });
    for (field, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => request.as_object_mut().unwrap().remove(field),
            value => request.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    create::definition(&serde_json::from_value(request).unwrap(), "key-1")
}

/// The same, with `windows` in place of a one-off.
fn define_windows(windows: &[(&str, &str, u64)]) -> Result<Definition, Invalid> {
    let windows: Vec<Value> = windows
        .iter()
        .map(|(opens, closes, stock)| {
            let at = |hour| format!("2026-12-01T{hour}:00Z");
            json!({"opens_at": at(opens), "closes_at": at(closes), "stock": stock})
        })
        .collect();
    define(&json!({"opens_at": null, "closes_at": null, "stock": null, "windows": windows}))
}

/// The same, with `daily` in place of a one-off.
fn define_daily(zone: &str, from: &str, to: &str, opens: &str, closes: &str) -> Result<Definition, Invalid> {
    let daily =
        json!({"from": from, "to": to, "opens": opens, "closes": closes, "time_zone": zone, "stock": 10});
    define(&json!({"opens_at": null, "closes_at": null, "stock": null, "daily": daily}))
}

#[test]
fn a_plain_request_gets_the_defaults() {
    let made = define(&json!({})).unwrap();
    assert_eq!((made.id.as_str(), made.name.as_str(), made.key_id.as_str()), ("summer", "summer", "key-1"));
    assert_eq!((made.per_user_limit, made.windows.len(), made.windows[0].id, made.stock()), (1, 1, 1, 100));
    let terms = json!({"amount_off": 500, "currency": "EUR", "valid_for": "P30D"});
    let made = define(&json!({"name": "Summer!", "per_user_limit": 100, "coupon": terms})).unwrap();
    assert_eq!((made.name.as_str(), made.per_user_limit), ("Summer!", 100));
    assert_eq!(made.coupon.valid_for_seconds, Some(30 * 86_400));
    assert_eq!(made.coupon.expiry(Millis(1)), Some(Millis(30 * 86_400_000 + 1)));
    let shown = serde_json::to_value(crate::wire::CouponTerms::from(&made.coupon)).unwrap();
    assert_eq!(shown, json!({"amount_off": 500, "currency": "EUR", "valid_for": "P30D"}));
}

#[test]
fn each_refusal_names_its_field() {
    let long = "x".repeat(201);
    let table = [
        (json!({"id": "Summer"}), "id"),
        (json!({"id": ""}), "id"),
        (json!({"name": ""}), "name"),
        (json!({"name": "a\u{7}b"}), "name"),
        (json!({"name": long}), "name"),
        (json!({"opens_at": null}), "opens_at"),
        (json!({"closes_at": null}), "closes_at"),
        (json!({"stock": null}), "stock"),
        (json!({"stock": 0}), "stock"),
        (json!({"stock": 1_000_000_001}), "stock"),
        (json!({"closes_at": "2026-12-01T10:00:00Z"}), "closes_at"),
        (json!({"closes_at": "2026-12-01T09:00:00Z"}), "closes_at"),
        (json!({"opens_at": null, "closes_at": null, "stock": null}), "windows"),
        (json!({"windows": []}), "windows"),
        (json!({"opens_at": null, "closes_at": null, "stock": null, "windows": []}), "windows"),
        (json!({"per_user_limit": 0}), "per_user_limit"),
        (json!({"per_user_limit": 101}), "per_user_limit"),
        (
            json!({"waiting_room": {"admit_per_second": 1, "max_active": 1, "admission_ttl_seconds": 1}}),
            "waiting_room",
        ),
        (json!({"coupon": {"percent_off": 0}}), "coupon.percent_off"),
        (json!({"coupon": {"percent_off": 101}}), "coupon.percent_off"),
        (json!({"coupon": {"percent_off": 5, "amount_off": 5, "currency": "EUR"}}), "coupon.amount_off"),
        (json!({"coupon": {"amount_off": 0, "currency": "EUR"}}), "coupon.amount_off"),
        (json!({"coupon": {"amount_off": 5}}), "coupon.currency"),
        (json!({"coupon": {"amount_off": 5, "currency": "euro"}}), "coupon.currency"),
        (json!({"coupon": {"currency": "EUR"}}), "coupon.currency"),
        (json!({"coupon": {"currency": "euro"}}), "coupon.currency"),
        (json!({"coupon": {"valid_for": "soon"}}), "coupon.valid_for"),
        (json!({"coupon": {"valid_for": "P1M"}}), "coupon.valid_for"),
        (json!({"coupon": {"valid_for": "-P1D"}}), "coupon.valid_for"),
        (json!({"coupon": {"valid_for": "PT0S"}}), "coupon.valid_for"),
        (json!({"coupon": {"valid_for": "P1D", "expires_at": "2027-01-01T00:00:00Z"}}), "coupon.expires_at"),
    ];
    for (changes, field) in table {
        let refused = define(&changes).expect_err(&changes.to_string());
        assert_eq!(refused.field, field, "{changes}: {refused}");
    }
}

#[test]
fn windows_are_ordered_and_disjoint() {
    let fields =
        |windows: &[(&str, &str, u64)]| define_windows(windows).map(|_| ()).map_err(|refused| refused.field);
    let wrong = |field: &str| Err(field.to_owned());
    assert_eq!(fields(&[("10:00", "11:00", 1), ("11:00", "12:00", 1)]), Ok(()), "they may touch");
    assert_eq!(fields(&[("10:00", "11:01", 1), ("11:00", "12:00", 1)]), wrong("windows[1].opens_at"));
    assert_eq!(fields(&[("11:00", "12:00", 1), ("10:00", "11:00", 1)]), wrong("windows[1].opens_at"));
    assert_eq!(fields(&[("10:00", "11:00", 1), ("12:00", "12:00", 1)]), wrong("windows[1].closes_at"));
    assert_eq!(fields(&[("10:00", "11:00", 0), ("12:00", "13:00", 1)]), wrong("windows[0].stock"));
    assert_eq!(fields(&[("10:00", "11:00", 0)]), wrong("windows[0].stock"), "also when it is the only one");
    let ids: Vec<u32> = define_windows(&[("10:00", "11:00", 1), ("12:00", "13:00", 1)])
        .unwrap()
        .windows
        .iter()
        .map(|window| window.id)
        .collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn a_daily_window_keeps_its_local_time_over_a_clock_change() {
    type Windows<'a> = &'a [(&'a str, &'a str)];
    let table: &[(&str, [&str; 4], Windows<'_>)] = &[
        // No clock change: the same moment every day.
        (
            "Asia/Seoul",
            ["2026-03-28", "2026-03-29", "10:00", "11:00"],
            &[("2026-03-28T01:00", "2026-03-28T02:00"), ("2026-03-29T01:00", "2026-03-29T02:00")],
        ),
        // Spring: an hour earlier in UTC from the second day on.
        (
            "Europe/Berlin",
            ["2026-03-28", "2026-03-29", "10:00", "11:00"],
            &[("2026-03-28T09:00", "2026-03-28T10:00"), ("2026-03-29T08:00", "2026-03-29T09:00")],
        ),
        // Autumn: over midnight, through the hour that comes twice, so an hour longer.
        (
            "Europe/Berlin",
            ["2026-10-24", "2026-10-25", "22:00", "06:00"],
            &[("2026-10-24T20:00", "2026-10-25T05:00"), ("2026-10-25T21:00", "2026-10-26T05:00")],
        ),
        // Spring: through the hour that is left out, so an hour shorter.
        (
            "Europe/Berlin",
            ["2026-03-29", "2026-03-29", "01:00", "05:00"],
            &[("2026-03-29T00:00", "2026-03-29T03:00")],
        ),
        // Both ends in the hour that is left out: moved to after it.
        (
            "Europe/Berlin",
            ["2026-03-29", "2026-03-29", "02:15", "02:45"],
            &[("2026-03-29T01:15", "2026-03-29T01:45")],
        ),
        // Around the clock: no gap, no overlap.
        (
            "Europe/Berlin",
            ["2026-10-24", "2026-10-25", "10:00", "10:00"],
            &[("2026-10-24T08:00", "2026-10-25T09:00"), ("2026-10-25T09:00", "2026-10-26T09:00")],
        ),
        // A leap day.
        (
            "UTC",
            ["2028-02-28", "2028-03-01", "10:00", "11:00"],
            &[
                ("2028-02-28T10:00", "2028-02-28T11:00"),
                ("2028-02-29T10:00", "2028-02-29T11:00"),
                ("2028-03-01T10:00", "2028-03-01T11:00"),
            ],
        ),
    ];
    for (zone, [from, to, opens, closes], expected) in table {
        let made = define_daily(zone, from, to, opens, closes).unwrap();
        let at = |text: &str| format!("{text}:00Z").parse::<Time>().unwrap().0;
        let windows: Vec<_> = made.windows.iter().map(|window| (window.opens_at, window.closes_at)).collect();
        let expected: Vec<_> = expected.iter().map(|(opens, closes)| (at(opens), at(closes))).collect();
        assert_eq!(windows, expected, "{zone} {from}..{to} {opens}-{closes}");
        assert!(made.windows.iter().zip(1..).all(|(window, id)| (window.id, window.stock) == (id, 10)));
    }
}

#[test]
fn each_refusal_of_a_daily_window_names_its_field() {
    let table = [
        (["Mars/Olympus", "2026-12-01", "2026-12-02", "10:00", "11:00"], "daily.time_zone"),
        (["UTC", "tomorrow", "2026-12-02", "10:00", "11:00"], "daily.from"),
        (["UTC", "2026-12-01", "2026-13-01", "10:00", "11:00"], "daily.to"),
        (["UTC", "2026-12-02", "2026-12-01", "10:00", "11:00"], "daily.to"),
        (["UTC", "2026-01-01", "2027-01-02", "10:00", "11:00"], "daily.to"),
        (["UTC", "2026-12-01", "2026-12-02", "25:00", "11:00"], "daily.opens"),
        (["UTC", "2026-12-01", "2026-12-02", "10:00", "eleven"], "daily.closes"),
    ];
    for ([zone, from, to, opens, closes], field) in table {
        let refused = define_daily(zone, from, to, opens, closes).expect_err(field);
        assert_eq!(refused.field, field, "{refused}");
    }
    assert_eq!(define_daily("UTC", "2028-01-01", "2028-12-31", "10:00", "11:00").unwrap().windows.len(), 366);
    let daily = json!({
        "from": "2026-12-01", "to": "2026-12-02", "opens": "10:00", "closes": "11:00", "time_zone": "UTC", "stock": 0,
    });
    let none = json!({"opens_at": null, "closes_at": null, "stock": null, "daily": daily});
    assert_eq!(define(&none).expect_err("no stock").field, "daily.stock");
}
