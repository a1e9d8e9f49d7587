//! The command line.

pub(crate) mod rehearse;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Just-in-time access: ask, get it decided, get in with the clients you have, prove it.
#[derive(Debug, Parser)]
#[command(name = "ajar", version, propagate_version = true, infer_subcommands = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// The server. Also AJAR_URL; else the one that was signed in to last
    #[arg(long, global = true, env = "AJAR_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// How to write what was asked for
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading
    Table,
    /// For programs
    Json,
    /// For programs that would rather read YAML
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in: by a page in a browser, or with name and password
    Login(Login),
    /// Forget the token, here and on the server
    Logout,
    /// Who you are
    Whoami,
    /// Change your password
    Passwd(Passwd),
    /// Make another token: for a client, or with fewer rights
    Token(Token),
    /// How things stand
    Status,
    /// What you may ask for, and what is open
    Ls,
    /// Ask for a role on a resource
    Request(Request),
    /// Requests: yours, or one in detail
    Requests(List),
    /// What waits for your decision
    Inbox,
    /// What you are told: who asks you, what others decided, what became of what is yours
    Notices(Notices),
    /// Approve a request
    Approve(Approve),
    /// Deny a request
    Deny(Review),
    /// Take back your approve of a request that is still pending
    TakeBack(Id),
    /// Say or ask something about a request, without deciding
    Comment(Comment),
    /// Take back a request of yours
    Withdraw(Id),
    /// Reviews that are owed for emergencies
    Debts,
    /// Review an emergency: it was right
    Acknowledge(Review),
    /// Review an emergency: it was not right; what is still open of it closes
    Object(Review),
    /// Lock a resource, or user:NAME: cut what is open, and open nothing until it is unlocked
    Lock(Lock),
    /// Lift a lock
    Unlock(Id),
    /// What is locked
    Locks,
    /// Have somebody else asked instead of you, for a time
    Delegate(Delegate),
    /// End a delegation
    Undelegate(Id),
    /// Who stands in for whom
    Delegations,
    /// Approve beforehand what somebody is to ask for
    Preapprove(Preapprove),
    /// End a pre-approval
    Unpreapprove(Id),
    /// What is approved beforehand: by you, and for you
    Preapprovals,
    /// Grants: yours, or one in detail with its logins and their proof
    Grants(List),
    /// Every access of a time, with its reasons, reviewers and proof: for auditors and operators
    Accesses(Accesses),
    /// Ask to go on with a grant of yours: once approved, its sessions go on without a break
    Extend(Extend),
    /// Give back a grant of yours: its sessions end at once
    Return(Id),
    /// Take away a grant: for operators and owners. Its sessions end at once
    Revoke(Id),
    /// Sessions: yours; all of them for auditors and operators. Watch one, end one
    Sessions(Sessions),
    /// What happened in a session
    ///
    /// On a terminal, what a terminal showed is played: space pauses and goes on, '.' shows the next frame meanwhile, the arrows go 10 s back
    /// and forward, '+' and '-' change the speed, /TEXT and n look for a text, q quits. Everything else, and without a terminal, is shown as
    /// lines.
    Replay(Replay),
    /// psql on a resource, through the gateway
    Psql(Psql),
    /// ssh to a host, through the gateway
    Ssh(Ssh),
    /// Run a command with what it needs to get into resources in its environment: NAME_URL, NAME_TOKEN, NAME_CA_FILE
    Run(Run),
    /// Have an HTTP API on a local port, until the grant's end
    Proxy(Proxy),
    /// Settings for native clients
    #[command(subcommand)]
    Setup(Setup),
    /// The ledger: what happened, with proof
    #[command(subcommand)]
    Ledger(Ledger),
    /// The rules
    #[command(subcommand)]
    Policy(Policy),
    /// Prove that targets are set up right: for operators
    Doctor(Doctor),
    /// The server
    #[command(subcommand)]
    Server(Server),
    /// Everything on this machine, with a sample database, to try it
    Demo(Demo),
    /// Completion for a shell
    Completion {
        /// Which
        shell: clap_complete::Shell,
    },
    /// For native clients, which call it themselves
    #[command(subcommand, hide = true)]
    Helper(Helper),
    /// For building
    #[command(subcommand, hide = true)]
    Internal(Internal),
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Your name
    pub(crate) name: Option<String>,
    /// Ask for the password here, and use no browser
    #[arg(long)]
    pub(crate) password: bool,
    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Only print the link, and don't open a browser
    #[arg(long, conflicts_with_all = ["password", "password_stdin"])]
    pub(crate) no_browser: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Passwd {
    /// Somebody else: for operators
    pub(crate) name: Option<String>,
    /// Read from standard input: the current password (unless for somebody else), then the new one, a line each
    #[arg(long)]
    pub(crate) stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// What it is for
    #[arg(long, default_value = "made with ajar token")]
    pub(crate) label: String,
    /// What it may do
    #[arg(long, value_enum, default_value_t = Scope::Connect)]
    pub(crate) scope: Scope,
    /// For how long: 12h unless said
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) life: Option<String>,
    /// Take back the token with this id instead
    #[arg(long, value_name = "ID", conflicts_with_all = ["life", "scope", "label"])]
    pub(crate) revoke: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Scope {
    /// Everything you may
    Full,
    /// Only connect through the gateway
    Connect,
    /// Only read
    Read,
}

