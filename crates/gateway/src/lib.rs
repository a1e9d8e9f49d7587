//! The gateway: stands in the path of the bytes of native clients.
//!
//! Owns listeners, identification on the wire, holding, dialling, relaying, recording and the cut. It decides nothing about
//! access: that is the [`Door`](ajar_core::port::Door)'s; and it dials only with a [`Permit`](ajar_core::permit::Permit).
//!
//! | module | owns |
//! | --- | --- |
//! | `config` | what a gateway is told, its limits |
//! | `listener` | the accept loop, limits before authentication, stopping |
//! | `workers` | the threads that carry sessions |
//! | `tls` | server and client TLS configurations, client certificates' names, channel binding |
//! | `stream` | one connection, plain or TLS, without buffers of its own while idle |
//! | `handshake` | a client's first packets, up to who it is |
//! | `session` | the walk of one client: knock, hold, dial, relay, report |
//! | `hold` | waiting for a decision |
//! | `dial` | signing in to the target, with a permit |
//! | `keys` | SCRAM keys per lease |
//! | `relay` | bytes in both directions |
//! | `cut` | until when, and the order to cut |
//! | `record` | the recording |
//! | `cancel` | CancelRequests |
//! | `report` | telling the door how a session ended, exactly once |
//! | `words` | what clients are told |

mod cancel;
mod config;
mod cut;
mod dial;
mod handshake;
mod hold;
mod keys;
mod listener;
mod record;
mod relay;
mod report;
mod session;
mod stream;
mod tls;
mod words;
mod workers;

pub use config::{GatewayConfig, Limits};
pub use listener::{Gateway, GatewayError};
