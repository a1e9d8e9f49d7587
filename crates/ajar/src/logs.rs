//! Logs and traces. Logs: for reading on a terminal, one JSON object a line otherwise; `AJAR_LOG` says what is logged (`info` unless
//! said). Traces: sent by OTLP over HTTP when the usual `OTEL_EXPORTER_OTLP_ENDPOINT` says where to.
//!
//! Libraries only get to say what is wrong, whatever `AJAR_LOG` asks for: at debug level, some write statements with
//! password verifiers in them (I17, L3). A span holds ids and names, never a reason, an address, a statement or a secret.

use std::future::poll_fn;
use std::io::IsTerminal;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::output::say;

fn may_say(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("ajar") || *metadata.level() <= Level::WARN
}

/// Logs and traces of a process, as long as it lives.
pub(crate) struct Logs(Option<SdkTracerProvider>);

impl Logs {
    /// Begins, for a server: to standard error.
    pub(crate) fn begin() -> Self {
        Self::from("info", !std::io::stderr().is_terminal())
    }

    /// Begins with what is wrong only, unless `AJAR_LOG` says otherwise: for the demo.
    pub(crate) fn begin_quietly() -> Self {
        Self::from("error", false)
    }

    fn from(unless_said: &str, json: bool) -> Self {
        let filter = EnvFilter::try_from_env("AJAR_LOG").unwrap_or_else(|_| EnvFilter::new(unless_said));
        let lines = if json {
            fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(std::io::stderr).boxed()
        } else {
            fmt::layer().with_target(false).with_writer(std::io::stderr).boxed()
        };
        let provider = exporter().map(provider);
        let traces = provider.as_ref().map(|provider| {
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("ajar"));
            layer.with_location(false).with_threads(false).with_filter(LevelFilter::INFO)
        });
        let begun = tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).with(filter_fn(may_say)).try_init();
        if begun.is_err() {
            say("ajar: logging was begun twice");
        }
        Self(provider)
    }

    /// Sends the traces that are still here.
    pub(crate) async fn end(self) {
        let Self(Some(provider)) = self else { return };
        let done = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if !matches!(done, Ok(Ok(()))) {
            say("ajar: the last traces could not be sent");
        }
    }
}

/// Where traces go, if anywhere.
fn exporter() -> Option<SpanExporter> {
    let said = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !said("OTEL_EXPORTER_OTLP_ENDPOINT") && !said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return None;
    }
    let client = Sender { http: reqwest::Client::new(), runtime: Handle::current() };
    match SpanExporter::builder().with_http().with_http_client(client).build() {
        Ok(exporter) => {
            traces_go(Traces::Begun);
            Some(exporter)
        }
        Err(error) => {
            say(&format!("ajar: traces are not sent: {error}"));
            None
        }
    }
}

fn provider(exporter: SpanExporter) -> SdkTracerProvider {
    let resource = Resource::builder();
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = if named { resource } else { resource.with_service_name("ajar") };
    SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build()
}

/// How sending traces goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Traces {
    /// Nothing was sent yet.
    Begun,
    /// The last ones arrived.
    Arrive,
    /// The last ones did not.
    Fail(String),
}

/// There is one exporter in a process.
static TRACES: Mutex<Option<Traces>> = Mutex::new(None);

/// How sending traces goes, if they are sent anywhere.
pub(crate) fn traces() -> Option<Traces> {
    TRACES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn traces_go(now: Traces) {
    *TRACES.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
}

/// The exporter has a thread of its own; its connections live on our runtime.
#[derive(Debug)]
struct Sender {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sending = async {
            let answer = self.http.execute(request.try_into()?).await.and_then(reqwest::Response::error_for_status);
            // Where they go may hold a secret.
            traces_go(answer.as_ref().map_or_else(|error| Traces::Fail(why(error)), |_| Traces::Arrive));
            let answer = answer?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.extend(answer.headers().clone());
            }
            Ok::<_, HttpError>(response.body(answer.bytes().await?)?)
        };
        let mut sending = pin!(sending);
        poll_fn(|cx| {
            let _here = self.runtime.enter();
            sending.as_mut().poll(cx)
        })
        .await
    }
}

/// What went wrong, without where to.
fn why(error: &reqwest::Error) -> String {
    match error.status() {
        Some(status) => format!("the collector answers {status}"),
        None if error.is_timeout() => "the collector does not answer in time".to_owned(),
        None => "the collector can't be reached".to_owned(),
    }
}
