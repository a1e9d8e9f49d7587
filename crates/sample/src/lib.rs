//! Sample targets: real servers, started on loopback as an unprivileged account, for the demo and for tests.
//!
//! Nothing here is part of the product's main job. What is started ends with its handle, or with the process that holds it,
//! however that ends: a shell waits for the end of a pipe that we hold.

mod api;
mod orders;
mod port;
mod programs;
mod server;
mod ssh;

pub use api::Api;
pub use orders::{ADMIN, DATABASE, seed};
pub use port::free_port;
pub use programs::Programs;
pub use server::{Options, Postgres};
pub use ssh::SshHost;

/// Why a sample can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// PostgreSQL's programs are not there.
    #[error("PostgreSQL is not in {0}: on Debian, apt-get install postgresql; or run `cargo xtask demo`, which fetches it")]
    NoPrograms(String),
    /// The system refused something.
    #[error("cannot {doing}")]
    Io {
        /// What.
        doing: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which.
        program: &'static str,
        /// Its last words.
        said: String,
    },
    /// It was asked something and refused.
    #[error("the sample refused")]
    Refused(#[from] tokio_postgres::Error),
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
}

impl SampleError {
    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