#[derive(Debug, Args)]
pub(crate) struct Request {
    /// The resource
    #[arg(required_unless_present = "again")]
    pub(crate) resource: Option<String>,
    /// The role; the resource's default unless said
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// For how long: 30m, 2h; the rule's default unless said
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// The ticket
    #[arg(long)]
    pub(crate) ticket: Option<String>,
    /// What exactly it is to be used for
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// When it is to begin, with a zone: 2026-01-31T17:00:00+01:00; as soon as it is approved, unless said
    #[arg(long, value_name = "INSTANT")]
    pub(crate) at: Option<String>,
    /// Only show what would come of it: the same as 'ajar policy explain'
    #[arg(long, conflicts_with_all = ["again", "also", "wait"])]
    pub(crate) dry_run: bool,
    /// It can't wait: open at once where a rule lets you, alert people, owe a review
    #[arg(long, conflicts_with = "at")]
    pub(crate) emergency: bool,
    /// Something else together with it: another resource, or RESOURCE/ROLE; may be given several times
    #[arg(long, value_name = "RESOURCE[/ROLE]", conflicts_with = "emergency")]
    pub(crate) also: Vec<String>,
    /// For somebody else, where a rule lets you
    #[arg(long, value_name = "NAME", conflicts_with = "emergency")]
    pub(crate) on_behalf_of: Option<String>,
    /// The same as an earlier request, but for what is said here
    #[arg(long, value_name = "ID", conflicts_with = "resource")]
    pub(crate) again: Option<String>,
    /// Wait until it is decided, or for so long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "24h", value_parser = time)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// The grant: its id, or the end of it
    pub(crate) id: String,
    /// How much longer: 30m, 2h; the rule's default unless said
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// The ticket
    #[arg(long)]
    pub(crate) ticket: Option<String>,
    /// What exactly it is to be used for
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// Wait until it is decided, or for so long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "24h", value_parser = time)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// One in detail
    pub(crate) id: Option<String>,
    /// In these states, with commas between
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// On this resource
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// Everybody's that you may see, not only yours
    #[arg(long)]
    pub(crate) all: bool,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
    /// Older than this one
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Accesses {
    /// Open at this instant or later, such as 2026-01-01T00:00:00Z; 92 days before the end unless said
    #[arg(long, value_name = "INSTANT")]
    pub(crate) from: Option<String>,
    /// Open before this instant; now unless said
    #[arg(long, value_name = "INSTANT")]
    pub(crate) to: Option<String>,
    /// Of whom
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// On what
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// As comma-separated values, safe for spreadsheets
    #[arg(long)]
    pub(crate) csv: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Notices {
    /// Go on with new ones as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only those after this one
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<u64>,
    /// At most so many to begin with
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(crate) review: Review,
    /// For no longer than this
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Only this of what was asked; may be given several times
    #[arg(long, value_name = "RESOURCE/ROLE", value_parser = ask)]
    pub(crate) only: Vec<ajar_api::model::Ask>,
}

fn ask(text: &str) -> Result<ajar_api::model::Ask, String> {
    let (resource, role) = text.split_once('/').ok_or("write it like orders-db/read")?;
    Ok(ajar_api::model::Ask { resource: resource.to_owned(), role: role.to_owned() })
}

#[derive(Debug, Args)]
pub(crate) struct Comment {
    /// The request: its id, the end of it, or its link
    pub(crate) id: String,
    /// What to say
    pub(crate) text: String,
}

#[derive(Debug, Args)]
pub(crate) struct Review {
    /// The request: its id, the end of it, or its link
    pub(crate) id: String,
    /// For everyone involved
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// A resource, or user:NAME
    #[arg(value_name = "RESOURCE|user:NAME")]
    pub(crate) what: String,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Delegate {
    /// Who is asked instead
    pub(crate) to: String,
    /// For how long: 3d
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: String,
    /// From when, with a zone: 2026-01-31T17:00:00+01:00; now unless said
    #[arg(long, value_name = "INSTANT")]
    pub(crate) from: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Preapprove {
    /// Who would get in
    pub(crate) user: String,
    /// Into what: a resource, or RESOURCE/ROLE
    pub(crate) what: String,
    /// For how long requests find it: 12h
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: String,
    /// From when, with a zone: 2026-01-31T17:00:00+01:00; now unless said
    #[arg(long, value_name = "INSTANT")]
    pub(crate) from: Option<String>,
    /// Only requests of at most so long
    #[arg(long, value_name = "TIME")]
    pub(crate) most: Option<String>,
    /// A note for everyone involved
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// Its id, the end of it, or its link
    pub(crate) id: String,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    pub(crate) one: Option<OneSession>,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OneSession {
    /// A session as it happens, to its end
    Watch(Watch),
    /// End a session at once: your own; for operators and owners, others' too. Its grant stays open
    Kill(Kill),
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The session: its id, or the end of it
    pub(crate) id: String,
    /// Only what comes from now on, as lines
    #[arg(long)]
    pub(crate) now: bool,
    /// Lines, also of what has a terminal
    #[arg(long)]
    pub(crate) list: bool,
    /// The channel to show, of several: the first with a terminal, unless said
    #[arg(long, value_name = "N")]
    pub(crate) channel: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Kill {
    /// The session: its id, or the end of it
    pub(crate) id: String,
    /// Why: for whoever is in it, and for the ledger
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The session
    pub(crate) id: String,
    /// Lines, also of what has a terminal
    #[arg(long)]
    pub(crate) list: bool,
    /// Only lines that hold this text, with their time; of terminals: as they showed it
    #[arg(long, visible_alias = "grep", value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// How many times as fast as it was
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = factor)]
    pub(crate) speed: f64,
    /// Wait no longer than this when nothing happens
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = time)]
    pub(crate) max_idle: Duration,
    /// Begin there: 1:30, 1:02:03, or seconds
    #[arg(long, value_name = "M:SS", value_parser = offset)]
    pub(crate) at: Option<Duration>,
    /// The channel to play, of several: the first with a terminal, unless said
    #[arg(long, value_name = "N")]
    pub(crate) channel: Option<u64>,
    /// Write the channel as an asciicast (version 2), for asciinema and players on web pages; - is standard output. What was sent stays in it
    /// as it was: a player may not be as careful with it as this one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "search", "at"])]
    pub(crate) cast: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Psql {
    /// The resource
    pub(crate) resource: String,
    /// The role; the resource's default unless said
    #[arg(long)]
    pub(crate) role: Option<String>,
    #[command(flatten)]
    pub(crate) wishes: Wishes,
    /// For psql
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
}

/// What is said if something has to be asked for.
#[derive(Debug, Args)]
pub(crate) struct Wishes {
    /// For how long, if it has to be asked for
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Why, if it has to be asked for
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// The ticket, if it has to be asked for
    #[arg(long)]
    pub(crate) ticket: Option<String>,
    /// What exactly it is to be used for, if it has to be asked for
    #[arg(long)]
    pub(crate) scope: Option<String>,
}

/// The same, and how long it is waited for.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    pub(crate) wishes: Wishes,
    /// How long to wait for the decision: 10m unless said
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A resource, or RESOURCE/ROLE; may be there several times
    #[arg(long, required = true, value_name = "RESOURCE")]
    pub(crate) with: Vec<String>,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// The resource
    pub(crate) resource: String,
    /// The role; the resource's default unless said
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// The local port; a free one unless said
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Setup {
    /// A service for each PostgreSQL resource, so that `psql service=NAME` works, in any client that uses libpq
    Pg {
        /// Only show it
        #[arg(long, conflicts_with = "undo")]
        print: bool,
        /// Take it out again
        #[arg(long)]
        undo: bool,
        /// For how long its token is good
        #[arg(long = "for", value_name = "TIME")]
        life: Option<String>,
    },
    /// Each SSH host in ~/.ssh/config, so that `ssh NAME` goes through the gateway, and so does whatever uses ssh
    Ssh {
        /// Only show it
        #[arg(long, conflicts_with = "undo")]
        print: bool,
        /// Take it out again
        #[arg(long)]
        undo: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Ssh {
    /// The resource
    pub(crate) resource: String,
    /// The role; the resource's default unless said
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// The unix user; the role's first unless said
    #[arg(long)]
    pub(crate) login: Option<String>,
    #[command(flatten)]
    pub(crate) wishes: Wishes,
    /// Go to the host itself, past the gateway, where the role allows that: it is not recorded
    #[arg(long)]
    pub(crate) direct: bool,
    /// How long to wait for the decision: 10m unless said. Through the gateway, the connection itself waits
    #[arg(long, value_name = "TIME", value_parser = time, requires = "direct")]
    pub(crate) wait: Option<Duration>,
    /// The only address that the host takes you from; the one that the server sees, unless said
    #[arg(long, value_name = "ADDRESS", requires = "direct")]
    pub(crate) source_address: Option<std::net::IpAddr>,
    /// For ssh: options, a command
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Helper {
    /// Has a certificate ready for ssh, which calls this before it connects
    Ssh {
        /// The host as it was named
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// The newest events
    Tail {
        /// So many
        #[arg(short, default_value_t = 20)]
        number: u32,
        /// Go on with new ones as they come
        #[arg(short, long)]
        follow: bool,
    },
    /// Events by kind and text, newest first
    Search {
        /// A text that the event holds: an id, a name
        text: Option<String>,
        /// Kinds that begin so: grant.
        #[arg(long)]
        kind: Option<String>,
        /// Older than this sequence number
        #[arg(long)]
        before: Option<u64>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// The whole ledger, for an auditor
    Export {
        /// Where to; standard output unless said
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Check an export without a server
    Verify {
        /// The export; - is standard input
        file: PathBuf,
        /// The ledger's key, as `ajar ledger key` gave it: kept apart from the server
        #[arg(long, value_name = "KEY|FILE")]
        key: String,
        /// A checkpoint that was kept: everything it signed must still be there
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// The proof that an event is in the ledger: a file that can be checked without a server
    Proof {
        /// The event's sequence number
        seq: u64,
        /// Where to; standard output unless said
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Check the proof of an event without a server
    Prove {
        /// The file, as `ajar ledger proof` wrote it; - is standard input
        file: PathBuf,
        /// The ledger's key, as `ajar ledger key` gave it: kept apart from the server
        #[arg(long, value_name = "KEY|FILE")]
        key: String,
    },
    /// How the ledger stands: its size and root, the last checkpoint, the last verification
    Status {
        /// Have the server read and hash all of it again first
        #[arg(long)]
        verify: bool,
    },
    /// The key that checks the ledger's signatures: keep it apart from the server
    Key,
    /// Sign the ledger as it is now: keep it apart from the server
    Checkpoint,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Show what differs between a directory of files and what is in force, and put it in force: for operators
    Apply(Apply),
    /// Show what differs between a directory of files and what is in force, and what would come of it: for auditors and operators
    Diff(Diff),
    /// Show who put what in force, when, and from which commit: for auditors and operators
    Log {
        /// At most so many, the newest
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// What would come of a request, and why: which rules match, what they ask for, who could decide
    Explain(Explain),
    /// Run the tests of a directory, and show what they cover
    Test(rehearse::Test),
    /// Find rules of a directory that can't be meant so
    Lint(rehearse::Lint),
    /// What would come of a request under the rules of a directory, without a server
    Simulate(rehearse::Simulate),
    /// What the rules of a directory would have changed about the requests of the past: for auditors and operators
    Replay(rehearse::Rehearse),
    /// What the past suggests about the rules: for auditors and operators
    Suggest(rehearse::Suggest),
    /// Check a directory without a server
    Check {
        /// The directory
        dir: PathBuf,
    },
    /// The JSON Schema of the files
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The directory
    pub(crate) dir: PathBuf,
    /// The commit it comes from; asked of git unless said
    #[arg(long)]
    pub(crate) commit: Option<String>,
    /// Only if this is in force now: the hash that 'ajar policy diff' told, or 'none'
    #[arg(long, value_name = "HASH")]
    pub(crate) expect: Option<String>,
    /// Only show what would come of it: the same as 'ajar policy diff'
    #[arg(long, conflicts_with_all = ["commit", "expect"])]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The directory
    pub(crate) dir: PathBuf,
    /// End with 1 when something differs
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The resource
    pub(crate) resource: String,
    /// The role; the resource's default unless said
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// For how long: 30m, 2h; the rules' default unless said
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// The ticket
    #[arg(long)]
    pub(crate) ticket: Option<String>,
    /// What exactly it is to be used for
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// It can't wait
    #[arg(long)]
    pub(crate) emergency: bool,
    /// When it would begin, with a zone: 2026-01-31T02:00:00+01:00; now unless said
    #[arg(long, value_name = "INSTANT")]
    pub(crate) at: Option<String>,
    /// For somebody else
    #[arg(long, value_name = "NAME")]
    pub(crate) on_behalf_of: Option<String>,
    /// Who would ask: for auditors and operators; you, unless said
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only this one
    pub(crate) resource: Option<String>,
    /// A host, behind 'ssh': the same as the host alone
    #[arg(requires = "resource", value_name = "HOST")]
    pub(crate) host: Option<String>,
}

impl Doctor {
    /// The one resource to check; nothing of two names, unless the first is `ssh`.
    pub(crate) fn only(&self) -> Result<Option<&str>, &str> {
        match (self.resource.as_deref(), self.host.as_deref()) {
            (Some("ssh"), Some(host)) => Ok(Some(host)),
            (Some(_) | None, Some(more)) => Err(more),
            (only, None) => Ok(only),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Server {
    /// Make a data directory with keys, and a configuration file
    Init {
        /// The configuration file to make
        #[arg(long, default_value = "ajar.toml")]
        config: PathBuf,
        /// Names and addresses under which clients reach this machine
        #[arg(long = "name", value_name = "NAME", default_values = ["localhost", "127.0.0.1"])]
        names: Vec<String>,
        /// The first user, who may operate and audit
        #[arg(long, value_name = "NAME")]
        admin: Option<String>,
    },
    /// Serve
    Run {
        /// The configuration file
        #[arg(long, default_value = "ajar.toml", env = "AJAR_CONFIG")]
        config: PathBuf,
    },
    /// Set a user's password while the server doesn't run
    Passwd {
        /// The configuration file
        #[arg(long, default_value = "ajar.toml", env = "AJAR_CONFIG")]
        config: PathBuf,
        /// Whose
        name: String,
        /// Read it from standard input
        #[arg(long)]
        stdin: bool,
    },
    /// Remove all passkeys of somebody who has lost theirs, while the server doesn't run
    ForgetPasskeys {
        /// The configuration file
        #[arg(long, default_value = "ajar.toml", env = "AJAR_CONFIG")]
        config: PathBuf,
        /// Whose
        name: String,
    },
    /// Make the projections (what lists show) anew from the events, while the server doesn't run
    Rebuild {
        /// The configuration file
        #[arg(long, default_value = "ajar.toml", env = "AJAR_CONFIG")]
        config: PathBuf,
    },
    /// Copy the store to a file, also while the server runs
    Backup {
        /// The configuration file
        #[arg(long, default_value = "ajar.toml", env = "AJAR_CONFIG")]
        config: PathBuf,
        /// The file to make
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where everything goes; a folder under the system's temporary one unless said
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// PostgreSQL's programs for the sample target; looked for unless said
    #[arg(long, value_name = "DIR", env = "AJAR_POSTGRES_BIN")]
    pub(crate) postgres_bin: Option<PathBuf>,
    /// The API listens on this port of loopback, the gateway's doors on the next three; 0 takes free ones
    #[arg(long, value_name = "N", default_value_t = 7431)]
    pub(crate) port_base: u16,
    /// Write where everything is to this file, as JSON, once it is ready
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Internal {
    /// The JSON Schema of the files
    Schema,
    /// The API's OpenAPI document
    Openapi,
}

/// A length of time, as everywhere: `90s`, `30m`, `2h`.
fn factor(text: &str) -> Result<f64, String> {
    let factor = text.trim_end_matches('x').parse().ok().filter(|factor: &f64| (0.0625..=64.0).contains(factor));
    factor.ok_or_else(|| "a number from 0.0625 to 64".to_owned())
}

fn offset(text: &str) -> Result<Duration, String> {
    let bad = || "a time is written like 1:30, 1:02:03 or 90".to_owned();
    let mut seconds = 0u64;
    for (n, part) in text.split(':').enumerate() {
        let part: u64 = part.parse().map_err(|_| bad())?;
        if n > 2 || (n > 0 && part > 59) {
            return Err(bad());
        }
        seconds = seconds.checked_mul(60).and_then(|s| s.checked_add(part)).ok_or_else(bad)?;
    }
    Ok(Duration::from_secs(seconds))
}

fn time(text: &str) -> Result<Duration, String> {
    let span: ajar_core::time::Span = text.parse().map_err(|_| "a length of time is written like 90s, 30m or 2h".to_owned())?;
    Ok(span.into())
}
