//! A player for what a terminal showed: which frame at which time, and what keys do. It knows no clock and no terminal; it is told the time
//! (microseconds, from anywhere on) and gives what is to be drawn.

use super::keys::Key;
use super::picture::{Picture, Show};
use super::tape::{Channel, Framed};
use crate::output::inert;

/// How far an arrow goes.
const LEAP: u64 = 10_000_000;
/// So many frames are shown at most before keys are looked at again.
const AT_ONCE: usize = 10_000;
const SLOWEST: f64 = 1.0 / 16.0;
const FASTEST: f64 = 64.0;
/// The longest text that is looked for.
const WANTED: usize = 200;

/// How to play.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How many times as fast as it was.
    pub(crate) speed: f64,
    /// Microseconds: no wait is longer than this.
    pub(crate) max_idle: u64,
}

/// A frame, and when it comes.
struct Timed {
    /// Microseconds from the start, with waits cut short.
    at: u64,
    /// Microseconds from the session's start, as it was.
    was: u64,
    show: Show,
}

/// See the module.
pub(crate) struct Player {
    frames: Vec<Timed>,
    size: (u64, u64),
    opened: u64,
    /// The end, in time that is played and as it was.
    end: (u64, u64),
    picture: Picture,
    /// The next frame to be shown.
    next: usize,
    /// How far it is, in time that is played.
    at: u64,
    /// When it was last told the time.
    told: Option<u64>,
    speed: f64,
    paused: bool,
    /// A text that is being typed.
    typing: Option<String>,
    wanted: String,
    /// What came of the last key.
    note: Option<String>,
    /// Everything is to be drawn again.
    whole: bool,
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    Quit,
}

impl Player {
    /// A channel, from its beginning.
    pub(crate) fn new(channel: Channel, pace: Pace) -> anyhow::Result<Self> {
        let size = channel.terminal().unwrap_or((80, 24));
        let (mut at, mut was) = (0, channel.opened);
        let mut frames = Vec::with_capacity(channel.frames.len());
        for frame in channel.frames {
            if let Framed::Shown(show) = frame.what {
                at += frame.at.saturating_sub(was).min(pace.max_idle);
                was = was.max(frame.at);
                frames.push(Timed { at, was, show });
            }
        }
        let ended = channel.ended.unwrap_or(was).max(was);
        let end = (at + (ended - was).min(pace.max_idle), ended);
        Ok(Self {
            frames,
            size,
            opened: channel.opened,
            end,
            picture: Picture::new(size.0, size.1)?,
            next: 0,
            at: 0,
            told: None,
            speed: pace.speed.clamp(SLOWEST, FASTEST),
            paused: false,
            typing: None,
            wanted: String::new(),
            note: None,
            whole: true,
        })
    }

