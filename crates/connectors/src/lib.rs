//! What makes, looks over and takes away credentials on targets. One module per kind of resource; none knows another.
//!
//! Never decides who may get in: it does what the engine's leases say, and tells what the target shows.

mod postgres;

pub use postgres::{PostgresConnector, SecretResolver, Setup, Step, StepHook, Then, Timeouts};
