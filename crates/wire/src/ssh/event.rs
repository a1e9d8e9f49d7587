//! What the observers say.

/// What was seen. All bytes in it come from the client or the target: untrusted, not necessarily UTF-8, and cut at
/// [`super::MAX_PATH`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file was closed, or was still open when the channel ended.
    File(File),
    /// A file was not opened, or nobody can say whether it was.
    OpenFailed {
        /// Its path.
        path: Vec<u8>,
        /// As in [`File::named`].
        named: Option<Vec<u8>>,
        /// What it was to be opened for.
        opened: OpenFlags,
        /// [`Answer::Refused`] or [`Answer::Missing`].
        answer: Answer,
    },
    /// A file was opened beyond the number that is followed: what happens in it is not seen.
    Unfollowed {
        /// Its path.
        path: Vec<u8>,
        /// What it was opened for.
        opened: OpenFlags,
    },
    /// A directory was opened to be listed.
    Listed {
        /// Its path.
        path: Vec<u8>,
    },
    /// Something other than a file's content was to be changed.
    Changed(Change),
    /// An extension that is not known here was used.
    Extension {
        /// Its name.
        name: Vec<u8>,
        /// What became of it.
        answer: Answer,
    },
    /// The conversation can't be read from here on. What was open or unanswered follows; behind it comes nothing.
    Confused {
        /// Whose bytes they were.
        side: Side,
        /// Why.
        why: Confusion,
    },
}

/// One opening of a file, from its open to its close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, as the client said it.
    pub path: Vec<u8>,
    /// Only of `scp`: the name that the sender announced, where `path` may be a directory that holds it, a pattern, or the file
    /// itself: nobody but the target knows.
    pub named: Option<Vec<u8>>,
    /// What it was opened for.
    pub opened: OpenFlags,
    /// What the client got of it.
    pub read: Transfer,
    /// What the client put into it.
    pub written: Transfer,
    /// The target has told the client where the file ends, right behind what `read` has.
    pub reached_end: bool,
    /// It was closed, and the target said that this went well. Of `scp`: all that was announced has passed, and both ends
    /// have said that it went well.
    pub complete: bool,
}

impl File {
    /// Which way its content went; None when none did.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match (self.read.bytes > 0, self.written.bytes > 0) {
            (true, false) => Some(Direction::Read),
            (false, true) => Some(Direction::Written),
            (true, true) => Some(Direction::Both),
            (false, false) => None,
        }
    }
}

/// Which way a content went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Read,
    /// From the client.
    Written,
    /// Both.
    Both,
}

/// What went one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes of content: what the target handed out, or what it said it has taken. Of `scp`: what has passed.
    pub bytes: u64,
    /// Of what.
    pub digest: Digest,
    /// Reads or writes that the target refused; the end of a file is no refusal.
    pub failed: u64,
}

/// What is known of a content by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256 of the [`Transfer`]'s bytes, which went in one piece, from offset 0 upwards and in order, all of them taken.
    /// It is the whole file's where the file was read to its end, or was empty or cut to this length when it was written.
    Whole([u8; 32]),
    /// They went with holes, out of order, or over one another, or the file was changed by other means too.
    Pieces,
}

/// What a file is opened for, as SFTP has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags(
    /// `SSH_FXF_*` (draft-ietf-secsh-filexfer-02, 6.3).
    pub u32,
);

impl OpenFlags {
    /// SSH_FXF_READ.
    pub const READ: Self = Self(0x01);
    /// SSH_FXF_WRITE.
    pub const WRITE: Self = Self(0x02);
    /// SSH_FXF_APPEND.
    pub const APPEND: Self = Self(0x04);
    /// SSH_FXF_CREAT.
    pub const CREATE: Self = Self(0x08);
    /// SSH_FXF_TRUNC.
    pub const TRUNCATE: Self = Self(0x10);
    /// SSH_FXF_EXCL.
    pub const EXCLUSIVE: Self = Self(0x20);

    /// Whether all of the other's flags are among these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both's flags.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What the target said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was refused.
    Refused {
        /// Of SFTP `SSH_FX_*`; of `scp` 1 or 2. 0 where the target said neither yes nor no.
        code: u32,
        /// The text beside it, cut at [`super::MAX_REASON`].
        reason: Vec<u8>,
    },
    /// No answer was seen: it may have been done.
    Missing,
}

/// What was asked to be changed, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub operation: Operation,
    /// Of what. Empty for a handle whose file isn't followed.
    pub path: Vec<u8>,
    /// What became of it.
    pub answer: Answer,
}

/// A change of something other than a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The file is removed.
    Remove,
    /// The directory is made.
    MakeDir,
    /// The directory is removed.
    RemoveDir,
    /// It gets another name.
    Rename {
        /// The name.
        to: Vec<u8>,
        /// Whether what had that name is replaced (`posix-rename@openssh.com`).
        replace: bool,
    },
    /// A symbolic link is made: `path` is the link. The arguments are taken in OpenSSH's order, which isn't the draft's.
    Symlink {
        /// What it points to.
        to: Vec<u8>,
    },
    /// `path` gets one more name (`hardlink@openssh.com`).
    Hardlink {
        /// The name.
        to: Vec<u8>,
    },
    /// Attributes are set.
    SetStat {
        /// The length that the content is cut or extended to.
        size: Option<u64>,
        /// User and group id.
        owner: Option<(u32, u32)>,
        /// The mode's bits.
        mode: Option<u32>,
        /// Access and modification time, in seconds since 1970.
        times: Option<(u32, u32)>,
        /// Of a link itself (`lsetstat@openssh.com`).
        link: bool,
    },
    /// The target itself copies from one open file into another, which is `path` (`copy-data`).
    CopyFrom {
        /// The source's path. Empty for a handle whose file isn't followed.
        from: Vec<u8>,
        /// From there on.
        offset: u64,
        /// So many bytes; 0 stands for all.
        bytes: u64,
    },
}

/// Who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The target.
    Server,
}

/// Why a conversation can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Confusion {
    /// No packet has that length: 0, or more than is followed.
    #[error("a packet claims a length of {0}")]
    Length(u32),
    /// A packet's fields don't fit into it.
    #[error("a packet of type {0} is malformed")]
    Malformed(u8),
    /// The first packet isn't the one that SFTP begins with.
    #[error("the conversation begins with a packet of type {0}")]
    Beginning(u8),
    /// The target speaks a version that isn't followed.
    #[error("version {0} of the protocol")]
    Version(u32),
    /// A request's id is that of one that has no answer yet.
    #[error("request {0} is asked twice")]
    RepeatedId(u32),
    /// More waits for an answer than is remembered.
    #[error("too much waits for an answer")]
    TooMuchAsked,
    /// A line of `scp` that it doesn't have.
    #[error("no such line")]
    Line,
    /// A line of `scp`, or what its directories add up to, is longer than is followed.
    #[error("a line or a directory is too long or too deep")]
    TooLong,
    /// An answer of `scp` that fits nothing it could be for.
    #[error("an answer out of step")]
    OutOfStep,
}
