//! Ports that are free, and stay so while a server is down.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

const FIRST: u16 = 11_000;
const COUNT: u32 = 10_000;

/// A port of 127.0.0.1 that nobody listens on, nor on the one 10,000 above, where Redis Cluster talks.
///
/// All are below those that the kernel gives to outgoing connections: one of the thousand of a rush would else sit on
/// the port of a server that is just being restarted.
pub(crate) fn free() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Test processes that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(197);
    for _ in 0..COUNT {
        let offset = begin.wrapping_add(TAKEN.fetch_add(1, Relaxed)) % COUNT;
        let port = FIRST + u16::try_from(offset).expect("it is below 10,000");
        let listens = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if listens(port) && listens(port + 10_000) {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}
