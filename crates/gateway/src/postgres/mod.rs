//! PostgreSQL: native clients, logins that are minted for a grant, statements recorded.
//!
//! | module | owns |
//! | --- | --- |
//! | `handshake` | a client's first packets, up to who it is |
//! | `session` | the walk of one client: knock, hold, dial, relay, report |
//! | `hold` | waiting for a decision |
//! | `dial` | signing in to the target, with a permit |
//! | `keys` | SCRAM keys per lease |
//! | `stream` | one connection, plain or TLS, without buffers of its own while idle |
//! | `relay` | bytes in both directions |
//! | `line` | a statement's line in a recording |
//! | `cancel` | CancelRequests |
//! | `words` | what clients are told |

mod cancel;
mod dial;
mod handshake;
mod hold;
mod keys;
mod line;
mod relay;
mod session;
mod stream;
mod words;

use std::sync::Arc;

use rustls::ServerConfig;

pub(crate) use session::serve;

/// The protocol's name in TLS (PostgreSQL 17: direct TLS must name it).
const ALPN: &[u8] = b"postgresql";

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) keys: keys::Keys,
    pub(crate) cancels: Arc<cancel::Cancels>,
}

impl Shared {
    /// With this identity towards clients.
    pub(crate) fn new(mut tls: ServerConfig) -> Self {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        Self { tls: Arc::new(tls), keys: keys::Keys::default(), cancels: Arc::default() }
    }
}
