//! Trying rules out.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The directory
    pub(crate) dir: PathBuf,
    /// Fail when the tests touch less than this share of rules and conditions
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) min_coverage: Option<u8>,
}

#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The directory
    pub(crate) dir: PathBuf,
    /// Fail on warnings too
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The directory
    pub(crate) dir: PathBuf,
    /// The resource
    pub(crate) resource: String,
    /// Who asks
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
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
    /// When it would begin, with a zone: 2026-12-24T08:00[Europe/Berlin]; now unless said
    #[arg(long, value_name = "INSTANT")]
    pub(crate) at: Option<String>,
    /// For somebody else
    #[arg(long, value_name = "NAME")]
    pub(crate) on_behalf_of: Option<String>,
    /// Show the rules that don't match too
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// The directory
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, Args)]
pub(crate) struct Suggest {
    /// The directory, for a ledger that was exported; the server's rules in force without one
    #[arg(requires = "ledger")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) past: Past,
}

#[derive(Debug, Args)]
pub(crate) struct Past {
    /// Only what was asked for so lately: 30d; 90d unless said, all of an exported ledger
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// An exported ledger, instead of the server's
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// The key that its signature is checked with: text or a file
    #[arg(long, requires = "ledger")]
    pub(crate) key: Option<String>,
    /// How to show it
    #[arg(long, value_enum)]
    pub(crate) format: Option<Shape>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// For reading
    Table,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
}
