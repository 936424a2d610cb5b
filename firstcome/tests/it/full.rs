//! A full disk: nobody is told what is not stored, and says so; with room again it goes on by itself.

use crate::rig::{
    Folder, Launch, Told, ask_all, assert_exact, assert_level, coupons, crowd, eventually, people,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_loses_nothing_and_room_mends_it() {
    let folder = Folder::new();
    let server = Launch::on(&folder).limited().start().await;
    let api = &server.api;
    api.create("summer", 5_000).await;
    let mut told = ask_all(api, "summer", &people("before", 200)).await;
    assert_level(api, "summer").await;

    // No file can grow any more; what they have allotted may still be used.
    let largest = folder.contents().iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    server.limit_files(Some(u64::try_from(largest).unwrap()));
    let unavailable = Told::Again("unavailable".to_owned());
    let mut turn = 0;
    eventually("nothing fits any more", async || {
        turn += 1;
        let answers = crowd(api, "summer", &people(&format!("full-{turn}"), 64), 64).await;
        let refused = answers.iter().all(|answer| *answer == unavailable);
        assert!(answers.iter().all(|answer| answer.is_issued() || *answer == unavailable), "{answers:?}");
        told.extend(answers.into_iter().filter(Told::is_clear));
        refused.then_some(())
    })
    .await;
    eventually("it says why", async || server.stderr().contains("disk I/O error").then_some(())).await;

    server.limit_files(None);
    let more = ask_all(api, "summer", &people("after", 100)).await;
    assert_eq!(coupons(&more).len(), 100, "it goes on by itself");
    // Who was told nothing asks again: decided or not, each holds exactly one.
    for turn in 1..=turn {
        told.extend(ask_all(api, "summer", &people(&format!("full-{turn}"), 64)).await);
    }
    told.extend(more);
    let sold = coupons(&told);
    assert_exact(&server, "summer", 300 + 64 * turn, &sold).await;
    let server = server.killed_and_started_again().await;
    assert_exact(&server, "summer", 300 + 64 * turn, &sold).await;
}
