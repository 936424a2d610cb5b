//! Whom the load goes to: the servers that the user named, and the key that is sent along. Nothing else is ever
//! contacted.

use std::fmt;

use hyper::Uri;
use hyper::header::HeaderValue;

use crate::error::BenchError;

/// The servers under load and how to show who asks. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    servers: Vec<Server>,
    bearer: Option<HeaderValue>,
}

/// One server: where to connect, and the name that its requests carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// `host:port`.
    pub(crate) address: String,
    /// The `Host` header.
    pub(crate) host: HeaderValue,
}

impl Target {
    /// Servers as URLs (`http://127.0.0.1:8080`), each an instance of the same system, and the API key if there is one.
    ///
    /// Fails when there is no server, when one is not plain HTTP (TLS ends at a proxy; behind it the bench would measure
    /// the proxy) or has a path, and when the key cannot stand in a header.
    pub fn new<S: AsRef<str>>(servers: &[S], api_key: Option<&str>) -> Result<Self, BenchError> {
        let servers: Vec<Server> =
            servers.iter().map(|server| Server::parse(server.as_ref())).collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(BenchError::Usage("no server given".to_owned()));
        }
        let bearer = api_key
            .filter(|key| !key.is_empty())
            .map(|key| {
                let mut value =
                    HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| BenchError::BadKey)?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        Ok(Self { servers, bearer })
    }

    /// How many servers there are.
    pub(crate) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The server for the `turn`-th connection.
    pub(crate) fn server(&self, turn: usize) -> &Server {
        &self.servers[turn % self.servers.len()]
    }

    /// Those of the servers for which `keep` says so; `None` if there are none.
    pub(crate) fn only(&self, keep: &[bool]) -> Option<Self> {
        let kept = self.servers.iter().zip(keep).filter(|(_, keep)| **keep).map(|(server, _)| server.clone());
        let servers: Vec<_> = kept.collect();
        (!servers.is_empty()).then(|| Self { servers, bearer: self.bearer.clone() })
    }

    pub(crate) fn bearer(&self) -> Option<&HeaderValue> {
        self.bearer.as_ref()
    }
}

impl Server {
    fn parse(server: &str) -> Result<Self, BenchError> {
        let bad = |why| BenchError::BadServer { server: server.to_owned(), why };
        let uri: Uri = server.trim().parse().map_err(|_| bad("it is not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(bad("it must begin with http:// (TLS ends at your proxy)"));
        }
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it carries a user name: use the API key instead"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it must not have a path"));
        }
        let host =
            HeaderValue::from_str(authority.as_str()).map_err(|_| bad("its host is not plain ASCII"))?;
        Ok(Self { address: format!("{}:{}", authority.host(), uri.port_u16().unwrap_or(80)), host })
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<&str> = self.servers.iter().map(|server| server.address.as_str()).collect();
        f.debug_struct("Target")
            .field("servers", &addresses)
            .field("has_key", &self.bearer.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_http_addresses_and_nothing_else() {
        let target =
            Target::new(&["http://127.0.0.1:8080/", "http://[::1]:81", "http://shop"], None).unwrap();
        let addresses: Vec<_> = target.servers.iter().map(|server| server.address.as_str()).collect();
        assert_eq!(addresses, ["127.0.0.1:8080", "[::1]:81", "shop:80"]);
        assert_eq!(target.server(4).address, "[::1]:81", "connections are spread in turn");
        for bad in ["127.0.0.1:8080", "https://shop", "http://shop/v1", "http://u:p@shop", "", "http://a b"] {
            assert!(Target::new(&[bad], None).is_err(), "{bad}");
        }
        assert!(Target::new::<&str>(&[], None).is_err());
    }

    #[test]
    fn never_shows_the_key() {
        let target = Target::new(&["http://shop"], Some("top-secret")).unwrap();
        assert!(!format!("{target:?}").contains("top-secret"));
        assert!(!format!("{:?}", target.bearer()).contains("top-secret"));
        assert!(matches!(Target::new(&["http://shop"], Some("line\nbreak")), Err(BenchError::BadKey)));
    }
}
