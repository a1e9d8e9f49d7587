//! The older protocol of `scp`, as OpenSSH's `scp -O` speaks it over an exec channel (there is no specification but its source).
//!
//! One side sends lines, `C` for a file, `D` and `E` around a directory, `T` for times, and behind each `C` the content and a
//! byte; the other answers each of them with a byte, and a line of text where that isn't 0. Some clients send on without waiting,
//! so answers wait for questions and questions for answers, and a file counts as accepted until its answer says otherwise.

mod command;
mod line;

use std::collections::VecDeque;

use self::command::Command;
use self::line::{Folders, Line};
use super::track::Track;
use super::{Answer, Confusion, Event, File, MAX_PATH, MAX_REASON, OpenFlags, Side};

/// The longest line.
const MAX_LINE: usize = 2 * MAX_PATH;
/// The most that waits for an answer.
const MAX_WAITING: usize = 256;
/// The most answers that wait for what they are for: some clients send a few ahead.
const MAX_EARLY: usize = 64;

/// The observer of one channel.
#[derive(Debug)]
pub struct Scp {
    command: Command,
    state: State,
    line: Vec<u8>,
    folders: Folders,
    /// The file whose content is expected.
    file: Option<Sending>,
    /// What the receiver hasn't answered.
    waiting: VecDeque<Waiting>,
    /// Answers to what hasn't been sent.
    early: VecDeque<Answer>,
    /// A refusal whose text is on its way.
    refusal: Option<(u8, Vec<u8>)>,
    over: bool,
}

/// What the sender's next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Line,
    Content,
    /// The byte behind a content.
    Verdict,
    /// The text behind that byte.
    Excuse,
}

/// What the receiver has to answer.
#[derive(Debug)]
enum Waiting {
    /// That it is there.
    Start,
    /// A line that opens nothing.
    Line,
    Folder,
    Open,
    /// A content.
    Content(Box<Sending>),
}

/// A file on its way.
#[derive(Debug)]
struct Sending {
    path: Vec<u8>,
    named: Option<Vec<u8>>,
    track: Track,
    left: u64,
    /// Some of its content has been seen, or the receiver has said that it takes it.
    begun: bool,
    /// Whether all of it was in order, once the sender has said so.
    sound: Option<bool>,
}

impl Scp {
    /// The observer for a command that is to be run on a target; None when it isn't, for certain, one `scp` of this protocol.
    #[must_use]
    pub fn of_command(line: &[u8]) -> Option<Self> {
        Some(Self {
            command: Command::parse(line)?,
            state: State::Line,
            line: Vec::new(),
            folders: Folders::default(),
            file: None,
            waiting: VecDeque::from([Waiting::Start]),
            early: VecDeque::new(),
            refusal: None,
            over: false,
        })
    }

    /// Takes the client's next bytes, and gives each event to `out`.
    pub fn client(&mut self, bytes: &[u8], out: &mut impl FnMut(Event)) {
        self.take(Side::Client, bytes, out);
    }

    /// Takes the target's next bytes, and gives each event to `out`.
    pub fn server(&mut self, bytes: &[u8], out: &mut impl FnMut(Event)) {
        self.take(Side::Server, bytes, out);
    }

