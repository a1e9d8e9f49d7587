//! The connector against real servers. A missing server is a failure that names what to install.

#[cfg(test)]
mod boundary;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod mint;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod prolong;
#[cfg(test)]
mod revoke;
#[cfg(test)]
mod server;
#[cfg(test)]
mod world;
