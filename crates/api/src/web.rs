//! The pages: files made by `web/`, held inside the binary. They may be fetched by anybody and know nothing: what they show they ask of the API.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `npm run build` has left. Debug builds read it from where it lies.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// INVARIANT W2, W8: scripts only from here and never inline, nothing from elsewhere, in nobody's frame. Terminals are drawn by WebAssembly.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'";
/// Names of assets hold their contents' hash.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// The file or page at a path that no route has, if one is wanted; `base` is where the pages lie for browsers, with slashes around. A proxy
/// that puts Ajar below a path takes that path off.
pub(crate) fn answer(base: &str, request: &Request) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri().path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return None;
    }
    if let Some(found) = file(path, request.headers()) {
        return Some(found);
    }
    // Whatever else a browser goes to is a place in the pages, which know which there are.
    let wants_page = request.headers().get(header::ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/html"));
    if wants_page { page(base) } else { None }
}

fn page(base: &str) -> Option<Response> {
    let index = Files::get("index.html")?;
    let text = std::str::from_utf8(&index.data).ok()?.replacen("<base href=\"/\" />", &format!("<base href=\"{base}\" />"), 1);
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.headers_mut().insert(header::CACHE_CONTROL, ASK_FIRST);
    Some(response)
}

fn file(path: &str, asked: &HeaderMap) -> Option<Response> {
    if path.is_empty() || path == "index.html" || std::path::Path::new(path).extension().is_some_and(|e| e == "gz") {
        return None;
    }
    let plain = Files::get(path)?;
    let etag = HeaderValue::from_str(&format!("\"{}\"", hex::encode(plain.metadata.sha256_hash()))).ok()?;
    let cache = if path.starts_with("assets/") { FOREVER } else { ASK_FIRST };
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| *known == etag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { body(path, plain, asked) };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Some(response)
}

/// As it is, or as it was compressed when it was made.
fn body(path: &str, plain: EmbeddedFile, asked: &HeaderMap) -> Response {
    let takes = asked.get(header::ACCEPT_ENCODING).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("gzip"));
    let packed = if takes { Files::get(&format!("{path}.gz")) } else { None };
    let kind = plain.metadata.mimetype().to_owned();
    let (data, encoding) = match packed {
        Some(packed) => (packed.data, Some(HeaderValue::from_static("gzip"))),
        None => (plain.data, None),
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], data.into_owned()).into_response();
    if let Some(encoding) = encoding {
        response.headers_mut().insert(header::CONTENT_ENCODING, encoding);
    }
    response
}

/// Where the pages lie below a URL, with slashes around: `/`, or `/ajar/`. Characters that mean something in HTML don't get there.
pub(crate) fn base(public_url: &str) -> String {
    let after = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    let path = after.split_once('/').map_or("", |(_, path)| path);
    let plain: String = path.chars().filter(|c| c.is_ascii_alphanumeric() || "/-._~".contains(*c)).collect();
    match plain.trim_matches('/') {
        "" => "/".to_owned(),
        path => format!("/{path}/"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_base_is_a_path_between_slashes() {
        for (url, base) in [
            ("http://localhost:7431", "/"),
            ("https://ajar.example.org/", "/"),
            ("https://example.org/tools/ajar/", "/tools/ajar/"),
            ("https://example.org/a\"><script>/b", "/ascript/b/"),
        ] {
            assert_eq!(super::base(url), base);
        }
    }
}
