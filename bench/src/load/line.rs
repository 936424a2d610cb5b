//! One HTTP/1.1 keep-alive connection. Request and connection are polled by the same task: no channel hop and no second
//! wake-up for each answer, so that the load generator takes as little as it can from the two cores it shares.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::target::Target;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// No answer of the issue API is nearly as large.
const LARGEST_BODY: usize = 1 << 20;

/// A status and a body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// No answer: whether the request was carried out is unknown (but for the first).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// No connection; nothing was sent.
    NotConnected,
    /// The connection broke before the whole answer was there.
    Broken,
    /// The answer did not come in time.
    TimedOut,
}

/// A connection that opens when it is needed, and again when it broke, on the next server in turn.
pub(crate) struct Line {
    target: Target,
    turn: usize,
    patience: Duration,
    link: Option<Link>,
}

type Driver = Connection<TokioIo<TcpStream>, Full<Bytes>>;

struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: Option<Pin<Box<Driver>>>,
    host: HeaderValue,
}

impl Line {
    /// A line whose first server is the `turn`-th; an answer may take `patience`.
    pub(crate) fn new(target: &Target, turn: usize, patience: Duration) -> Self {
        Self { target: target.clone(), turn, patience, link: None }
    }

    /// Opens the connection if there is none.
    pub(crate) async fn connect(&mut self) -> Result<(), Cut> {
        if self.link.as_ref().is_some_and(Link::is_open) {
            return Ok(());
        }
        let opened = tokio::time::timeout(CONNECT, Link::open(&self.target, self.turn)).await;
        self.link = opened.ok().flatten();
        if self.link.is_none() {
            self.turn += 1;
            return Err(Cut::NotConnected);
        }
        Ok(())
    }

    /// Sends one request and waits for the whole answer. `path` is in origin form.
    pub(crate) async fn ask(
        &mut self,
        method: &Method,
        path: &Uri,
        body: Option<Bytes>,
    ) -> Result<Reply, Cut> {
        // A server may close an idle connection at any time. When that shows before anything was sent, a fresh
        // connection is tried at once: nobody was cut off.
        for fresh in [false, true] {
            self.connect().await?;
            let Some(link) = self.link.as_mut() else { return Err(Cut::NotConnected) };
            let request = request(&self.target, &link.host, method, path, body.clone());
            match tokio::time::timeout(self.patience, link.exchange(request)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(Lost::Unsent)) if !fresh => self.link = None,
                Ok(Err(_)) => {
                    self.link = None;
                    self.turn += 1;
                    return Err(Cut::Broken);
                }
                Err(_) => {
                    self.link = None;
                    self.turn += 1;
                    return Err(Cut::TimedOut);
                }
            }
        }
        Err(Cut::Broken)
    }
}

fn request(
    target: &Target,
    host: &HeaderValue,
    method: &Method,
    path: &Uri,
    body: Option<Bytes>,
) -> Request<Full<Bytes>> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::HOST, host.clone());
    if let Some(bearer) = target.bearer() {
        headers.insert(header::AUTHORIZATION, bearer.clone());
    }
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut request = Request::new(Full::new(body.unwrap_or_default()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.clone();
    *request.headers_mut() = headers;
    request
}

enum Lost {
    Unsent,
    Midway,
}

impl Link {
    async fn open(target: &Target, turn: usize) -> Option<Self> {
        let server = target.server(turn);
        let stream = TcpStream::connect(&server.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        // A request is so short that copying its body behind its head costs less than a second buffer in the system call.
        let (sender, driver) =
            http1::Builder::new().writev(false).handshake(TokioIo::new(stream)).await.ok()?;
        Some(Self { sender, driver: Some(Box::pin(driver)), host: server.host.clone() })
    }

    fn is_open(&self) -> bool {
        self.driver.is_some() && !self.sender.is_closed()
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, Lost> {
        let Self { sender, driver, .. } = self;
        let mut work = pin!(async move {
            sender.ready().await.map_err(|_| Lost::Unsent)?;
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| if error.is_canceled() { Lost::Unsent } else { Lost::Midway })?;
            let status = response.status().as_u16();
            let body =
                Limited::new(response.into_body(), LARGEST_BODY).collect().await.map_err(|_| Lost::Midway)?;
            Ok(Reply { status, body: body.to_bytes() })
        });
        poll_fn(|cx| {
            // The request is handed to the connection first, which then writes and reads; what it read completes the
            // work in the same turn.
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
                *driver = None;
            }
            work.as_mut().poll(cx)
        })
        .await
    }
}
