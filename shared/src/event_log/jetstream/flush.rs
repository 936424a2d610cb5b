//! How often a server flushes what it stores to disk, and what time it is there. JetStream's API does not tell a client,
//! and the server's default is to flush every two minutes: until then a power cut takes back what was acknowledged. Only
//! its monitoring port tells.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::event_log::LogUnavailable;
use crate::wire::Time;

const DEADLINE: Duration = Duration::from_secs(2);

/// When a server flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Before every acknowledgement: `sync_interval: always`. What the log's promises need.
    Always,
    /// In the background, once in such a while.
    Every(Duration),
}

/// What a server's monitoring tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitored {
    /// When it flushes.
    pub flush: Flush,
    /// Its clock.
    pub now: Time,
}

/// Asks the server behind `monitoring`, a `http://host:port` or `host:port`. Each server of a cluster has its own
/// settings.
pub async fn monitored(monitoring: &str) -> Result<Monitored, LogUnavailable> {
    let addr = monitoring.trim_start_matches("http://").trim_end_matches('/');
    let away = |reason: String| LogUnavailable::new(format!("NATS monitoring at {addr}: {reason}"));
    let answer = timeout(DEADLINE, ask(addr)).await.map_err(|_| away("no answer in time".to_owned()))?;
    let answer = answer.map_err(|error| away(error.to_string()))?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(|| away("not HTTP".to_owned()))?;
    read(body).map_err(away)
}

async fn ask(addr: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(addr).await?;
    // The old version of the protocol: the answer comes in one piece and ends with the connection.
    connection.write_all(format!("GET /varz HTTP/1.0\r\nHost: {addr}\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn read(body: &str) -> Result<Monitored, String> {
    #[derive(Deserialize)]
    struct Varz {
        now: Time,
        #[serde(default)]
        jetstream: JetStream,
    }
    #[derive(Default, Deserialize)]
    struct JetStream {
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        sync_always: bool,
        #[serde(default)]
        sync_interval: u64,
    }
    let varz: Varz = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let config = varz.jetstream.config.ok_or("JetStream is off")?;
    let flush = if config.sync_always {
        Flush::Always
    } else {
        Flush::Every(Duration::from_nanos(config.sync_interval))
    };
    Ok(Monitored { flush, now: varz.now })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_server_that_flushes_always_from_one_that_does_not() {
        let now = "2026-11-20T10:00:00.123456789Z";
        let varz = |jetstream: &str| read(&format!(r#"{{"now":"{now}","jetstream":{{{jetstream}}}}}"#));
        let config = |config: &str| varz(&format!(r#""config":{{"max_memory":1,{config}}}"#));
        let told = |flush| Ok(Monitored { flush, now: now.parse().unwrap() });
        assert_eq!(config(r#""sync_interval":120000000000,"sync_always":true"#), told(Flush::Always));
        let two_minutes = Flush::Every(Duration::from_mins(2));
        assert_eq!(config(r#""sync_interval":120000000000"#), told(two_minutes));
        assert!(varz("").is_err());
    }
}
