//! The core against a naive reader of its own log.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod extending;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod office;
#[cfg(test)]
mod reminders;
