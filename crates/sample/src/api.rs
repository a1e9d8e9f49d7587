//! A small HTTP API over made-up orders. It knows one secret, and answers nobody who doesn't show it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::SampleError;

/// An API on loopback; it ends with its handle.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Api {
    /// Starts it on a free port; `secret` is what a caller has to show as bearer token.
    ///
    /// # Errors
    /// When there is no port.
    #[expect(clippy::disallowed_methods, reason = "the handle ends it")]
    pub async fn start(secret: &str) -> Result<Self, SampleError> {
        let failed = |source| SampleError::Io { doing: "listen for the sample API".into(), source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shown: Arc<str> = format!("Bearer {secret}").into();
        let router = Router::new()
            .route("/v1/status", get(async || Json(json!({ "status": "fine" }))))
            .route("/v1/orders", get(orders))
            .route("/v1/orders/{id}", get(order).delete(async || StatusCode::NO_CONTENT))
            .route("/v1/orders/{id}/refund", post(refund))
            .layer(from_fn_with_state(shown, known));
        let serve = async move { drop(axum::serve(listener, router).await) };
        Ok(Self { address, task: tokio::spawn(serve) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What every path of it begins with.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

async fn known(State(shown): State<Arc<str>>, request: Request, next: Next) -> Result<Response, StatusCode> {
    let is_known = request.headers().get(AUTHORIZATION).is_some_and(|value| value.as_bytes() == shown.as_bytes());
    if is_known { Ok(next.run(request).await) } else { Err(StatusCode::UNAUTHORIZED) }
}

fn one(id: u32) -> Value {
    json!({ "id": id, "status": if id.is_multiple_of(3) { "stuck" } else { "paid" }, "cents": id * 1_999 })
}

async fn orders() -> Json<Value> {
    Json((1..=5).map(one).collect())
}

async fn order(Path(id): Path<u32>) -> Json<Value> {
    Json(one(id))
}

async fn refund(Path(id): Path<u32>) -> Json<Value> {
    Json(json!({ "id": id, "status": "refunded" }))
}
