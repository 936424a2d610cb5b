//! A TCP proxy for a test to put between a client and its server, and to break.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::sleep,
};

use crate::port;

/// What the proxy lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Everything.
    Open,
    /// Nothing; what comes is kept.
    Stalled,
    /// What clients send; what the server answers is kept.
    Mute,
    /// Not even connections.
    Cut,
}

#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

impl Way {
    fn open(self, mode: Mode) -> bool {
        match self {
            Self::There => matches!(mode, Mode::Open | Mode::Mute),
            Self::Back => mode == Mode::Open,
        }
    }
}

/// A TCP proxy. It lives on the runtime that it was started on, and ends with this value.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Whether clients can connect: what `serve` has made of the mode.
    listening: watch::Receiver<bool>,
    asked: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy in front of `addr` (`host:port`), which need not be there yet.
    pub async fn to(addr: &str) -> Self {
        let port = port::free();
        let (mode, watched) = watch::channel(Mode::Open);
        let (told, listening) = watch::channel(true);
        let asked = Arc::default();
        let line = Line { server: addr.to_owned(), mode: watched, asked: Arc::clone(&asked) };
        tokio::spawn(serve(listen(port).await, port, line, told));
        Self { addr: (Ipv4Addr::LOCALHOST, port).into(), mode, listening, asked }
    }

    /// Bytes that clients have sent so far: who was not asked got none.
    pub fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// Where clients connect to: `127.0.0.1:port`.
    pub fn addr(&self) -> String {
        self.addr.to_string()
    }

    /// Drops all connections, with whatever is on its way in them, and refuses new ones. Returns when that is so.
    pub async fn cut(&self) {
        self.set(Mode::Cut);
        self.until_listening(false).await;
    }

    /// Passes nothing on, either way, on old connections and new ones. What is sent meanwhile is kept.
    pub fn stall(&self) {
        self.set(Mode::Stalled);
    }

    /// Passes on what clients send, but keeps every answer: the server acts, and nobody learns of it.
    pub fn stall_answers(&self) {
        self.set(Mode::Mute);
    }

    /// As at first. What a stall kept is passed on. Returns when clients can connect.
    pub async fn heal(&self) {
        self.set(Mode::Open);
        self.until_listening(true).await;
    }

    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    async fn until_listening(&self, wanted: bool) {
        let _ = self.listening.clone().wait_for(|listening| *listening == wanted).await;
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Line {
    server: String,
    mode: watch::Receiver<Mode>,
    asked: Arc<AtomicU64>,
}

/// Accepts clients, and does not listen while it is cut. Ends with the proxy.
async fn serve(first: TcpListener, port: u16, mut line: Line, listening: watch::Sender<bool>) {
    let mut listener = first;
    let mut watched = line.mode.clone();
    loop {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                cut = watched.wait_for(|mode| *mode == Mode::Cut) => match cut {
                    Ok(_) => break,
                    Err(_) => return,
                },
                Some(_) = connections.join_next() => {}
                client = listener.accept() => if let Ok((client, _)) = client {
                    connections.spawn(carry(client, line.clone()));
                },
            }
        }
        connections.shutdown().await;
        drop(listener);
        listening.send_replace(false);
        if line.mode.wait_for(|mode| *mode != Mode::Cut).await.is_err() {
            return;
        }
        listener = listen(port).await;
        listening.send_replace(true);
    }
}

/// One connection, until it ends.
async fn carry(client: TcpStream, mut line: Line) -> io::Result<()> {
    // A stalled network does not even connect.
    line.mode.wait_for(|mode| Way::There.open(*mode)).await.map_err(io::Error::other)?;
    let server = TcpStream::connect(line.server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answered = AtomicU64::new(0);
    tokio::try_join!(
        pass(from_client, to_server, line.mode.clone(), Way::There, &line.asked),
        pass(from_server, to_client, line.mode, Way::Back, &answered)
    )?;
    Ok(())
}

/// Passes bytes on, one way, as long as the mode allows.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    way: Way,
    passed: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        mode.wait_for(|mode| way.open(*mode)).await.map_err(io::Error::other)?;
        if count == 0 {
            return to.shutdown().await;
        }
        passed.fetch_add(count as u64, Relaxed);
        to.write_all(&buffer[..count]).await?;
    }
}

async fn listen(port: u16) -> TcpListener {
    // The old listener may be on its way out.
    for _ in 0..100 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return listener;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("port {port} does not become free");
}