    /// Time has passed: shows what has come by `now`. Whether there is something to draw.
    pub(crate) fn tick(&mut self, now: u64) -> bool {
        let passed = now.saturating_sub(self.told.unwrap_or(now));
        self.told = Some(now);
        if self.paused {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "microseconds of hours")]
        let passed = (passed as f64 * self.speed) as u64;
        let to = self.at.saturating_add(passed).min(self.end.0);
        let before = self.next;
        self.show_until(to, AT_ONCE);
        // What could not all be shown yet is shown the next time.
        self.at = match self.frames.get(self.next) {
            Some(next) if next.at <= to => next.at,
            Some(_) | None => to,
        };
        if self.next == self.frames.len() && self.at >= self.end.0 {
            self.paused = true;
            self.note = Some("the end".into());
            return true;
        }
        self.next > before
    }

    fn show_until(&mut self, to: u64, most: usize) {
        let mut shown = 0;
        while let Some(frame) = self.frames.get(self.next)
            && frame.at <= to
            && shown < most
        {
            self.picture.show(&frame.show);
            self.next += 1;
            shown += 1;
        }
    }

    /// Microseconds until the next frame comes; none while nothing comes by itself.
    pub(crate) fn wait(&self) -> Option<u64> {
        if self.paused {
            return None;
        }
        let next = self.frames.get(self.next).map_or(self.end.0, |frame| frame.at);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "microseconds of hours")]
        let wait = (next.saturating_sub(self.at) as f64 / self.speed).ceil() as u64;
        Some(wait)
    }

    /// Goes to a time of the session, as it was.
    pub(crate) fn jump_to(&mut self, was: u64) {
        let was = was.clamp(self.opened, self.end.1);
        let before = self.frames.iter().rev().find(|frame| frame.was <= was).map_or((0, self.opened), |frame| (frame.at, frame.was));
        // In a wait that was cut short, it is at the end of that.
        let after = self.frames.iter().find(|frame| frame.was > was).map_or(self.end.0, |frame| frame.at.saturating_sub(1));
        self.jump(before.0.saturating_add(was - before.1).min(after).max(before.0));
    }

    /// Goes to a time, as it is played. Back is from the beginning again.
    fn jump(&mut self, to: u64) {
        let to = to.min(self.end.0);
        if to < self.at {
            self.begin();
        }
        self.show_until(to, usize::MAX);
        self.at = to;
        self.whole = true;
    }

    fn begin(&mut self) {
        if let Ok(picture) = Picture::new(self.size.0, self.size.1) {
            self.picture = picture;
        }
        (self.next, self.at) = (0, 0);
    }

    /// Somebody has pressed a key.
    pub(crate) fn key(&mut self, key: Key) -> Then {
        self.note = None;
        if let Some(mut typing) = self.typing.take() {
            match key {
                Key::Char(c) if typing.chars().count() < WANTED => typing.push(c),
                Key::Char(_) | Key::Left | Key::Right => {}
                Key::Backspace => drop(typing.pop()),
                Key::Escape => return Then::GoOn,
                Key::Quit => return Then::Quit,
                Key::Enter => {
                    if !typing.is_empty() {
                        self.wanted = typing;
                    }
                    self.find();
                    return Then::GoOn;
                }
            }
            self.typing = Some(typing);
            return Then::GoOn;
        }
        match key {
            Key::Char('q') | Key::Quit => return Then::Quit,
            Key::Char(' ') if self.paused && self.at >= self.end.0 => {
                self.begin();
                self.whole = true;
                self.paused = false;
            }
            Key::Char(' ') => self.paused = !self.paused,
            Key::Char('.') if self.paused => self.step(),
            Key::Char('+' | '=') => self.speed = (self.speed * 2.0).min(FASTEST),
            Key::Char('-') => self.speed = (self.speed / 2.0).max(SLOWEST),
            Key::Char('/') => self.typing = Some(String::new()),
            Key::Char('n') => self.find(),
            Key::Left => self.jump(self.at.saturating_sub(LEAP)),
            Key::Right => self.jump(self.at.saturating_add(LEAP)),
            Key::Char(_) | Key::Enter | Key::Backspace | Key::Escape => {}
        }
        Then::GoOn
    }

    /// Shows the next frame.
    fn step(&mut self) {
        if let Some(frame) = self.frames.get(self.next) {
            self.picture.show(&frame.show);
            self.at = frame.at;
            self.next += 1;
        }
    }

    /// Goes on to the next frame that shows the text anew, and stops there.
    fn find(&mut self) {
        if self.wanted.is_empty() {
            self.note = Some("nothing to look for: type /TEXT".into());
            return;
        }
        let from = (self.next, self.at);
        self.whole = true;
        while let Some(frame) = self.frames.get(self.next) {
            let found = self.picture.show_and_look(&frame.show, &self.wanted);
            self.next += 1;
            if !found.is_empty() {
                self.at = frame.at;
                self.paused = true;
                self.note = Some(format!("found {}", self.wanted));
                return;
            }
        }
        self.begin();
        while self.next < from.0 {
            self.step();
        }
        self.at = from.1;
        self.note = Some(format!("{} does not come any more", self.wanted));
    }

    /// What is to be drawn on a terminal of this size; its last row is for what the player says.
    pub(crate) fn paint(&mut self, cols: usize, rows: usize) -> String {
        let mut out = self.picture.paint(cols, rows.saturating_sub(1).max(1), std::mem::take(&mut self.whole));
        out.push_str(&super::status(&self.line(), cols, rows));
        out
    }

    /// Everything is to be drawn again: the terminal is another size, or shows something else.
    pub(crate) fn again(&mut self) {
        self.whole = true;
    }

    /// What the player says of itself. Without what may be hostile: only the text that is looked for is not its own.
    fn line(&self) -> String {
        if let Some(typing) = &self.typing {
            return format!(" /{}", inert(typing));
        }
        let was = self.now_as_it_was();
        let state = if self.paused { "paused" } else { "playing" };
        let note = self.note.as_ref().map(|note| format!("  {}  ", inert(note))).unwrap_or_default();
        format!(" {} / {}  {}x  {state}{note}  space . ← → + - / n q", clock(was), clock(self.end.1), self.speed)
    }

    fn now_as_it_was(&self) -> u64 {
        let before = self.next.checked_sub(1).and_then(|last| self.frames.get(last));
        let (at, was) = before.map_or((0, self.opened), |frame| (frame.at, frame.was));
        let after = self.frames.get(self.next).map_or(self.end.1, |frame| frame.was);
        was.saturating_add(self.at.saturating_sub(at)).min(after)
    }
}

