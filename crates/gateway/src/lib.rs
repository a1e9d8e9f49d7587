//! The gateway: stands in the path of the bytes of native clients.
//!
//! Owns listeners, identification on the wire, holding, dialling, relaying, recording and the cut. It decides nothing about
//! access: that is the [`Door`](ajar_core::port::Door)'s; and it dials only with a [`Permit`](ajar_core::permit::Permit).
//!
//! | module | owns |
//! | --- | --- |
//! | `config` | what a gateway is told, its limits |
//! | `listener` | the accept loop, limits before authentication, stopping |
//! | `places` | so many connections in all and from one address |
//! | `workers` | the threads that carry sessions |
//! | `tls` | server and client TLS configurations, client certificates' names, channel binding |
//! | `cut` | until when, and the order to cut |
//! | `record` | the recording |
//! | `lines`, `keeper` | lines on their way to it; what holds a session's deadline and recording |
//! | `report` | telling the door how a session ended, exactly once |
//! | `postgres`, `http`, `ssh` | one protocol each |

mod config;
mod cut;
mod http;
mod keeper;
mod lines;
mod listener;
mod places;
mod postgres;
mod record;
mod report;
mod ssh;
mod tls;
mod workers;

pub use config::{GatewayConfig, HttpCertificate, Limits, SecretResolver};
pub use http::HttpProbe;
pub use listener::{Gateway, GatewayError};
pub use places::{Place, Places};
pub use ssh::{SshConfig, SshHosts, SshHostsSetup};
