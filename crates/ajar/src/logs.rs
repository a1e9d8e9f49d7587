//! Logs: for reading on a terminal, one JSON object a line otherwise. `AJAR_LOG` says what is logged (`info` unless said).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins logging to standard error.
pub(crate) fn begin() {
    let filter = EnvFilter::try_from_env("AJAR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let begun = if std::io::stderr().is_terminal() {
        tracing_subscriber::registry().with(filter).with(fmt::layer().with_target(false).with_writer(std::io::stderr)).try_init()
    } else {
        tracing_subscriber::registry().with(filter).with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
    };
    if begun.is_err() {
        crate::output::say("ajar: logging was begun twice");
    }
}

/// Begins logging what is wrong only, unless `AJAR_LOG` says otherwise: for the demo.
pub(crate) fn begin_quietly() {
    let filter = EnvFilter::try_from_env("AJAR_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    let layer = fmt::layer().with_target(false).with_writer(std::io::stderr);
    if tracing_subscriber::registry().with(filter).with(layer).try_init().is_err() {
        crate::output::say("ajar: logging was begun twice");
    }
}
