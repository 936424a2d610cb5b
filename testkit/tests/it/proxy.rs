//! The proxy breaks old connections and new ones, and mends.

use std::time::Duration;

use firstcome_testkit::{Proxy, Redis};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::hangs;

async fn ask(stream: &mut TcpStream, command: &str) -> std::io::Result<String> {
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut buffer = [0; 100];
    let count = stream.read(&mut buffer).await?;
    if count == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&buffer[..count]).trim_end().to_owned())
}

#[tokio::test]
async fn a_cut_ends_connections_and_refuses_new_ones_until_it_heals() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(&redis.addr()).await;
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut old, "PING").await.unwrap(), "+PONG");

    proxy.cut().await;
    ask(&mut old, "PING").await.unwrap_err();
    TcpStream::connect(proxy.addr()).await.unwrap_err();

    proxy.heal().await;
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut new, "PING").await.unwrap(), "+PONG");
    assert_eq!(proxy.asked(), 12, "what the server was asked, and not what it answered");
}

#[tokio::test]
async fn a_cut_that_heals_at_once_still_ends_connections() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(&redis.addr()).await;
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut old, "PING").await.unwrap(), "+PONG");
    proxy.cut().await;
    proxy.heal().await;
    timeout(Duration::from_secs(5), answer(&mut old)).await.expect("it ends").unwrap_err();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut new, "PING").await.unwrap(), "+PONG");
}

#[tokio::test]
async fn a_stall_holds_old_and_new_connections_and_loses_nothing() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(&redis.addr()).await;
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut old, "PING").await.unwrap(), "+PONG");

    proxy.stall();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    old.write_all(b"SET a 1\r\n").await.unwrap();
    assert!(hangs(answer(&mut old)).await);
    assert!(hangs(ask(&mut new, "PING")).await);
    assert_eq!(redis.command("GET a").await, "");

    proxy.heal().await;
    assert_eq!(answer(&mut old).await.unwrap(), "+OK");
    assert_eq!(answer(&mut new).await.unwrap(), "+PONG");
    assert_eq!(redis.command("GET a").await, "1");
}

#[tokio::test]
async fn with_answers_stalled_the_server_acts_and_nobody_learns() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(&redis.addr()).await;
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut client, "PING").await.unwrap(), "+PONG");

    proxy.stall_answers();
    client.write_all(b"SET a 1\r\n").await.unwrap();
    crate::until("the server acts", async || redis.command("GET a").await == "1").await;
    assert!(hangs(answer(&mut client)).await);

    proxy.cut().await;
    timeout(Duration::from_secs(5), answer(&mut client)).await.expect("it ends").unwrap_err();
}
