//! The crate from outside.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod ssh;
