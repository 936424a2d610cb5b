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

#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    /// How often it was cut: a connection that is older than the last time ends, also when all is well again since.
    cuts: u32,
}

#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

impl Way {
    fn open(self, state: State) -> bool {
        match self {
            Self::There => matches!(state.mode, Mode::Open | Mode::Mute),
            Self::Back => state.mode == Mode::Open,
        }
    }
}

/// A TCP proxy. It lives on the runtime that it was started on, and ends with this value.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    state: watch::Sender<State>,
    asked: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy in front of `addr` (`host:port`), which need not be there yet.
    pub async fn to(addr: &str) -> Self {
        let port = port::free();
        let listener = listen(port).await;
        let state = watch::Sender::new(State { mode: Mode::Open, cuts: 0 });
        let asked = Arc::default();
        tokio::spawn(serve(listener, port, addr.to_owned(), state.subscribe(), Arc::clone(&asked)));
        Self { addr: (Ipv4Addr::LOCALHOST, port).into(), state, asked }
    }

    /// Bytes that clients have sent so far: who was not asked got none.
    pub fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// Where clients connect to: `127.0.0.1:port`.
    pub fn addr(&self) -> String {
        self.addr.to_string()
    }

    /// Drops all connections, with whatever is on its way in them, and refuses new ones.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { mode: Mode::Cut, cuts: state.cuts + 1 });
    }

    /// Passes nothing on, either way, on old connections and new ones. What is sent meanwhile is kept.
    pub fn stall(&self) {
        self.set(Mode::Stalled);
    }

    /// Passes on what clients send, but keeps every answer: the server acts, and nobody learns of it.
    pub fn stall_answers(&self) {
        self.set(Mode::Mute);
    }

    /// As at first. What a stall kept is passed on.
    pub fn heal(&self) {
        self.set(Mode::Open);
    }

    fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }
}

/// Accepts clients, and does not listen while it is cut. Ends with the proxy.
async fn serve(
    first: TcpListener,
    port: u16,
    server: String,
    mut state: watch::Receiver<State>,
    asked: Arc<AtomicU64>,
) {
    let mut listener = first;
    loop {
        let cuts = state.borrow().cuts;
        let mut watched = state.clone();
        loop {
            tokio::select! {
                biased;
                changed = watched.wait_for(|state| state.cuts != cuts) => match changed {
                    Ok(_) => break,
                    Err(_) => return,
                },
                client = listener.accept() => if let Ok((client, _)) = client {
                    tokio::spawn(carry(client, server.clone(), state.clone(), cuts, Arc::clone(&asked)));
                },
            }
        }
        drop(listener);
        if state.wait_for(|state| state.mode != Mode::Cut).await.is_err() {
            return;
        }
        listener = listen(port).await;
    }
}

/// One connection, until it ends or is cut.
async fn carry(
    client: TcpStream,
    server: String,
    mut state: watch::Receiver<State>,
    cuts: u32,
    asked: Arc<AtomicU64>,
) {
    let mut watched = state.clone();
    let through = async {
        // A stalled network does not even connect.
        state.wait_for(|state| Way::There.open(*state)).await.map_err(io::Error::other)?;
        let server = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let answered = AtomicU64::new(0);
        tokio::try_join!(
            pass(from_client, to_server, state.clone(), Way::There, &asked),
            pass(from_server, to_client, state, Way::Back, &answered)
        )
    };
    tokio::select! {
        biased;
        _ = watched.wait_for(|state| state.cuts != cuts) => {}
        _ = through => {}
    }
}

/// Passes bytes on, one way, as long as the mode allows.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    way: Way,
    passed: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        state.wait_for(|state| way.open(*state)).await.map_err(io::Error::other)?;
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
