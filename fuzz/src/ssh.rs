//! What is transferred inside SSH: nothing panics, chunks change nothing, and a confused observer is silent.

use ajar_wire::ssh::greeting::offers_strict;
use ajar_wire::ssh::scp::Scp;
use ajar_wire::ssh::sftp::Sftp;
use ajar_wire::ssh::{Event, MAX_PATH, Side};

/// A peer's first words: what is known of a beginning stays true of the whole, and the whole is known in bounded time.
pub fn greeting(data: &[u8]) {
    let whole = offers_strict(data);
    for end in 0..data.len() {
        let part = offers_strict(data.get(..end).unwrap_or_default());
        assert!(part.is_none() || part == whole, "{end}: {part:?}, then {whole:?}");
    }
}

/// Both directions of an SFTP channel, each chunk with a byte that says whose it is and two for its length.
pub fn sftp(data: &[u8]) {
    sound(&sftp_events(data, usize::MAX), &sftp_events(data, 1));
}

/// A command line, then both directions in the same form.
pub fn scp(data: &[u8]) {
    let Some(whole) = scp_events(data, usize::MAX) else { return };
    sound(&whole, &scp_events(data, 1).unwrap_or_default());
}

/// What is seen in a conversation whose chunks are cut to at most that size.
pub fn sftp_events(data: &[u8], size: usize) -> Vec<Event> {
    let (mut sftp, mut events) = (Sftp::new(), Vec::new());
    let mut out = |event| events.push(event);
    chunks(data, size, |side, chunk| match side {
        Side::Client => sftp.client(chunk, &mut out),
        Side::Server => sftp.server(chunk, &mut out),
    });
    sftp.end(&mut out);
    events
}

/// The same; None when the command isn't taken for `scp`.
pub fn scp_events(data: &[u8], size: usize) -> Option<Vec<Event>> {
    let (command, data) = data.split_at(data.iter().position(|byte| *byte == b'\n')?);
    let (mut scp, mut events) = (Scp::of_command(command)?, Vec::new());
    let mut out = |event| events.push(event);
    chunks(data.get(1..)?, size, |side, chunk| match side {
        Side::Client => scp.client(chunk, &mut out),
        Side::Server => scp.server(chunk, &mut out),
    });
    scp.end(&mut out);
    Some(events)
}

fn chunks(mut data: &[u8], size: usize, mut each: impl FnMut(Side, &[u8])) {
    while let [side, high, low, tail @ ..] = data {
        let (chunk, behind) = tail.split_at(tail.len().min(usize::from(u16::from_be_bytes([*high, *low]))));
        data = behind;
        for piece in chunk.chunks(size) {
            each(if side % 2 == 0 { Side::Client } else { Side::Server }, piece);
        }
    }
}

fn sound(whole: &[Event], cut: &[Event]) {
    assert_eq!(whole, cut);
    assert!(whole.iter().filter(|event| matches!(event, Event::Confused { .. })).count() <= 1);
    for event in whole {
        match event {
            Event::File(file) => {
                assert!(file.path.len() + file.named.as_ref().map_or(0, Vec::len) <= MAX_PATH);
                assert!(!file.complete || file.written.failed == 0 || file.written.digest == ajar_wire::ssh::Digest::Pieces);
            }
            Event::OpenFailed { path, .. } | Event::Unfollowed { path, .. } | Event::Listed { path } => assert!(path.len() <= MAX_PATH),
            Event::Changed(change) => assert!(change.path.len() <= MAX_PATH),
            Event::Extension { name, .. } => assert!(name.len() <= MAX_PATH),
            Event::Confused { .. } => {}
        }
    }
}
