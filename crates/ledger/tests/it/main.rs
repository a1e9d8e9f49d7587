//! The crate from outside: logs, their exports, and what people do to them.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod tampered;
#[cfg(test)]
mod world;
