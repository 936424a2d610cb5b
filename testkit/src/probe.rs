//! Whether a server answers: a few bytes of each one's own protocol.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// What a server that is ready answers.
#[derive(Clone, Copy)]
pub(crate) enum Probe {
    /// `PING` with `PONG`, so not while it loads.
    Redis,
    /// Clients with `INFO`, and its health with 200 on another port.
    Nats { monitor: u16, health: &'static str },
    /// A start-up message with "authenticated", so not while it recovers.
    Postgres,
    /// It listens.
    Listens,
}

impl Probe {
    /// Whether the server on `port` is ready.
    pub(crate) fn answers(self, port: u16) -> bool {
        match self {
            Self::Redis => redis(port, "PING").is_ok_and(|answer| answer == "PONG"),
            Self::Nats { monitor, health } => {
                nats(port).is_ok_and(|ready| ready) && http(monitor, health).is_ok()
            }
            Self::Postgres => postgres(port).is_ok_and(|ready| ready),
            Self::Listens => connect(port).is_ok(),
        }
    }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let patience = Duration::from_secs(2);
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What Redis answers to one command, words parted by blanks. An array: a line for each element.
pub(crate) fn redis(port: u16, command: &str) -> io::Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    redis_reply(&mut BufReader::new(stream))
}

fn redis_reply(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::UnexpectedEof)?;
    let length = || rest.parse::<i64>().map_err(io::Error::other);
    match kind {
        "-" => Err(io::Error::other(rest.to_owned())),
        "$" => {
            let Ok(length) = usize::try_from(length()?) else { return Ok(String::new()) };
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(length);
            String::from_utf8(bytes).map_err(io::Error::other)
        }
        "*" => {
            let elements: io::Result<Vec<String>> = (0..length()?).map(|_| redis_reply(stream)).collect();
            Ok(elements?.join("\n"))
        }
        _ => Ok(rest.to_owned()),
    }
}

fn nats(port: u16) -> io::Result<bool> {
    let mut line = String::new();
    BufReader::new(connect(port)?).read_line(&mut line)?;
    Ok(line.starts_with("INFO "))
}

/// The body of a 200.
pub(crate) fn http(port: u16, path: &str) -> io::Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    if head.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(io::Error::other(body)) }
}

fn postgres(port: u16) -> io::Result<bool> {
    // Version 3.0, then names and values, each ended by a zero, and one more.
    let body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    let mut stream = connect(port)?;
    stream.write_all(&[&length.to_be_bytes(), body.as_slice()].concat())?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok(kind == *b"R")
}