/// `1:02`
fn clock(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::tape::Tape;
    use super::*;

    const S: u64 = 1_000_000;

    /// A channel that was opened 5 s after the session began, and shows these texts at these seconds after that.
    fn player(frames: &[(u64, &str)], pace: Pace) -> Player {
        let mut tape = Tape::default();
        tape.line(&format!(r#"{{"t":{},"ch":3,"kind":"open","what":"shell","term":"xterm","cols":30,"rows":4}}"#, 5 * S));
        for (at, text) in frames {
            tape.line(&serde_json::json!({"t": 5 * S + at * S, "ch": 3, "kind": "out", "data": text}).to_string());
        }
        let end = frames.last().map_or(0, |(at, _)| *at) + 1;
        tape.line(&format!(r#"{{"t":{},"ch":3,"kind":"close","exit":0}}"#, (5 + end) * S));
        Player::new(tape.take(3).unwrap(), pace).unwrap()
    }

    fn shows(player: &mut Player) -> String {
        player.again();
        let out = player.paint(30, 5);
        // Text without sequences, up to the player's own line.
        let picture = out.split("\x1b7").next().unwrap().to_owned();
        let pieces = picture.split('\x1b').skip(1).map(|piece| {
            let end = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(piece.len(), |end| end + 1);
            piece[end..].to_owned()
        });
        pieces.collect::<String>()
    }

    fn at(player: &Player) -> String {
        player.line().split_whitespace().next().unwrap().to_owned()
    }

    const REAL: Pace = Pace { speed: 1.0, max_idle: 1_000 * S };

    #[test]
    fn frames_come_when_they_came() {
        let mut p = player(&[(1, "a"), (3, "b"), (4, "c")], REAL);
        assert!(!p.tick(100 * S), "the clock may begin anywhere");
        assert_eq!((p.wait(), shows(&mut p).as_str()), (Some(S), ""));
        assert!(!p.tick(101 * S - 1));
        assert_eq!(p.wait(), Some(1));
        assert!(p.tick(101 * S));
        assert_eq!((shows(&mut p).as_str(), p.wait(), at(&p).as_str()), ("a", Some(2 * S), "0:06"));
        assert!(p.tick(104 * S));
        assert_eq!(shows(&mut p), "abc");
        // At the end it stops; space plays it again.
        assert!(p.tick(200 * S));
        assert!(p.line().contains("the end") && p.wait().is_none(), "{}", p.line());
        assert_eq!(p.key(Key::Char(' ')), Then::GoOn);
        assert_eq!((shows(&mut p).as_str(), at(&p).as_str()), ("", "0:05"));
    }

    #[test]
    fn waits_are_cut_short_and_the_time_that_is_told_is_that_of_the_session() {
        let mut p = player(&[(1, "a"), (61, "b"), (62, "c")], Pace { speed: 2.0, max_idle: 2 * S });
        p.tick(0);
        assert!(p.tick(S / 2), "1 s at double speed");
        assert_eq!((p.wait(), at(&p).as_str()), (Some(S), "0:06"));
        assert!(p.tick(S / 2 + S));
        assert_eq!((shows(&mut p).as_str(), at(&p).as_str()), ("ab", "1:06"));
        p.jump_to(0);
        assert_eq!((shows(&mut p).as_str(), at(&p).as_str()), ("", "0:05"));
        // In the middle of a long wait: what was shown by then, and no longer a wait than for the rest.
        p.jump_to(35 * S);
        assert_eq!((shows(&mut p).as_str(), p.wait()), ("a", Some(1)));
        p.jump_to(67 * S);
        assert_eq!((shows(&mut p).as_str(), at(&p).as_str()), ("abc", "1:07"));
        p.jump_to(9_999 * S);
        assert_eq!(at(&p), "1:08");
    }

    #[test]
    fn keys_pause_step_leap_and_change_the_speed() {
        let frames: Vec<_> = (1..=40).map(|n| (n, if n % 2 == 0 { "x" } else { "o" })).collect();
        let mut p = player(&frames, REAL);
        p.tick(0);
        p.tick(2 * S);
        assert_eq!(p.key(Key::Char('.')), Then::GoOn, "nothing while it plays");
        assert_eq!(shows(&mut p), "ox");
        p.key(Key::Char(' '));
        assert!(!p.tick(20 * S) && p.wait().is_none(), "time that passes meanwhile is not made up for");
        p.key(Key::Char('.'));
        assert_eq!((shows(&mut p).as_str(), at(&p).as_str()), ("oxo", "0:08"));
        p.key(Key::Char(' '));
        p.tick(21 * S);
        assert_eq!(shows(&mut p), "oxox");
        p.key(Key::Right);
        assert_eq!((shows(&mut p).len(), at(&p).as_str()), (14, "0:19"));
        p.key(Key::Left);
        assert_eq!((shows(&mut p).as_str(), at(&p).as_str()), ("oxox", "0:09"));
        p.key(Key::Left);
        assert_eq!((shows(&mut p).as_str(), at(&p).as_str()), ("", "0:05"));
        p.key(Key::Char('+'));
        p.tick(22 * S);
        assert_eq!(shows(&mut p), "ox");
        p.key(Key::Char('-'));
        p.key(Key::Char('-'));
        p.tick(24 * S);
        assert_eq!(shows(&mut p), "oxo");
        for _ in 0..50 {
            p.key(Key::Char('-'));
        }
        assert!(p.wait().is_some_and(|wait| wait <= 16 * S));
        assert_eq!((p.key(Key::Char('q')), p.key(Key::Quit)), (Then::Quit, Then::Quit));
    }

    #[test]
    fn a_text_is_found_where_it_is_shown_and_n_goes_on_from_there() {
        let texts = [
            (1, "$ l"),
            (2, "s\r\n"),
            (3, "one\x1b[31m two"),
            (4, "\r\n\r\n\r\n\r\n\r\n"),
            (5, "$ ls\r\n"),
            (6, "on\x1b[0me tw"),
            (7, "o"),
        ];
        let mut p = player(&texts, REAL);
        p.tick(0);
        p.tick(S);
        let look = |p: &mut Player, text: &str| {
            for key in [Key::Char('/')].into_iter().chain(text.chars().map(Key::Char)).chain([Key::Enter]) {
                assert_eq!(p.key(key), Then::GoOn);
            }
        };
        look(&mut p, "one two");
        assert_eq!(at(&p), "0:08");
        assert!(p.line().contains("paused  found one two"), "{}", p.line());
        p.key(Key::Char('n'));
        assert_eq!(at(&p), "0:12");
        let picture = shows(&mut p);
        p.key(Key::Char('n'));
        assert!(p.line().contains("does not come any more"), "{}", p.line());
        assert_eq!((at(&p), shows(&mut p)), ("0:12".into(), picture), "it stays where it was");
        p.jump_to(0);
        // A text that is typed takes all keys; Escape gives it up.
        p.key(Key::Char('/'));
        for key in [Key::Char('q'), Key::Char('\u{202e}'), Key::Backspace, Key::Char(' '), Key::Left] {
            assert_eq!(p.key(key), Then::GoOn);
        }
        assert_eq!(p.line(), " /q ");
        p.key(Key::Escape);
        assert_eq!(at(&p), "0:05");
        look(&mut p, "s");
        assert_eq!(at(&p), "0:07");
    }

    #[test]
    fn what_all_came_at_once_does_not_keep_keys_waiting() {
        let frames: Vec<_> = std::iter::repeat_n((1, "x"), AT_ONCE + 10).collect();
        let mut p = player(&frames, REAL);
        p.tick(0);
        assert!(p.tick(S));
        assert_eq!((p.next, p.wait()), (AT_ONCE, Some(0)));
        assert!(p.tick(S));
        assert_eq!(p.next, AT_ONCE + 10);
    }
}
