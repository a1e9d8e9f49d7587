//! A session while it lives: its recording as it grows, and its end by somebody's hand.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ajar_core::id::SessionId;
use ajar_core::port::{Refusal, RefusalKind};
use ajar_engine::{Attending, Caller};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::Instant;

use crate::Api;
use crate::caller::{Reader, Writer};
use crate::model::{KillSession, Problem, Session};
use crate::problem::Refused;

/// How often it is looked whether a recording has grown. The gateway writes what it has at least as often.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is asked again whether somebody may still watch.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// At most so much in one piece.
const CHUNK: usize = 64 * 1024;

/// Ends one session at once; its grant stays open. For who is in it, operators, and owners of the resource. The same again changes nothing.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/kill", security(("token" = [])), params(("id" = String, Path)), request_body = KillSession, responses((status = 200, body = Session), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn session_kill(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<String>,
    Json(body): Json<KillSession>,
) -> Result<Json<Session>, Refused> {
    let id = api.session_id(&id).await?;
    api.engine.session_kill(&caller, id, body.reason).await?;
    Ok(Json(api.session(&caller, api.engine.session(&caller, id).await?)))
}

/// What watching takes.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Watching {
    /// `start`, unless said; or `now`: the first line, and then only what comes.
    #[serde(default)]
    from: Option<String>,
}

/// The recording of a session as it grows, to the session's end: one JSON object a line. Of one that is over it is the whole recording;
/// one that is held is waited for. It breaks off when its reader may not see it any more.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/watch", security(("token" = [])), params(("id" = String, Path), Watching), responses((status = 200, content_type = "application/x-ndjson"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn session_watch(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    Query(watching): Query<Watching>,
) -> Result<Response, Refused> {
    let from = match watching.from.as_deref() {
        None | Some("start") => Begin::Start,
        Some("now") => Begin::Now,
        Some(_) => return Err(Refused::new(StatusCode::BAD_REQUEST, "bad_input", "'from' is 'start' or 'now'")),
    };
    let id = api.session_id(&id).await?;
    let path = api.engine.recording(&caller, id).await?;
    let (asked, there) = (Instant::now(), api.engine.attend(&caller)?);
    let mut watch = Watch { _there: there, api, caller, id, path, from, file: None, skipping: false, over: false, asked };
    watch.over = watch.is_over().await?;
    if watch.over && watch.open().await.is_err() {
        return Err(super::access::no_recording(id));
    }
    let chunks = futures::stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        match watch.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(watch))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(chunks)).into_response())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Start,
    Now,
}

/// Somebody who watches. Nothing is read that they don't take.
struct Watch {
    api: Api,
    caller: Caller,
    id: SessionId,
    path: PathBuf,
    from: Begin,
    file: Option<File>,
    /// Until the next line begins.
    skipping: bool,
    /// Whether the session has ended: the file grows no more.
    over: bool,
    /// When it was last asked whether they may.
    asked: Instant,
    /// They are there as long as they watch.
    _there: Attending,
}

impl Watch {
    async fn is_over(&self) -> Result<bool, Refusal> {
        let view = self.api.engine.session(&self.caller, self.id).await?;
        Ok(matches!(view.session, ajar_core::session::Session::Ended(_)))
    }

    /// INVARIANT W3: who may not see it any more gets no more of it.
    async fn ask_again(&mut self) -> io::Result<()> {
        let not_any_more = |refusal: Refusal| io::Error::new(io::ErrorKind::PermissionDenied, refusal.message);
        self.api.engine.still(&self.caller).map_err(not_any_more)?;
        match self.is_over().await {
            Ok(over) => self.over = over,
            // The store doesn't answer: what they may is as it was, until it does.
            Err(refusal) if refusal.kind == RefusalKind::Unavailable => {}
            Err(refusal) => return Err(not_any_more(refusal)),
        }
        self.asked = Instant::now();
        Ok(())
    }

    async fn open(&mut self) -> io::Result<()> {
        self.file = Some(File::open(&self.path).await?);
        Ok(())
    }

    /// The first line, and the place after the last one that is there. A line that is half written is not told.
    async fn first_line(&mut self) -> io::Result<Option<Bytes>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut head = BytesMut::with_capacity(CHUNK);
        file.read_buf(&mut head).await?;
        let Some(end) = head.iter().position(|b| *b == b'\n') else {
            file.rewind().await?;
            return Ok(None);
        };
        head.truncate(end + 1);
        let size = file.metadata().await?.len();
        let after = size.saturating_sub(1).max(end as u64);
        file.seek(io::SeekFrom::Start(after)).await?;
        self.skipping = true;
        self.from = Begin::Start;
        Ok(Some(head.freeze()))
    }

    /// What comes next; none at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.asked.elapsed() >= ASK_AGAIN {
                self.ask_again().await?;
            }
            let over = self.over;
            if self.file.is_none()
                && let Err(error) = self.open().await
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            if self.from == Begin::Now
                && let Some(head) = self.first_line().await?
            {
                return Ok(Some(head));
            }
            if let (Some(file), Begin::Start) = (&mut self.file, self.from) {
                let mut chunk = BytesMut::with_capacity(CHUNK);
                if file.read_buf(&mut chunk).await? > 0 {
                    if self.skipping {
                        let Some(end) = chunk.iter().position(|b| *b == b'\n') else { continue };
                        self.skipping = false;
                        drop(chunk.split_to(end + 1));
                    }
                    if !chunk.is_empty() {
                        return Ok(Some(chunk.freeze()));
                    }
                    continue;
                }
            }
            // It was over before that was read: there is no more.
            if over {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
