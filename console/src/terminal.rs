//! The terminal, taken and given back: on every way out, a panic included, it is left as it was found.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::task::{Context, Poll};

use crossterm::cursor::Show;
use crossterm::event::{DisableFocusChange, DisableMouseCapture, EnableFocusChange, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::backend::CrosstermBackend;

use crate::notify;

/// The console has the terminal. There is only one terminal, hence a global.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// What others had to say on standard error while the console had the terminal.
static LATER: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

thread_local! {
    /// This thread is running the console at the moment.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The terminal while the console has it. Dropping it gives the terminal back.
#[derive(Debug)]
pub(crate) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<io::Stdout>>,
}

impl Terminal {
    /// Takes the terminal: raw keys, the alternate screen, the mouse, and word of who has the keyboard.
    pub(crate) fn take() -> io::Result<Self> {
        HOOK.call_once(install_hook);
        TAKEN.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode()
            .and_then(|()| {
                execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, EnableFocusChange)
            })
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(io::stdout())));
        match taken {
            Ok(inner) => Ok(Self { inner }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.inner.size()?;
        Ok((size.width, size.height))
    }

    /// Draws one picture; only what differs from the last is written.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut ratatui::buffer::Buffer)) -> io::Result<()> {
        self.inner.draw(|frame| draw(frame.buffer_mut())).map(|_| ())
    }

    /// Makes the terminal tell whoever does not look at it.
    #[expect(clippy::unused_self, reason = "only whoever has the terminal may write to it")]
    pub(crate) fn notify(&mut self, message: &str) -> io::Result<()> {
        let inside_tmux = std::env::var_os("TMUX").is_some();
        let mut out = io::stdout();
        out.write_all(notify::sequences(message, inside_tmux).as_bytes())?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Leaves the terminal as it was found, if a console has it. [`run`](crate::run) does so by itself on every way out; this
/// is for whoever ends the whole process at once while a console runs in it, as on a second signal. Failures are not
/// reported: there is nowhere left to report to.
pub fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = execute!(io::stdout(), DisableFocusChange, DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    for text in LATER.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// A panic of the console gives the terminal back before it is reported. One elsewhere in the process would only spoil
/// the picture: it is kept for later.
fn install_hook() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if INSIDE.get() {
            give_back();
        }
        if TAKEN.load(Ordering::SeqCst) {
            tracing::error!("{panic}");
            LATER.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
        } else {
            report(panic);
        }
    }));
}

/// Runs a future so that a panic in it is known to be the console's own, on whichever thread it happens.
pub(crate) struct Inside<F>(Pin<Box<F>>);

impl<F: Future> Inside<F> {
    /// Wraps the future.
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        INSIDE.set(true);
        let _leave = Leave;
        self.0.as_mut().poll(context)
    }
}

/// The console leaves the thread, by a panic too.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}
