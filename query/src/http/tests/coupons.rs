//! Coupons in lists, alone, as CSV and summed up; and who sees their codes.

use axum::http::{StatusCode, header};
use firstcome_shared::auth::Role;
use firstcome_shared::domain::mask;
use firstcome_shared::wire::{Code, Coupon, CouponHistory, CouponStatus, Fingerprint, Page, Store, Time};

use super::{Rig, as_str, bytes, people};
use crate::testing::{OPENS, code};

async fn rig(count: usize) -> Rig {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 5_000).create("winter", 50);
    rig.history.ask("summer", &as_str(&people(1, count))).ask("winter", &["u-2", "a,\"b\"", "=1+1"]);
    rig.level().await;
    rig
}

async fn all(rig: &Rig, path: &str) -> Vec<Coupon> {
    let mut coupons = Vec::new();
    let mut after = String::new();
    loop {
        let page: Page<Coupon> = rig.ask(&format!("{path}{after}")).await;
        coupons.extend(page.items);
        let Some(next) = page.next else { return coupons };
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_in_both_orders() {
    let rig = rig(25).await;
    let seqs = |coupons: Vec<Coupon>| coupons.iter().map(|coupon| coupon.seq).collect::<Vec<_>>();
    let path = "/v1/history/campaigns/summer/coupons?limit=10";
    assert_eq!(seqs(all(&rig, path).await), (1..=25).collect::<Vec<_>>());
    assert_eq!(seqs(all(&rig, &format!("{path}&order=asc")).await), (1..=25).collect::<Vec<_>>());
    assert_eq!(seqs(all(&rig, &format!("{path}&order=desc")).await), (1..=25).rev().collect::<Vec<_>>());
    let usual: Page<Coupon> = rig.ask("/v1/history/campaigns/summer/coupons").await;
    assert_eq!((usual.items.len(), usual.next), (25, None));
}

#[tokio::test]
async fn a_persons_coupons_are_found_over_all_campaigns() {
    let rig = rig(25).await;
    let coupons = all(&rig, "/v1/history/users/u-2/coupons?limit=1").await;
    let found: Vec<_> = coupons.iter().map(|each| (each.campaign_id.as_str(), each.seq)).collect();
    assert_eq!(found, [("summer", 2), ("winter", 1)]);
    let odd: Page<Coupon> = rig.ask("/v1/history/users/a%2C%22b%22/coupons").await;
    assert_eq!((odd.items.len(), odd.items[0].user_id.as_str()), (1, "a,\"b\""));
    let nobody: Page<Coupon> = rig.ask("/v1/history/users/nobody/coupons").await;
    assert_eq!((nobody.items, nobody.next), (Vec::new(), None));
}

#[tokio::test]
async fn a_coupon_comes_with_its_history_and_readers_see_no_codes() {
    let rig = rig(3).await;
    let third = code("summer", 3);
    let path = format!("/v1/history/coupons/{third}");
    let found: CouponHistory = rig.ask_as(Role::Issuer, &path).await;
    let expected = Coupon {
        campaign_id: "summer".to_owned(),
        seq: 3,
        user_id: "u-3".to_owned(),
        code: third.clone(),
        issued_at: Time(OPENS),
        expires_at: Some(Time(OPENS.plus(60_000))),
        status: CouponStatus::Issued,
    };
    assert_eq!(found.coupon, expected);
    assert_eq!(found.history.len(), 1);
    assert_eq!((found.history[0].at, found.history[0].kind.as_str()), (Time(OPENS), "coupons_issued"));
    assert_eq!(found.history[0].position.to_string(), "0-3");
    let masked: CouponHistory = rig.ask_as(Role::Reader, &path).await;
    assert_eq!(masked.coupon, Coupon { code: mask(&third), ..expected });
    assert_ne!(masked.coupon.code, third);
    for path in [
        "/v1/history/campaigns/summer/coupons",
        "/v1/history/campaigns/summer/coupons.csv",
        "/v1/history/users/u-3/coupons",
        "/v1/history/campaigns/summer/fingerprint?rows=true",
    ] {
        for (role, sees) in [(Role::Reader, false), (Role::Issuer, true), (Role::Operator, true)] {
            let body = bytes(rig.get(role, path).await).await;
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert_eq!(text.contains(&third), sees, "{role} {path}: {text}");
            assert_eq!(text.contains(&mask(&third)), !sees, "{role} {path}: {text}");
        }
    }
    let unknown = rig.refused(Role::Reader, "GET", "/v1/history/coupons/ALMO-STRI-GHT0-0000").await;
    assert_eq!(unknown.code, Code::CouponNotFound);
    assert!(!unknown.detail.contains("ALMO"), "{}", unknown.detail);
}

#[tokio::test]
async fn csv_holds_every_row_and_nothing_that_a_spreadsheet_would_run() {
    const COUNT: usize = 2_000;
    let rig = rig(COUNT).await;
    let response = rig.get(Role::Operator, "/v1/history/campaigns/summer/coupons.csv").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    let disposition = &response.headers()[header::CONTENT_DISPOSITION];
    assert_eq!(disposition, "attachment; filename=\"summer-coupons.csv\"");
    let text = String::from_utf8(bytes(response).await.to_vec()).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines[0], "seq,user_id,code,issued_at,expires_at,status,window");
    assert_eq!(lines.len(), COUNT + 1);
    for (place, line) in lines[1..].iter().enumerate() {
        let seq = u64::try_from(place + 1).unwrap();
        let expected = format!(
            "{seq},u-{seq},{},{},{},issued,1",
            code("summer", seq),
            Time(OPENS),
            Time(OPENS.plus(60_000))
        );
        assert_eq!(*line, expected);
    }
    let winter = rig.get(Role::Operator, "/v1/history/campaigns/winter/coupons.csv").await;
    let winter = String::from_utf8(bytes(winter).await.to_vec()).unwrap();
    assert!(winter.contains("\r\n2,\"a,\"\"b\"\"\","), "{winter}");
    assert!(winter.contains("\r\n3,'=1+1,"), "{winter}");
}

#[tokio::test]
async fn the_fingerprint_is_of_the_rows() {
    let rig = rig(5).await;
    let path = "/v1/history/campaigns/summer/fingerprint";
    let whole: Fingerprint = rig.ask_as(Role::Operator, &format!("{path}?rows=true")).await;
    assert_eq!((whole.store, whole.campaign_id.as_str()), (Store::ReadModel, "summer"));
    assert_eq!((whole.count, whole.highest, whole.position.to_string().as_str()), (5, 5, "0-4"));
    assert_eq!(whole.rows.as_ref().map(Vec::len), Some(5));
    let part: Fingerprint = rig.ask(&format!("{path}?from=2&to=3")).await;
    assert_eq!((part.count, part.highest, part.rows), (2, 3, None));
    assert_ne!(part.checksum, whole.checksum);
    let early: Fingerprint = rig.ask(&format!("{path}?upto=0-2")).await;
    assert_eq!((early.count, early.highest), (0, 0));
    let masked: Fingerprint = rig.ask(&format!("{path}?rows=true")).await;
    assert_eq!(masked.checksum, whole.checksum, "the checksum is of the codes as they are");
}
