//! Tells the door how a session ended: exactly once, however it ends.

use std::time::Duration;

use ajar_core::id::SessionId;
use ajar_core::port::{CutReason, SessionReport};
use ajar_core::session::{EndReason, Recording};
use tokio::sync::mpsc::UnboundedSender;

use crate::record::Recorder;

/// Owed from the moment a session exists. Dropping it, at whatever point, pays the debt with what is known by then.
#[derive(Debug)]
pub(crate) struct Owed {
    report: SessionReport,
    to: UnboundedSender<SessionReport>,
}

impl Owed {
    /// For a session that the door knows of. Unless told otherwise, it failed to open.
    pub(crate) fn new(session: SessionId, to: UnboundedSender<SessionReport>) -> Self {
        let report = SessionReport { session, reason: EndReason::FailedToOpen, recording: None, bytes_in: 0, bytes_out: 0, late_ms: None };
        Self { report, to }
    }

    /// Why it will have ended.
    pub(crate) fn because(&mut self, reason: EndReason) {
        self.report.reason = reason;
    }

    /// Bytes that went in and out.
    pub(crate) fn carried(&mut self, bytes_in: u64, bytes_out: u64) {
        self.report.bytes_in = bytes_in;
        self.report.bytes_out = bytes_out;
    }

    /// How late the last byte was, for a cut at the deadline.
    pub(crate) fn late_by(&mut self, late: Duration) {
        self.report.late_ms = Some(u64::try_from(late.as_millis()).unwrap_or(u64::MAX));
        metrics::histogram!("ajar_gateway_cut_lateness_seconds").record(late.as_secs_f64());
    }

    /// The finished recording.
    pub(crate) fn recorded(&mut self, recording: Option<Recording>) {
        self.report.recording = recording;
    }

    /// Completes the recording.
    pub(crate) async fn complete(&mut self, recorder: Recorder) {
        match recorder.finish().await {
            Ok(recording) => self.recorded(Some(recording)),
            Err(error) => {
                tracing::error!(%error, "a recording could not be completed");
                self.because(EndReason::RecordingFailed);
            }
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        // The receiver outlives every session; it is gone only when the process ends.
        drop(self.to.send(self.report.clone()));
    }
}

/// What a session that is cut ends with.
pub(crate) fn because(reason: CutReason) -> EndReason {
    match reason {
        CutReason::Expired
        | CutReason::Returned
        | CutReason::Revoked
        | CutReason::Locked
        | CutReason::PrincipalDisabled
        | CutReason::ResourceRemoved => EndReason::Cut,
        CutReason::Killed => EndReason::Killed,
        CutReason::ServerStopping => EndReason::ServerStopped,
    }
}

/// Counts a session in a state while it lives.
pub(crate) struct Gauge(metrics::Gauge);

impl Gauge {
    pub(crate) fn new(state: &'static str) -> Self {
        let gauge = metrics::gauge!("ajar_gateway_sessions", "state" => state);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
