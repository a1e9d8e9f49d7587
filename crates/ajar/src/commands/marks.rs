//! What we write into a file of the user's: between two marks, so that it can be found and taken out again.

use std::path::Path;

use crate::client::write_private;
use crate::exit::{Code, Failure};

/// The lines between which our part is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
}

impl Marks {
    /// Our part of a file.
    pub(super) fn around(self, text: &str) -> String {
        format!("{}\n{text}{}\n", self.begin, self.end)
    }

    /// Our part of the file, if it is there.
    pub(super) fn find(self, text: &str) -> Option<&str> {
        let (_, rest) = text.split_once(self.begin)?;
        rest.split_once(self.end).map(|(part, _)| part)
    }

    /// The file without our part. What others wrote stays as it is, byte by byte.
    pub(super) fn without(self, text: &str) -> Result<String, Failure> {
        let Some((before, rest)) = text.split_once(self.begin) else { return Ok(text.to_owned()) };
        let Some((_, after)) = rest.split_once(self.end) else {
            return Err(Failure::new(Code::Error, "Ajar's first marker is there, its last is not")
                .hint(format!("put the line '{}' back, or take the part out by hand", self.end)));
        };
        Ok(format!("{before}{}", after.strip_prefix('\n').unwrap_or(after)))
    }
}

pub(super) fn read_or_empty(path: &Path) -> Result<String, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::new(Code::Error, format!("cannot read {}: {error}", path.display()))),
    }
}

/// Replaces a file of the user's; a new one is theirs alone.
pub(super) fn write_keeping_mode(path: &Path, text: &str) -> Result<(), Failure> {
    let mode = std::fs::metadata(path).map(|m| m.permissions()).ok();
    // A link stays a link.
    let path = match std::fs::canonicalize(path) {
        Ok(path) => path,
        Err(_) if path.is_symlink() => {
            return Err(Failure::new(Code::Error, format!("{} leads to a file that isn't there", path.display())));
        }
        Err(_) => path.to_owned(),
    };
    write_private(&path, text.as_bytes())?;
    if let Some(mode) = mode {
        std::fs::set_permissions(&path, mode)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks { begin: "# >>> x", end: "# <<< x" };

    #[test]
    fn what_others_wrote_stays_byte_by_byte() {
        let part = MARKS.around("a\nb\n");
        for theirs in ["", "[mine]\nhost=x\n", "[mine]\nhost=x\n\n# end\n", "no newline", "\r\n"] {
            assert_eq!(MARKS.without(&format!("{theirs}{part}")).unwrap(), theirs);
            assert_eq!(MARKS.without(&format!("{part}{theirs}")).unwrap(), theirs);
            assert_eq!(MARKS.without(&format!("{theirs}{part}[later]\n")).unwrap(), format!("{theirs}[later]\n"));
            assert_eq!(MARKS.without(theirs).unwrap(), theirs);
        }
        assert_eq!(MARKS.find(&format!("x\n{part}y")), Some("\na\nb\n"));
        assert!(MARKS.without(MARKS.begin).is_err());
    }
}
