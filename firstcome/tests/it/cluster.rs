//! The same promises over real engines: two instances of each side on Redis, NATS JetStream, PostgreSQL and MongoDB, any
//! of which is killed, stopped, cut off or robbed of its memory in the middle of a rush.

mod away;
mod console;
mod faults;
mod forgot;
mod poison;
mod rush;
pub mod stack;
mod zombie;

use crate::journey::journey;
use stack::Stack;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journey_over_the_full_stack_with_two_instances_of_each_side() {
    journey(&Stack::start().await).await;
}
