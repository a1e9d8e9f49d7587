//! The gateway alone: hostile targets, clocks that step, a control plane that is gone.

#![expect(clippy::disallowed_methods, reason = "what is measured is measured by the real clock")]

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod house;
#[cfg(test)]
mod http;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod window;
