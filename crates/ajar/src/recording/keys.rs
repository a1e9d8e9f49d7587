//! What somebody presses, from the bytes that their terminal sends.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Left,
    Right,
    Enter,
    Backspace,
    Escape,
    /// Ctrl-C or Ctrl-D.
    Quit,
}

/// Reads what came in one piece.
pub(crate) fn read(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut keys = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let key = match c {
            '\x1b' => match rest.next_if(|c| matches!(c, '[' | 'O')) {
                None => Key::Escape,
                Some(_) => {
                    // To the byte that ends the sequence.
                    let mut last = None;
                    while let Some(c) = rest.next_if(|c| matches!(c, ' '..='~')) {
                        last = Some(c);
                        if !matches!(c, ' '..='?') {
                            break;
                        }
                    }
                    match last {
                        Some('C') => Key::Right,
                        Some('D') => Key::Left,
                        Some(_) | None => continue,
                    }
                }
            },
            '\x03' | '\x04' => Key::Quit,
            '\r' | '\n' => Key::Enter,
            '\x7f' | '\x08' => Key::Backspace,
            c if c.is_control() => continue,
            c => Key::Char(c),
        };
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        assert_eq!(read(b" .\x1b[C\x1bOD\x1b[1;5C"), [Key::Char(' '), Key::Char('.'), Key::Right, Key::Left, Key::Right]);
        assert_eq!(read("/ü\x7f\r\x1b".as_bytes()), [Key::Char('/'), Key::Char('ü'), Key::Backspace, Key::Enter, Key::Escape]);
        assert_eq!(read(b"\x03\x1b[A\x1b[15~\x01"), [Key::Quit]);
    }
}
