//! The store from outside: the suite, and what happens to its files.

mod sqlite;
