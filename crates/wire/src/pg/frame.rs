//! The five bytes before each message, and whole messages out of a buffer (for start-up, where every message is read).
//! The relay never uses [`next`]: it scans in place, see [`super::scan`].

use super::WireError;

/// The longest body of any message: PostgreSQL itself refuses more (`PQ_LARGE_MESSAGE_LIMIT`).
pub const MAX_BODY: u32 = 0x3fff_ffff;
/// The longest body of messages that are always short: PostgreSQL's `PQ_SMALL_MESSAGE_LIMIT`.
pub const MAX_SMALL_BODY: u32 = 10_000;

/// A message's type and the length of what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The type byte.
    pub tag: u8,
    /// The body's length in bytes, without the type and without the length field itself.
    pub len: u32,
}

impl Header {
    /// Its size on the wire.
    pub const SIZE: usize = 5;

    /// Reads a header.
    ///
    /// # Errors
    /// When the length is less than four, or the body would be longer than [`MAX_BODY`] (negative lengths among them).
    #[inline]
    pub fn parse(bytes: [u8; 5]) -> Result<Self, WireError> {
        let [tag, a, b, c, d] = bytes;
        let len = u32::from_be_bytes([a, b, c, d]);
        match len.checked_sub(4) {
            Some(body) if body <= MAX_BODY => Ok(Self { tag, len: body }),
            Some(_) | None => Err(WireError::Length { tag, len }),
        }
    }
}

/// A whole message, borrowed from a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: &'a [u8],
    /// The message as it arrived, header included: its length is what to consume.
    pub raw: &'a [u8],
}

/// The first message of a buffer, if it is all there.
///
/// # Errors
/// When its header can't be, or it says that the body is longer than `max_body`: before anybody waits for the bytes.
pub fn next(buffer: &[u8], max_body: u32) -> Result<Option<Frame<'_>>, WireError> {
    let Some((head, rest)) = buffer.split_first_chunk::<5>() else { return Ok(None) };
    let header = Header::parse(*head)?;
    if header.len > max_body {
        return Err(WireError::TooLong { tag: header.tag, len: header.len, max: max_body });
    }
    let len = header.len as usize;
    Ok(match (rest.get(..len), buffer.get(..Header::SIZE + len)) {
        (Some(body), Some(raw)) => Some(Frame { tag: header.tag, body, raw }),
        (Some(_) | None, _) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p01_impossible_lengths_are_refused_before_anything_is_allocated() {
        for len in [0u32, 1, 3, 0x4000_0004, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            let [a, b, c, d] = len.to_be_bytes();
            assert_eq!(Header::parse([b'Q', a, b, c, d]), Err(WireError::Length { tag: b'Q', len }), "{len}");
            assert_eq!(next(&[b'Q', a, b, c, d], MAX_BODY), Err(WireError::Length { tag: b'Q', len }));
        }
        assert_eq!(Header::parse([b'S', 0, 0, 0, 4]), Ok(Header { tag: b'S', len: 0 }));
    }

    #[test]
    fn p01_a_body_over_the_callers_limit_is_refused_on_its_header() {
        assert_eq!(next(&[b'p', 0, 0, 4, 4], 1000), Err(WireError::TooLong { tag: b'p', len: 1024, max: 1000 }));
    }

    #[test]
    fn a_frame_comes_out_once_it_is_whole() {
        let bytes = [b'Z', 0, 0, 0, 5, b'I', b'x'];
        for cut in 0..6 {
            assert_eq!(next(&bytes[..cut], 10), Ok(None));
        }
        let frame = next(&bytes, 10).unwrap().unwrap();
        assert_eq!((frame.tag, frame.body, frame.raw.len()), (b'Z', &b"I"[..], 6));
    }
}
