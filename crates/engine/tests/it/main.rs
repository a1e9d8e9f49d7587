//! The engine against a world that fails: a store, a target and clocks that are made here, and time that passes when we say so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod alarm;
mod cases;
mod entries;
mod explaining;
mod extending;
mod kill;
mod memory;
mod notices;
mod policies;
mod simulation;
mod target;
mod town;
mod weather;
