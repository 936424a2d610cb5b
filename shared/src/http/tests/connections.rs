//! What can only be seen on a real connection: bodies that lie about their length, and the shutdown.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use tokio::net::TcpSocket;
use tokio::task::{JoinHandle, spawn_blocking};

use super::*;
use crate::http::bind;
use crate::http::serve::serve_draining;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    plumbing: Plumbing,
    addr: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

async fn start(drain: Duration) -> Server {
    let plumbing = Plumbing::default();
    let (shutdown, router) = (plumbing.shutdown.clone(), plumbing.router(ApiKeys::none()));
    let listener = bind("127.0.0.1:0", &ApiKeys::none()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let served = tokio::spawn(serve_draining(listener, router, shutdown.clone(), drain));
    Server { plumbing, addr, shutdown, served }
}

/// With a small buffer, so that a client notices when nobody reads what it sends.
async fn connect(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    let connection = socket.connect(addr).await.unwrap().into_std().unwrap();
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Sends it all, then reads until the server closes.
async fn exchange(addr: SocketAddr, sent: Vec<u8>) -> String {
    let mut connection = connect(addr).await;
    spawn_blocking(move || {
        connection.write_all(&sent).unwrap();
        let mut received = Vec::new();
        connection.read_to_end(&mut received).unwrap();
        String::from_utf8(received).unwrap()
    })
    .await
    .unwrap()
}

fn head(method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_large_body_is_heard_out_and_refused() {
    let server = start(PATIENCE).await;
    let body = format!("{{\"name\":\"{}\"}}", "n".repeat(1_500_000));
    let sized = head("POST", "/v1/things", &format!("content-length: {}\r\n", body.len())) + &body;
    let mut chunked = head("POST", "/v1/things", "transfer-encoding: chunked\r\n").into_bytes();
    for piece in body.as_bytes().chunks(10_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for sent in [sized.into_bytes(), chunked] {
        let answer = exchange(server.addr, sent).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"body_too_large\""), "{answer}");
    }
}

#[tokio::test]
async fn a_small_body_in_chunks_is_taken() {
    let server = start(PATIENCE).await;
    let sent = head("POST", "/v1/things", "transfer-encoding: chunked\r\n")
        + "8\r\n{\"name\":\r\n4\r\n\"a\"}\r\n0\r\n\r\n";
    let answer = exchange(server.addr, sent.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[tokio::test]
async fn a_length_that_lies_harms_nobody() {
    let server = start(PATIENCE).await;
    // Less than announced, and then silence: the deadline ends it.
    let sent = head("POST", "/v1/things", "content-length: 1000\r\n") + "{\"name\":";
    let answer = exchange(server.addr, sent.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"unavailable\""), "{answer}");
    // More than announced: the rest is not part of the request.
    let sent = head("POST", "/v1/things", "content-length: 12\r\n") + "{\"name\":\"a\"}{\"name\":\"b\"}";
    let answer = exchange(server.addr, sent.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201 ") && !answer.contains("\"b\""), "{answer}");
    // The server is well.
    let answer = exchange(server.addr, head("GET", "/healthz", "").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_panic_does_not_drop_the_connection() {
    let server = start(PATIENCE).await;
    let two = format!("GET /v1/panics HTTP/1.1\r\nhost: localhost\r\n\r\n{}", head("GET", "/healthz", ""));
    let answer = exchange(server.addr, two.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("HTTP/1.1 200 OK"), "{answer}");
}

/// Sends a request and reads until the text has come; the connection stays open.
async fn ask_until(addr: SocketAddr, sent: String, text: &'static str) -> (TcpStream, String) {
    let mut connection = connect(addr).await;
    connection.write_all(sent.as_bytes()).unwrap();
    spawn_blocking(move || {
        let mut received = String::new();
        let mut piece = [0; 4096];
        while !received.contains(text) {
            let read = connection.read(&mut piece).unwrap();
            assert_ne!(read, 0, "closed before {text}: {received}");
            received.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        (connection, received)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn streams_and_idle_connections_do_not_hold_a_shutdown_up() {
    let server = start(PATIENCE).await;
    let idle = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned();
    let (idle, _) = ask_until(server.addr, idle, "ok").await;
    let (stream, received) = ask_until(server.addr, head("GET", "/v1/events", ""), "data: first\n").await;
    assert!(
        received.contains("text/event-stream") && received.contains("x-accel-buffering: no"),
        "{received}"
    );

    let began = Instant::now();
    server.shutdown.cancel();
    server.served.await.unwrap().unwrap();
    assert!(began.elapsed() < PATIENCE / 2);
    for mut connection in [idle, stream] {
        let mut rest = String::new();
        connection.read_to_string(&mut rest).unwrap();
        assert!(rest.is_empty() || rest.ends_with("0\r\n\r\n"), "ended in order: {rest}");
    }
    assert!(TcpStream::connect(server.addr).is_err(), "no longer accepts");
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_end() {
    let server = start(PATIENCE).await;
    let in_flight = tokio::spawn(exchange(server.addr, head("GET", "/v1/hangs", "").into_bytes()));
    tokio::time::timeout(PATIENCE, server.plumbing.hanging.notified()).await.unwrap();
    server.shutdown.cancel();
    server.served.await.unwrap().unwrap();
    let answer = in_flight.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let server = start(Duration::from_millis(50)).await;
    let (endless, _) = ask_until(server.addr, head("GET", "/v1/downloads", ""), "first").await;
    server.shutdown.cancel();
    tokio::time::timeout(PATIENCE, server.served).await.unwrap().unwrap().unwrap();
    drop(endless);
}
