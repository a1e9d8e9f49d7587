//! Lists as files: streamed page by page, and broken off, not cut short, when something fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ajar_core::port::Refusal;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::csv;

/// A list as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Comma-separated values, safe for spreadsheets.
    Csv,
    /// One JSON object with all items.
    Json,
}

/// What can be a record of a table.
pub(crate) trait Record: Serialize + Send + 'static {
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];

    /// The values, in the same order.
    fn cells(&self) -> Vec<String>;
}

/// All items as a file. `about` is what a JSON file says of itself. With `most`, a file that has so many items and would have more says so at
/// its end.
pub(crate) fn file<T: Record>(
    name: &str,
    format: Format,
    about: &[(&str, String)],
    most: Option<usize>,
    pages: impl Stream<Item = Result<Vec<T>, Refusal>> + Send + 'static,
) -> Response {
    let (mime, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Json => ("application/json", "json"),
    };
    let mut head = String::new();
    match format {
        Format::Csv => csv::record(&mut head, T::COLUMNS),
        Format::Json => {
            let about = about.iter().map(|(key, value)| format!("\"{key}\":{},", serde_json::Value::from(value.as_str())));
            head = format!("{{{}\"items\":[", about.collect::<String>());
        }
    }
    let more = Arc::new(AtomicBool::new(false));
    let (cut_off, more_left) = (Arc::clone(&more), more);
    let body = pages.scan(0usize, move |written, page| {
        if cut_off.load(Ordering::Relaxed) {
            return futures::future::ready(None);
        }
        let page = page.map(|mut items| {
            let left = most.map_or(usize::MAX, |most| most - *written);
            cut_off.store(items.len() > left, Ordering::Relaxed);
            items.truncate(left);
            let text = lines(format, &items, *written == 0);
            *written += items.len();
            Bytes::from(text)
        });
        futures::future::ready(Some(page.map_err(|refusal| {
            tracing::error!(error = %refusal, "a download broke off");
            io::Error::other("the download broke off")
        })))
    });
    let head = futures::stream::once(async move { Ok(Bytes::from(head)) });
    let tail = futures::stream::once(async move {
        let more = more_left.load(Ordering::Relaxed);
        let mut tail = String::new();
        match format {
            Format::Csv if more => csv::record(&mut tail, ["there is more than a file may have: narrow the search"]),
            Format::Csv => {}
            Format::Json => tail = format!("\n],\"more\":{more}}}\n"),
        }
        Ok(Bytes::from(tail))
    });
    let disposition = format!("attachment; filename=\"{name}.{ending}\"");
    let headers = [(header::CONTENT_TYPE, mime.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, Body::from_stream(head.chain(body).chain(tail))).into_response()
}

fn lines<T: Record>(format: Format, items: &[T], first: bool) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        match format {
            Format::Csv => csv::record(&mut text, item.cells()),
            Format::Json => {
                text.push_str(if first && index == 0 { "\n" } else { ",\n" });
                text.push_str(&serde_json::to_string(item).unwrap_or_default());
            }
        }
    }
    text
}
