//! The one binary: command line, server, gateway, demo.

mod cli;
mod client;
mod clock;
mod commands;
mod demo;
mod exit;
mod folder;
mod logs;
mod output;
mod recording;
mod server;

use std::process::ExitCode;

use clap::Parser;

/// Gives memory back that signing in (argon2id takes 19 MiB a time) and bursts of sessions have needed; the system's keeps it. Without huge
/// pages (`no_thp`): with them, an idle server is half as large again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // One TLS library for everything in the process.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        output::say("ajar: a TLS provider was installed twice");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::say(&format!("ajar: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failed(&failure);
            ExitCode::from(failure.code)
        }
    }
}