    /// The channel is over: what isn't finished comes out as it stands.
    pub fn end(&mut self, out: &mut impl FnMut(Event)) {
        self.over = true;
        self.early.clear();
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Content(file) => self.finish(*file, &Answer::Missing, out),
                Waiting::Start | Waiting::Line | Waiting::Folder | Waiting::Open => {}
            }
        }
        match self.file.take() {
            Some(file) if file.begun => self.finish(file, &Answer::Missing, out),
            Some(file) => self.failed((file.path, file.named), Answer::Missing, out),
            None => {}
        }
    }

    fn take(&mut self, side: Side, bytes: &[u8], out: &mut impl FnMut(Event)) {
        if self.over {
            return;
        }
        let sends = (side == Side::Server) == self.command.sends;
        let result = if sends { self.sent(bytes, out) } else { self.answered(bytes, out) };
        if let Err(why) = result {
            out(Event::Confused { side, why });
            self.end(out);
        }
    }

    /// Bytes of the sender.
    fn sent(&mut self, mut rest: &[u8], out: &mut impl FnMut(Event)) -> Result<(), Confusion> {
        while !rest.is_empty() {
            match self.state {
                State::Line | State::Excuse => {
                    let Some(line) = self.line(&mut rest)? else { return Ok(()) };
                    if self.state == State::Excuse {
                        self.sent_all(out)?;
                    } else {
                        self.understand(&line, out)?;
                    }
                }
                State::Content => {
                    let Some(file) = &mut self.file else { return Ok(()) };
                    let most = usize::try_from(file.left).unwrap_or(usize::MAX);
                    let (piece, behind) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                    rest = behind;
                    file.track.feed(piece);
                    file.track.count(piece.len() as u64);
                    file.left -= piece.len() as u64;
                    file.begun = true;
                    if file.left == 0 {
                        self.state = State::Verdict;
                    }
                }
                State::Verdict => {
                    let Some((verdict, behind)) = rest.split_first() else { return Ok(()) };
                    rest = behind;
                    let Some(file) = &mut self.file else { return Ok(()) };
                    file.begun = true;
                    match verdict {
                        0 => {
                            file.sound = Some(true);
                            self.sent_all(out)?;
                        }
                        1 | 2 => {
                            file.sound = Some(false);
                            self.state = State::Excuse;
                        }
                        _ => return Err(Confusion::Line),
                    }
                }
            }
        }
        Ok(())
    }

    /// The next line without its end; None when that hasn't come.
    fn line(&mut self, rest: &mut &[u8]) -> Result<Option<Vec<u8>>, Confusion> {
        let (piece, behind, ended) = match memchr::memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
            Some((piece, behind)) => (piece, behind.get(1..).unwrap_or_default(), true),
            None => (*rest, &[][..], false),
        };
        *rest = behind;
        if self.line.len().saturating_add(piece.len()) > MAX_LINE {
            return Err(Confusion::TooLong);
        }
        self.line.extend_from_slice(piece);
        Ok(ended.then(|| std::mem::take(&mut self.line)))
    }

    fn understand(&mut self, line: &[u8], out: &mut impl FnMut(Event)) -> Result<(), Confusion> {
        let waiting = match Line::parse(line).ok_or(Confusion::Line)? {
            Line::File { size, name } => {
                let (path, named) = self.place(&name);
                if path.len() + named.as_ref().map_or(0, Vec::len) > MAX_PATH {
                    return Err(Confusion::TooLong);
                }
                self.file = Some(Sending { path, named, track: Track::new(), left: size, begun: false, sound: None });
                self.state = if size == 0 { State::Verdict } else { State::Content };
                Waiting::Open
            }
            Line::Folder { name } => {
                self.folders.enter(&name)?;
                Waiting::Folder
            }
            Line::Leave => {
                self.folders.leave().ok_or(Confusion::Line)?;
                Waiting::Line
            }
            Line::Times => Waiting::Line,
            Line::Refusal(answer) => {
                self.failed(self.place(b""), answer, out);
                return Ok(());
            }
        };
        self.wait(waiting, out)
    }

    /// A content and what belongs to it has passed.
    fn sent_all(&mut self, out: &mut impl FnMut(Event)) -> Result<(), Confusion> {
        self.state = State::Line;
        self.file.take().map_or(Ok(()), |file| self.wait(Waiting::Content(Box::new(file)), out))
    }

    /// Bytes of the receiver.
    fn answered(&mut self, mut rest: &[u8], out: &mut impl FnMut(Event)) -> Result<(), Confusion> {
        while let Some((byte, behind)) = rest.split_first() {
            let answer = match (&mut self.refusal, byte) {
                (Some((code, reason)), b'\n') => Answer::Refused { code: u32::from(*code), reason: std::mem::take(reason) },
                (Some((_, reason)), byte) => {
                    if reason.len() < MAX_REASON {
                        reason.push(*byte);
                    }
                    rest = behind;
                    continue;
                }
                (None, 0) => Answer::Done,
                (None, code @ (1 | 2)) => {
                    self.refusal = Some((*code, Vec::new()));
                    rest = behind;
                    continue;
                }
                (None, _) => return Err(Confusion::Line),
            };
            rest = behind;
            self.refusal = None;
            if self.early.len() >= MAX_EARLY {
                return Err(Confusion::OutOfStep);
            }
            self.early.push_back(answer);
            self.settle(out)?;
        }
        Ok(())
    }

    fn wait(&mut self, waiting: Waiting, out: &mut impl FnMut(Event)) -> Result<(), Confusion> {
        if self.waiting.len() >= MAX_WAITING {
            // It comes out all the same.
            self.waiting.push_back(waiting);
            return Err(Confusion::TooMuchAsked);
        }
        self.waiting.push_back(waiting);
        self.settle(out)
    }

    /// Brings answers to what waits for them, in order.
    fn settle(&mut self, out: &mut impl FnMut(Event)) -> Result<(), Confusion> {
        while !self.waiting.is_empty() {
            let Some(answer) = self.early.pop_front() else { return Ok(()) };
            let Some(waiting) = self.waiting.pop_front() else { return Ok(()) };
            let nothing_since = self.waiting.is_empty() && self.line.is_empty();
            match (waiting, answer) {
                (Waiting::Open, Answer::Done) => {
                    // Behind the content of the file in question, it may be another's.
                    if let Some(file) = self.file.as_mut().filter(|_| nothing_since) {
                        file.begun = true;
                    }
                }
                // The sender goes on with something else, unless it has begun already.
                (Waiting::Open, answer) => match self.file.take() {
                    Some(file) if nothing_since && !file.begun => {
                        self.state = State::Line;
                        self.failed((file.path, file.named), answer, out);
                    }
                    file => {
                        self.file = file;
                        return Err(Confusion::OutOfStep);
                    }
                },
                (Waiting::Content(file), answer) => self.finish(*file, &answer, out),
                (Waiting::Start | Waiting::Line | Waiting::Folder, Answer::Done) | (Waiting::Line, _) => {}
                (Waiting::Folder, answer) => {
                    if !nothing_since || self.state != State::Line {
                        return Err(Confusion::OutOfStep);
                    }
                    let place = self.place(b"");
                    self.folders.leave();
                    self.failed(place, answer, out);
                }
                (Waiting::Start, answer) => self.failed((self.command.path.clone(), None), answer, out),
            }
        }
        Ok(())
    }

    fn finish(&self, file: Sending, answer: &Answer, out: &mut impl FnMut(Event)) {
        let Sending { path, named, mut track, sound, .. } = file;
        let refused = if self.command.sends { sound == Some(false) } else { matches!(answer, Answer::Refused { .. }) };
        if refused {
            track.fail();
        }
        if refused || !self.command.sends && *answer != Answer::Done {
            track.tear();
        }
        let (moved, none) = (track.finish(), Track::new().finish());
        let (read, written) = if self.command.sends { (moved, none) } else { (none, moved) };
        let sound = sound == Some(true);
        let (reached_end, complete) = (self.command.sends && sound, sound && *answer == Answer::Done);
        out(Event::File(File { path, named, opened: self.opened(), read, written, reached_end, complete }));
    }

    fn failed(&self, (mut path, mut named): (Vec<u8>, Option<Vec<u8>>), answer: Answer, out: &mut impl FnMut(Event)) {
        path.truncate(MAX_PATH);
        if let Some(named) = &mut named {
            named.truncate(MAX_PATH);
        }
        out(Event::OpenFailed { path, named, opened: self.opened(), answer });
    }

    /// What `scp` opens files for.
    fn opened(&self) -> OpenFlags {
        if self.command.sends { OpenFlags::READ } else { OpenFlags::WRITE.and(OpenFlags::CREATE).and(OpenFlags::TRUNCATE) }
    }

    /// The path of what has that name, as far as it can be known; and the names that the sender said, where it can't.
    fn place(&self, name: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let Command { sends, path, into, pattern } = &self.command;
        let relative = [self.folders.path(), name].concat();
        let relative = relative.strip_suffix(b"/").unwrap_or(&relative);
        if relative.is_empty() {
            return (path.clone(), None);
        }
        let whole = path.strip_suffix(b"/").unwrap_or(path);
        if *into {
            return ([whole, b"/", relative].concat(), None);
        }
        if *sends && !pattern {
            // The first name is the last of the path, unless that ends with something like `..`.
            let last = whole.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if let Some(behind) = relative.strip_prefix(last).filter(|behind| behind.is_empty() || behind.starts_with(b"/")) {
                return ([whole, behind].concat(), None);
            }
        }
        (path.clone(), Some(relative.to_vec()))
    }
}

#[cfg(test)]
mod tests;
