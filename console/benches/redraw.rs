//! How long a picture takes at 200×60 with a thousand campaigns: it must stay below 2 ms.
#![allow(missing_docs, reason = "made by criterion's macros")]

use std::cell::RefCell;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use firstcome_console::measure::Picture;

fn redraw(criterion: &mut Criterion) {
    let picture = RefCell::new(Picture::new(200, 60, 1_000));
    // Each with the banner of a hundred alerts above.
    for (screen, seen) in
        [("campaigns", "campaign-0080"), ("pipeline", "read model"), ("alerts", "PAGE  campaign-0000")]
    {
        picture.borrow_mut().turn_to(screen);
        picture.borrow_mut().redraw();
        let text = picture.borrow().text();
        assert!(text.contains(seen), "{seen} is not in\n{text}");
        criterion.bench_function(&format!("redraw {screen} a quarter of a second later"), |bencher| {
            bencher.iter_batched(
                || picture.borrow_mut().tick(),
                |()| picture.borrow_mut().redraw(),
                BatchSize::PerIteration,
            );
        });
        criterion.bench_function(&format!("redraw {screen} after everything changed"), |bencher| {
            bencher.iter_batched(
                || picture.borrow_mut().fetched(),
                |()| picture.borrow_mut().redraw(),
                BatchSize::PerIteration,
            );
        });
    }
    criterion.bench_function("take in a thousand campaigns that changed", |bencher| {
        bencher.iter(|| picture.borrow_mut().fetched());
    });
    criterion.bench_function("take in a tick", |bencher| bencher.iter(|| picture.borrow_mut().tick()));
}

criterion_group!(benches, redraw);
criterion_main!(benches);
