//! A service without keys trusts whoever reaches it, and a browser on the same machine reaches it for any web page.
//! The page gives itself away: by its `Origin`, or, when its name was pointed at loopback, by the `Host`.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderValue, Uri, header};

use super::Result;
use crate::wire::{Code, Problem};

/// Refuses what a web page from elsewhere would send. Absent headers pass: browsers send them.
pub(super) fn refuse(uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let hosts = headers.get_all(header::HOST).iter().all(|host| is_loopback(host.as_bytes()));
    let authority = uri.authority().is_none_or(|authority| is_loopback(authority.as_str().as_bytes()));
    // Another port of this machine is another origin: a page served from there may not press cancel either.
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let origins = headers.get_all(header::ORIGIN).iter().all(|origin| {
        let own =
            |origin: &[u8]| is_loopback(origin) && host.is_none_or(|host| host.eq_ignore_ascii_case(origin));
        let origin = origin.as_bytes().split_at_checked(7);
        origin.is_some_and(|(scheme, origin)| scheme.eq_ignore_ascii_case(b"http://") && own(origin))
    });
    if hosts && authority && origins {
        return Ok(());
    }
    let detail = "Without API keys this service answers to localhost alone: Host and Origin must be its own.";
    Err(Problem::new(Code::ForeignOrigin, detail).into())
}

/// `localhost`, `127.0.0.0/8` or `[::1]`, with or without a port.
fn is_loopback(authority: &[u8]) -> bool {
    let Ok(authority) = str::from_utf8(authority) else { return false };
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else { return false };
        return is_port(port) && host.parse::<Ipv6Addr>().is_ok_and(|host| host.is_loopback());
    }
    let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    let is_own = host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|host| host.is_loopback());
    is_own && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for own in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:65535", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(own.as_bytes()), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:8080",
            "localhost:x",
            "localhost:80@evil.example",
            "user@localhost",
            "128.0.0.1",
            "0.0.0.0",
            "127.1",
            "[::2]",
            "[::1",
            "[::1]x",
            "::1",
            "localhost/",
        ] {
            assert!(!is_loopback(foreign.as_bytes()), "{foreign}");
        }
    }
}
