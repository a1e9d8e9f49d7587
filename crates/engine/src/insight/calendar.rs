//! A range of time in days, weeks and hours of a zone.

use ajar_core::time::Timestamp;
use jiff::ToSpan;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    zone: TimeZone,
    /// The first instant of each day that the range touches.
    days: Vec<Timestamp>,
    /// The first instant of each week (from Monday on) that it touches.
    weeks: Vec<Timestamp>,
}

impl Calendar {
    /// The range in the zone of this name; nothing when there is none.
    pub(super) fn new(zone: &str, from: Timestamp, to: Timestamp) -> Option<Self> {
        let zone = TimeZone::get(zone).ok()?;
        let first = jiff::Timestamp::from_millisecond(from.as_millis()).ok()?.to_zoned(zone.clone()).start_of_day().ok()?;
        let monday = i64::from(first.weekday().since(Weekday::Monday));
        let week = first.checked_sub(monday.days()).ok()?.start_of_day().ok()?;
        Some(Self { from, to, days: starts(first, 1, to)?, weeks: starts(week, 7, to)?, zone })
    }

    pub(super) fn days(&self) -> &[Timestamp] {
        &self.days
    }

    pub(super) fn weeks(&self) -> &[Timestamp] {
        &self.weeks
    }

    /// Which of its days an instant is in.
    pub(super) fn day(&self, at: Timestamp) -> Option<usize> {
        if at < self.from || at >= self.to {
            return None;
        }
        self.days.partition_point(|day| *day <= at).checked_sub(1)
    }

    /// Weekday (Monday is 0) and hour of an instant.
    pub(super) fn hour(&self, at: Timestamp) -> (usize, usize) {
        let Ok(at) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return (0, 0) };
        let there = self.zone.to_datetime(at);
        let weekday = there.weekday().since(Weekday::Monday);
        (usize::try_from(weekday).unwrap_or(0), usize::try_from(there.hour()).unwrap_or(0))
    }
}

/// The first instants of every so many days, up to `to`: a day is not always 24 hours.
fn starts(first: jiff::Zoned, every: i64, to: Timestamp) -> Option<Vec<Timestamp>> {
    let mut starts = Vec::new();
    let mut at = first;
    loop {
        let start = Timestamp::from_millis(at.timestamp().as_millisecond());
        if start >= to {
            return Some(starts);
        }
        starts.push(start);
        at = at.checked_add(every.days()).ok()?.start_of_day().ok()?;
    }
}
