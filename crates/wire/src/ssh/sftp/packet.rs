//! Packets out of a stream: the fields that matter, then the rest piece by piece.

use super::super::{Confusion, MAX_PATH};

/// The longest packet that is followed, in bytes behind its length. OpenSSH takes 256 KiB; text where packets should be claims more
/// than 500 MiB.
pub(super) const MAX_PACKET: u32 = 16 << 20;

/// A field of a packet that is kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    /// A number of so many bytes.
    Int(u32),
    /// Bytes behind their length; kept up to [`MAX_PATH`].
    Text,
    /// So many bytes of the rest, if there are as many.
    Raw(u32),
}

/// A packet as far as its layout goes.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) kind: u8,
    /// Bytes of the packet that are still to come.
    pub(super) rest: u32,
    ints: Vec<u64>,
    texts: Vec<Vec<u8>>,
    pub(super) raw: Vec<u8>,
}

impl Head {
    /// The number at that place among the numbers.
    pub(super) fn u64(&self, place: usize) -> u64 {
        self.ints.get(place).copied().unwrap_or_default()
    }

    /// The same, of four bytes.
    pub(super) fn u32(&self, place: usize) -> u32 {
        u32::try_from(self.u64(place)).unwrap_or(u32::MAX)
    }

    /// The request's id; None for a packet that is too short for one.
    pub(super) fn id(&self) -> Option<u32> {
        self.ints.first().and_then(|id| u32::try_from(*id).ok())
    }

    pub(super) fn text(&self, place: usize) -> Option<&[u8]> {
        self.texts.get(place).map(Vec::as_slice)
    }

    /// Takes the text at that place among the texts out.
    pub(super) fn take(&mut self, place: usize) -> Vec<u8> {
        self.texts.get_mut(place).map(std::mem::take).unwrap_or_default()
    }
}

/// What comes next in a stream.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A packet begins.
    Head(Head),
    /// Some of what is behind its head.
    Body(&'a [u8]),
}

/// One direction.
#[derive(Debug)]
pub(super) struct Packets {
    /// Which fields a packet has, as far as what is known of it says.
    layout: fn(&Head) -> &'static [Field],
    state: State,
    /// A number under way.
    number: u64,
    /// Bytes of it that have arrived.
    have: u32,
    head: Head,
    /// Fields of the head that are complete.
    fields: usize,
    /// Bytes of the packet behind what was taken of it.
    left: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Length,
    Kind,
    Field,
    Text(u32),
    Raw(u32),
    Body,
}

impl Packets {
    pub(super) fn new(layout: fn(&Head) -> &'static [Field]) -> Self {
        Self { layout, state: State::Length, number: 0, have: 0, head: Head::default(), fields: 0, left: 0 }
    }

    /// Takes what it needs from the front of `rest`; None when all of that is used up. What it gives depends on the stream
    /// alone, as long as it is called until it gives None.
    pub(super) fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Step<'a>>, Confusion> {
        loop {
            match self.state {
                State::Length => {
                    let Some(length) = self.number(rest, 4) else { return Ok(None) };
                    let length = u32::try_from(length).unwrap_or(u32::MAX);
                    if length == 0 || length > MAX_PACKET {
                        return Err(Confusion::Length(length));
                    }
                    self.left = length;
                    self.state = State::Kind;
                }
                State::Kind => {
                    let Some(kind) = self.number(rest, 1) else { return Ok(None) };
                    self.left -= 1;
                    self.head = Head { kind: u8::try_from(kind).unwrap_or_default(), rest: self.left, ..Head::default() };
                    self.fields = 0;
                    self.state = State::Field;
                }
                State::Field => match (self.layout)(&self.head).get(self.fields) {
                    None => {
                        self.state = State::Body;
                        self.head.rest = self.left;
                        return Ok(Some(Step::Head(std::mem::take(&mut self.head))));
                    }
                    Some(Field::Int(size)) => {
                        let Some(number) = self.field_number(rest, *size)? else { return Ok(None) };
                        self.head.ints.push(number);
                        self.fields += 1;
                    }
                    Some(Field::Text) => {
                        let Some(length) = self.field_number(rest, 4)? else { return Ok(None) };
                        let length = u32::try_from(length).unwrap_or(u32::MAX);
                        self.left = self.left.checked_sub(length).ok_or(Confusion::Malformed(self.head.kind))?;
                        self.head.texts.push(Vec::new());
                        self.state = State::Text(length);
                    }
                    Some(Field::Raw(most)) => {
                        let length = self.left.min(*most);
                        self.left -= length;
                        self.state = State::Raw(length);
                    }
                },
                State::Text(0) | State::Raw(0) => {
                    self.fields += 1;
                    self.state = State::Field;
                }
                State::Text(missing) => {
                    let Some(piece) = split(rest, missing) else { return Ok(None) };
                    if let Some(text) = self.head.texts.last_mut() {
                        let room = MAX_PATH.saturating_sub(text.len());
                        text.extend_from_slice(piece.get(..room).unwrap_or(piece));
                    }
                    self.state = State::Text(missing - length_of(piece));
                }
                State::Raw(missing) => {
                    let Some(piece) = split(rest, missing) else { return Ok(None) };
                    self.head.raw.extend_from_slice(piece);
                    self.state = State::Raw(missing - length_of(piece));
                }
                State::Body if self.left == 0 => self.state = State::Length,
                State::Body => {
                    let Some(piece) = split(rest, self.left) else { return Ok(None) };
                    self.left -= length_of(piece);
                    return Ok(Some(Step::Body(piece)));
                }
            }
        }
    }

    /// A number within the packet.
    fn field_number(&mut self, rest: &mut &[u8], size: u32) -> Result<Option<u64>, Confusion> {
        let left = self.left.checked_sub(size).ok_or(Confusion::Malformed(self.head.kind))?;
        let number = self.number(rest, size);
        if number.is_some() {
            self.left = left;
        }
        Ok(number)
    }

    /// A big-endian number; None when the bytes for it are still missing.
    fn number(&mut self, rest: &mut &[u8], size: u32) -> Option<u64> {
        while self.have < size {
            let (byte, behind) = rest.split_first()?;
            *rest = behind;
            self.number = self.number << 8 | u64::from(*byte);
            self.have += 1;
        }
        self.have = 0;
        Some(std::mem::take(&mut self.number))
    }
}

/// At most so many bytes off the front; None when there are none.
fn split<'a>(rest: &mut &'a [u8], most: u32) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let (piece, behind) = rest.split_at_checked(most as usize).unwrap_or((rest, &[]));
    *rest = behind;
    Some(piece)
}

/// Of a piece that [`split`] has cut, which no `u32` is too small for.
fn length_of(piece: &[u8]) -> u32 {
    u32::try_from(piece.len()).unwrap_or(u32::MAX)
}
