//! The console at work: keys, servers and the clock feed messages into `update`, effects go out, `view` draws.

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind};
use firstcome_shared::clock::{Clock, SystemClock};
use futures::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::message::{Effect, Message};
use crate::source::{Api, Http, Poller};
use crate::state::State;
use crate::terminal::{Inside, Terminal};
use crate::update::update;
use crate::view::{Theme, draw};
use crate::{ConsoleArgs, ConsoleError, ThemeName, once};

/// Countdowns and ages move this often when nothing else happens.
const TICK: Duration = Duration::from_millis(250);

/// Runs the console until its user leaves; with `once`, prints one snapshot on standard output and returns.
/// SIGINT, SIGTERM and SIGHUP end it like its user does.
///
/// # Errors
/// When an address or the key cannot be used, when there is no terminal, or when the terminal fails. A server that is
/// away is no error: the console waits for it, and says so. With `once` it is one.
pub async fn run(args: ConsoleArgs) -> Result<(), ConsoleError> {
    run_until(args, std::future::pending()).await
}

/// Like [`run`], and ends as soon as `stop` does. The terminal is given back before this returns, whatever the way
/// out; also when the future is dropped.
pub async fn run_until(args: ConsoleArgs, stop: impl Future<Output = ()>) -> Result<(), ConsoleError> {
    let clock = SystemClock;
    let http = Arc::new(Http::new(&args.servers, args.api_key.as_deref(), args.prometheus.as_deref())?);
    if args.once {
        let mut out = io::stdout();
        let work = once::print(http.as_ref(), &args, clock.now(), &mut out);
        return tokio::select! {
            result = work => result,
            () = stop => Ok(()),
        };
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(ConsoleError::NoTerminal);
    }
    Inside::new(interact(args, http, &clock, stop)).await
}

async fn interact(
    args: ConsoleArgs,
    api: Arc<dyn Api>,
    clock: &dyn Clock,
    stop: impl Future<Output = ()>,
) -> Result<(), ConsoleError> {
    let mut state = State::new(&args.servers, args.operator, args.campaign.as_deref());
    let (sender, mut fetched) = mpsc::channel(64);
    state.owner = args.owner;
    state.theme = ThemeName::choose(args.theme, std::env::var_os("NO_COLOR").as_deref());
    state.notify = !args.no_notify;
    // Whoever starts it looks at it.
    state.touched_at = Some(clock.now());
    let poller = Poller::start(api, args.operator, sender);
    poller.follow(args.campaign);
    // Without a sender this one never changes.
    let (_silent, silence) = watch::channel(None);
    let mut banner = args.banner.unwrap_or(silence);
    state.banner.clone_from(&banner.borrow_and_update());

    let mut signals = Signals::listen()?;
    let mut terminal = Terminal::take()?;
    state.size = terminal.size()?;
    let mut keys = EventStream::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = pin!(stop);
    loop {
        terminal.draw(|buffer| draw(&state, &Theme::new(state.theme), clock.now(), buffer))?;
        let message = tokio::select! {
            () = &mut stop => break,
            () = signals.any() => break,
            event = keys.next() => match event {
                Some(event) => terminal_message(&event?),
                // The terminal is gone.
                None => break,
            },
            Some(message) = fetched.recv() => Some(message),
            Ok(()) = banner.changed() => Some(Message::Banner(banner.borrow_and_update().clone())),
            _ = tick.tick() => Some(Message::Tick),
        };
        let mut pending = message;
        while let Some(message) = pending.take() {
            for effect in update(&mut state, message, clock.now()) {
                match effect {
                    Effect::Quit => return Ok(()),
                    Effect::Follow(campaign) => poller.follow(campaign),
                    Effect::Audit(part) => poller.follow_audit(part),
                    Effect::Fetch(feed) => poller.fetch(feed),
                    Effect::Send(order) => poller.send(order),
                    Effect::Notify(text) => terminal.notify(&text)?,
                }
            }
            // Whatever else has come meanwhile goes into the same picture.
            pending = fetched.try_recv().ok();
        }
    }
    Ok(())
}

fn terminal_message(event: &Event) -> Option<Message> {
    match *event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Message::Key(key)),
        Event::Mouse(mouse) => Some(Message::Mouse(mouse)),
        Event::Resize(columns, rows) => Some(Message::Resized(columns, rows)),
        Event::FocusGained => Some(Message::Focus(true)),
        Event::FocusLost => Some(Message::Focus(false)),
        _ => None,
    }
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn any(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
