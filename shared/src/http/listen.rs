//! Opening the port, and refusing to open it to others when nobody could be told apart.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::auth::ApiKeys;
use crate::config;

/// Connections that may wait to be accepted: a rush opens many in one moment, and a full queue costs them a second.
const BACKLOG: u32 = 4096;

/// The port is not opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Anybody on the network would be operator.
    #[error(
        "{addr} can be reached from other machines, and there are no API keys: set {keys} (see `firstcome key new`) \
         or listen on 127.0.0.1",
        keys = config::API_KEYS
    )]
    NoKeys {
        /// The address that was refused.
        addr: SocketAddr,
    },
    /// The text is not an address, or its name is not known.
    #[error("cannot listen on {addr}: expected host:port such as 127.0.0.1:8080 ({cause})")]
    NotAnAddress {
        /// What was asked for.
        addr: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The port is taken, or not ours to open.
    #[error("cannot listen on {addr}: {cause}")]
    Refused {
        /// What was asked for.
        addr: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

/// Listens on `addr`, `host:port`; port 0 picks a free one (see [`TcpListener::local_addr`]). Without keys only on
/// loopback.
///
/// # Errors
/// One sentence that says what to do.
pub async fn bind(addr: &str, keys: &ApiKeys) -> Result<TcpListener, BindError> {
    let not_an_address = |cause| BindError::NotAnAddress { addr: addr.to_owned(), cause };
    let mut found = lookup_host(addr).await.map_err(not_an_address)?;
    let addr = found.next().ok_or_else(|| not_an_address(io::Error::from(io::ErrorKind::NotFound)))?;
    if keys.is_empty() && !addr.ip().is_loopback() {
        return Err(BindError::NoKeys { addr });
    }
    if keys.is_empty() {
        tracing::info!("no API keys: listening on loopback only, and every caller is operator `local`");
    }
    listen(addr).map_err(|cause| BindError::Refused { addr, cause })
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Or a restart within a minute finds its own port taken by connections that are long closed.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_keys_only_loopback() {
        let none = ApiKeys::none();
        for own in ["127.0.0.1:0", "localhost:0"] {
            assert!(bind(own, &none).await.unwrap().local_addr().unwrap().ip().is_loopback());
        }
        let error = bind("0.0.0.0:0", &none).await.unwrap_err();
        assert!(matches!(error, BindError::NoKeys { .. }), "{error}");
        assert!(error.to_string().contains("FIRSTCOME_API_KEYS"), "{error}");
        let keys = ApiKeys::generate("ops", crate::auth::Role::Operator).unwrap().entry.parse().unwrap();
        assert!(bind("0.0.0.0:0", &keys).await.is_ok());
    }

    #[tokio::test]
    async fn says_what_is_wrong() {
        let none = ApiKeys::none();
        let taken = bind("127.0.0.1:0", &none).await.unwrap();
        let error = bind(&taken.local_addr().unwrap().to_string(), &none).await.unwrap_err();
        assert!(matches!(error, BindError::Refused { .. }), "{error}");
        let error = bind("127.0.0.1", &none).await.unwrap_err();
        assert!(error.to_string().contains("expected host:port"), "{error}");
    }
}
