//! Whether an API's target can be used: reached as its resource says, and what it is shown can be had.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::port::{Clock, ConnectorError, Finding, Probe, Severity};
use ajar_core::resource::Resource;
use async_trait::async_trait;

use super::upstream::Upstreams;
use crate::config::SecretResolver;
use crate::tls::Targets;

/// Checks the targets of HTTP APIs.
pub struct HttpProbe {
    upstreams: Upstreams,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for HttpProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpProbe")
    }
}

impl HttpProbe {
    /// A probe that finds files and secrets as the gateway does.
    #[must_use]
    pub fn new(policy_dir: PathBuf, secrets: SecretResolver, clock: Arc<dyn Clock>) -> Self {
        Self { upstreams: Upstreams::with(Arc::new(Targets::default()), policy_dir, secrets, Duration::from_secs(10)), clock }
    }
}

#[async_trait]
impl Probe for HttpProbe {
    async fn probe(&self, resource: &Resource) -> Result<Vec<Finding>, ConnectorError> {
        let finding = |check: &str, outcome: Result<String, String>| {
            let (severity, result) = match outcome {
                Ok(result) => (Severity::Good, result),
                Err(result) => (Severity::Bad, result),
            };
            Finding { severity, check: check.to_owned(), result }
        };
        let upstream = match self.upstreams.of(&Arc::new(resource.clone())) {
            Ok(upstream) => upstream,
            Err(why) => return Ok(vec![finding("settings", Err(why))]),
        };
        let shown = upstream.shows(self.clock.mono()).await;
        let shown = shown.map(|shown| shown.map_or_else(|| "none is needed".to_owned(), |(name, _)| format!("{name} can be had")));
        let reached = upstream.reach(self.clock.mono()).await;
        Ok(vec![finding("credential", shown), finding("reach the target", reached)])
    }
}
