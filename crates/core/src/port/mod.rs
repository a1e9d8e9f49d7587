//! The traits that the outside implements: clock and randomness, the store, the connectors, the SSH authority, and the door that gateways knock on.

mod authority;
mod clock;
mod connector;
mod door;
mod store;

pub use authority::{SshAuthority, SshAuthorityError, SshAuthorityKeys, SshCertify, SshForwarding, SshSubject};
pub use clock::{Clock, Entropy, Mono};
pub use connector::{Connector, ConnectorError, Finding, Found, LeaseSecret, Probe, Severity};
pub use door::{
    Access, Admission, Credential, CutReason, Door, Entry, Held, HeldNotice, Identified, Knock, Opening, Order, OrderFeed, Otherwise,
    Refusal, RefusalKind, SessionReport, Waiting, Wishes,
};
pub use store::{Batch, Effect, Leaf, PendingEffect, RowQuery, SeenBy, Store, StoreError, StoredRow, Tally};
