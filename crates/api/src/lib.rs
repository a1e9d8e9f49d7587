//! The HTTP API, `/api/v1`: what the CLI and the UI do, they do through it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`model`] | the JSON types |
//! | [`routes`] | the routes, and the OpenAPI document made from them |
//! | [`caller`] | who is asking |
//! | [`cookie`] | the cookie by which a browser is known, and what keeps other sites from using it |
//! | [`problem`] | refusals as `application/problem+json` |
//! | [`convert`] | the engine's types → the API's |
//! | [`download`], [`csv`] | lists as files |
//! | [`explained`] | what would come of a request |
//!
//! It decides nothing: every question of who may do what is the engine's.

mod caller;
mod convert;
mod cookie;
mod csv;
mod download;
mod explained;
pub mod model;
mod problem;
mod routes;
#[cfg(feature = "web")]
mod web;
/// Built without the pages.
#[cfg(not(feature = "web"))]
mod web {
    pub(crate) fn base(_public_url: &str) -> String {
        String::new()
    }

    pub(crate) fn answer(_base: &str, _request: &axum::extract::Request) -> Option<axum::response::Response> {
        None
    }
}

use std::sync::Arc;

pub use explained::explanation;

use ajar_engine::Engine;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;

/// What the routes share.
#[derive(Clone)]
pub struct Api {
    engine: Arc<Engine>,
    metrics: PrometheusHandle,
    public_url: Arc<str>,
    doors: Arc<model::Doors>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    /// An API over `engine`; links in answers begin with `public_url`, native clients are sent to `doors`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, metrics: PrometheusHandle, public_url: &str, doors: model::Doors) -> Self {
        Self { engine, metrics, public_url: public_url.trim_end_matches('/').into(), doors: Arc::new(doors) }
    }

    /// The routes, ready to be served with `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn router(self) -> Router {
        routes::router(self)
    }
}

/// The OpenAPI 3.1 document, generated from the code.
#[must_use]
pub fn openapi() -> String {
    routes::openapi()
}
