//! What is noted of files that go through a channel.
use serde_json::Value;
pub(super) struct Transfers;
impl Transfers {
    pub(super) fn sftp() -> Self {
        Self
    }
    pub(super) fn of_command(_: &[u8]) -> Option<Self> {
        None
    }
    pub(super) fn pass(&mut self, _: bool, _: &[u8], _: impl FnMut(&str, Value)) {}
    pub(super) fn end(self, _: impl FnMut(&str, Value)) {}
}
