//! Logs: for reading on a terminal, one JSON object a line otherwise. `AJAR_LOG` says what is logged (`info` unless said).
//!
//! Libraries only get to say what is wrong, whatever `AJAR_LOG` asks for: at debug level, some write statements with
//! password verifiers in them (I17, L3).

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

fn may_say(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("ajar") || *metadata.level() <= Level::WARN
}

/// Begins logging to standard error, for a server.
pub(crate) fn begin() {
    let filter = EnvFilter::try_from_env("AJAR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::registry().with(filter).with(filter_fn(may_say));
    let begun = if std::io::stderr().is_terminal() {
        base.with(fmt::layer().with_target(false).with_writer(std::io::stderr)).try_init()
    } else {
        base.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
    };
    if begun.is_err() {
        crate::output::say("ajar: logging was begun twice");
    }
}

/// Begins logging what is wrong only, unless `AJAR_LOG` says otherwise: for the demo.
pub(crate) fn begin_quietly() {
    let filter = EnvFilter::try_from_env("AJAR_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    let layer = fmt::layer().with_target(false).with_writer(std::io::stderr);
    if tracing_subscriber::registry().with(filter).with(filter_fn(may_say)).with(layer).try_init().is_err() {
        crate::output::say("ajar: logging was begun twice");
    }
}
