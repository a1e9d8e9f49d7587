//! The connector against real servers. A missing server is a failure that names what to install.

#[cfg(test)]
mod mint;
#[cfg(test)]
mod revoke;
#[cfg(test)]
mod server;
#[cfg(test)]
mod world;
