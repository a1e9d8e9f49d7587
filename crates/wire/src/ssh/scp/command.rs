//! Telling the command lines that OpenSSH's and other clients start `scp` with on a target.

use super::super::MAX_PATH;

/// The longest command line that is looked at.
const MAX_LINE: usize = 4 * MAX_PATH;

/// `scp -t` or `scp -f` of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// `-f`: the target sends.
    pub(super) sends: bool,
    pub(super) path: Vec<u8>,
    /// What is sent goes into the path, which is a directory.
    pub(super) into: bool,
    /// The path is a pattern, which the target's shell fills in.
    pub(super) pattern: bool,
}

/// A word as a POSIX shell reads it.
#[derive(Debug, Default)]
struct Word {
    text: Vec<u8>,
    pattern: bool,
}

impl Command {
    /// None for everything that isn't certainly one plain command of this kind: with what a shell would expand, run or redirect,
    /// with options that `scp` doesn't give itself, with no path or several.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let mut words = words(line)?.into_iter();
        let program = words.next().filter(|word| !word.pattern && !word.text.contains(&b'='))?;
        if program.text.rsplit(|byte| *byte == b'/').next() != Some(b"scp") {
            return None;
        }
        let (mut sends, mut takes, mut folder) = (false, false, false);
        let path = loop {
            let word = words.next()?;
            match word.text.as_slice() {
                b"--" => break words.next()?,
                [b'-', letters @ ..] if !letters.is_empty() && !word.pattern => {
                    for letter in letters {
                        match letter {
                            b'f' => sends = true,
                            b't' => takes = true,
                            b'd' => folder = true,
                            b'r' | b'p' | b'v' | b'q' => {}
                            _ => return None,
                        }
                    }
                }
                _ => break word,
            }
        };
        if words.next().is_some() || sends == takes || path.text.is_empty() || path.text.len() >= MAX_PATH {
            return None;
        }
        let last = path.text.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let into = takes && !path.pattern && (folder || last.is_empty() || [&b"."[..], b"..", b"~"].contains(&last));
        Some(Self { sends, path: path.text, into, pattern: path.pattern })
    }
}

/// The words of a command line in which nothing but quotes has a meaning to the shell.
fn words(line: &[u8]) -> Option<Vec<Word>> {
    if line.len() > MAX_LINE {
        return None;
    }
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        byte => word.text.push(plain(byte)?),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'$' | b'`' => return None,
                        b'\\' => match bytes.next()? {
                            byte @ (b'"' | b'\\' | b'$' | b'`') => word.text.push(byte),
                            byte => word.text.extend([b'\\', plain(byte)?]),
                        },
                        byte => word.text.push(plain(byte)?),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().text.push(plain(bytes.next()?)?),
            b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'$' | b'`' => return None,
            b'#' | b'!' if word.is_none() => return None,
            byte => {
                let word = word.get_or_insert_default();
                word.pattern |= matches!(byte, b'*' | b'?' | b'[' | b']' | b'{' | b'}');
                word.text.push(plain(byte)?);
            }
        }
    }
    words.extend(word);
    Some(words)
}

/// A byte that isn't a control character.
fn plain(byte: u8) -> Option<u8> {
    (!byte.is_ascii_control()).then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<(bool, String, bool, bool)> {
        Command::parse(line.as_bytes()).map(|c| (c.sends, String::from_utf8(c.path).unwrap(), c.into, c.pattern))
    }

    #[test]
    fn what_clients_send_is_told() {
        for (line, sends, path, into, pattern) in [
            ("scp -t /tmp/new", false, "/tmp/new", false, false),
            ("scp -r -p -t /tmp", false, "/tmp", false, false),
            ("scp -v -d -t /tmp", false, "/tmp", true, false),
            ("scp -t .", false, ".", true, false),
            ("scp -t /srv/", false, "/srv/", true, false),
            ("scp -f /tmp/none", true, "/tmp/none", false, false),
            ("/usr/bin/scp -rf ~/x", true, "~/x", false, false),
            ("scp -qrt -- -odd", false, "-odd", false, false),
            ("scp -f '/tmp/a b'\\''s'", true, "/tmp/a b's", false, false),
            ("scp -f \"/tmp/a \\\"b\\x\"", true, "/tmp/a \"b\\x", false, false),
            ("  scp\t-f  /tmp/*.txt ", true, "/tmp/*.txt", false, true),
            ("scp -f '/tmp/*.txt'", true, "/tmp/*.txt", false, false),
            ("scp -t -", false, "-", false, false),
        ] {
            assert_eq!(parse(line), Some((sends, path.to_owned(), into, pattern)), "{line}");
        }
    }

    #[test]
    fn anything_odd_is_not_taken_for_it() {
        for line in [
            "",
            "scp",
            "scp -t",
            "scp -t ''",
            "scp -t --",
            "scp /a host:/b",
            "scp -t -f /a",
            "scp -r /a",
            "scp -t /a /b",
            "scp -S /bin/sh -t /a",
            "scp -ot /a",
            "scp -t /a; id",
            "scp -t /a\nid",
            "scp -t /a && id",
            "scp -t `id`",
            "scp -t $HOME",
            "scp -t \"$HOME\"",
            "scp -t <(id)",
            "scp -t /a > /b",
            "scp -t /a # b",
            "scp -t 'a",
            "scp -t \"a",
            "scp -t a\\",
            "A=/bin/scp -t /a",
            "s[c]p -t /a",
            "sudo scp -t /a",
            "! scp -t /a",
            "escp -t /a",
            "scp -t /a\0b",
            "rsync --server . /a",
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
        assert_eq!(parse(&format!("scp -t {}", "a".repeat(4_096))), None);
        assert_eq!(parse(&format!("scp -t a {}", " ".repeat(20_000))), None);
    }
}
