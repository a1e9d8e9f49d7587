//! The terminal of whoever looks: keys one by one, and a screen of its own meanwhile.
//!
//! However this ends, the terminal is as it was: dropped, at a signal, and when something panics.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::keys::{self, Key};
use crate::output::raw;

/// Another screen; back, with everything as usual.
const ENTER: &str = "\x1b[?1049h\x1b[2J\x1b[H";
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";

/// Whether somebody sits there who can look and press keys.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// How long the keyboard is waited for at a time, and so how long leaving may take.
const LISTEN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Reads keys until there are none to come, or nobody wants any more.
fn listen(to: &UnboundedSender<Vec<Key>>, leaving: &AtomicBool) {
    let stdin = io::stdin();
    let mut bytes = [0; 256];
    while !leaving.load(Ordering::SeqCst) {
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LISTEN)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) => return,
            Ok(read) => {
                let keys = keys::read(bytes.get(..read).unwrap_or_default());
                if to.send(keys).is_err() {
                    return;
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// What comes from it.
#[derive(Debug)]
pub(crate) enum Pressed {
    Keys(Vec<Key>),
    /// The window has another size.
    Resized,
    /// The terminal is gone, or the process is told to end.
    Gone,
}

/// See the module.
pub(crate) struct Tty {
    keyboard: UnboundedReceiver<Vec<Key>>,
    listener: Option<JoinHandle<()>>,
    leaving: Arc<AtomicBool>,
    before: Termios,
    /// Whether there is anything to be put back.
    away: Arc<AtomicBool>,
    resized: Signal,
    ends: [Signal; 3],
}

fn back(before: &Termios, away: &AtomicBool) {
    if away.swap(false, Ordering::SeqCst) {
        // There is nobody to tell when the terminal is gone.
        drop(raw(LEAVE.as_bytes()));
        let _gone = tcsetattr(io::stdin(), OptionalActions::Flush, before);
    }
}

impl Tty {
    /// Takes the terminal.
    pub(crate) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let away = Arc::new(AtomicBool::new(true));
        let resized = signal(SignalKind::window_change())?;
        let ends = [signal(SignalKind::terminate())?, signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?];
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new({
            let (before, away) = (before.clone(), Arc::clone(&away));
            move |panic| {
                back(&before, &away);
                told(panic);
            }
        }));
        let (send, keyboard) = unbounded_channel();
        let leaving = Arc::new(AtomicBool::new(false));
        let mut tty = Self { keyboard, listener: None, leaving: Arc::clone(&leaving), before, away, resized, ends };
        let mut keys = tty.before.clone();
        keys.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &keys)?;
        tty.listener = Some(std::thread::spawn(move || listen(&send, &leaving)));
        tty.draw(ENTER)?;
        Ok(tty)
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }

    /// Draws.
    pub(crate) fn draw(&self, painted: &str) -> io::Result<()> {
        raw(painted.as_bytes()).map_err(|failed| io::Error::other(failed.message))
    }

    /// Waits for what comes next. Cancel-safe.
    pub(crate) async fn pressed(&mut self) -> Pressed {
        let [terminate, hangup, interrupt] = &mut self.ends;
        tokio::select! {
            biased;
            _ = terminate.recv() => Pressed::Gone,
            _ = hangup.recv() => Pressed::Gone,
            _ = interrupt.recv() => Pressed::Gone,
            _ = self.resized.recv() => Pressed::Resized,
            keys = self.keyboard.recv() => keys.map_or(Pressed::Gone, Pressed::Keys),
        }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::SeqCst);
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
        back(&self.before, &self.away);
    }
}

/// Whether somebody wants to leave.
pub(crate) fn quits(keys: &[Key]) -> bool {
    keys.iter().any(|key| matches!(key, Key::Quit | Key::Char('q')))
}

/// So long, or for ever.
pub(crate) async fn sleep(micros: Option<u64>) {
    match micros {
        Some(micros) => tokio::time::sleep(Duration::from_micros(micros)).await,
        None => std::future::pending().await,
    }
}
