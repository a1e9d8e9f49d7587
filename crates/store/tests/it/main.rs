//! The store from outside: the suite, and what happens to its files.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod files;
#[cfg(test)]
mod full;
#[cfg(test)]
mod sqlite;
#[cfg(test)]
mod torn;
