//! Hours of the week and who is on call, in time zones. Pure: zones come from the database that is built in, instants as arguments.
//!
//! A wall clock's time counts, so that a night on which clocks change has its hours as people there read them: one that is skipped never
//! comes, one that comes twice counts twice.

use std::collections::BTreeSet;

use ajar_core::name::PrincipalName;
use ajar_core::time::{Span, Timestamp};
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

/// Minutes of a day.
pub(crate) const DAY: u16 = 24 * 60;

/// Certain hours on certain days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hours {
    pub(crate) zone: TimeZone,
    /// Days on which they begin.
    pub(crate) days: BTreeSet<Day>,
    /// Minute of the day at which they begin.
    pub(crate) from: u16,
    /// Minute of the day at which they are over; when that is not later, on the day after.
    pub(crate) to: u16,
    /// Days on which they don't begin.
    pub(crate) except: BTreeSet<Date>,
}

/// A day of the week, from Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i8);

impl Day {
    pub(crate) const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    pub(crate) fn all() -> BTreeSet<Self> {
        (0..7).map(Self).collect()
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|name| *name == text)?;
        i8::try_from(at).ok().map(Self)
    }

    /// As files write it.
    pub(crate) fn name(self) -> &'static str {
        usize::try_from(self.0).ok().and_then(|at| Self::NAMES.get(at)).copied().unwrap_or_default()
    }

    fn of(weekday: Weekday) -> Self {
        Self(weekday.to_monday_zero_offset())
    }
}

/// Who is on call when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) shifts: Vec<Shift>,
    pub(crate) cover: Vec<Cover>,
}

/// People who take turns, within certain hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) hours: Hours,
    pub(crate) people: Vec<PrincipalName>,
    /// The first's first day.
    pub(crate) since: Date,
    /// Days of a turn, at least one.
    pub(crate) every: u16,
}

/// Somebody who is on call instead of everybody else, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) person: PrincipalName,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Hours {
    /// Whether `at` lies within them.
    pub(crate) fn hold(&self, at: Timestamp) -> bool {
        self.begun(at).is_some()
    }

    /// When they begin and end, within `ahead` from `now`.
    pub(crate) fn bounds(&self, now: Timestamp, ahead: Span) -> Vec<Timestamp> {
        let (Some(first), Some(last)) = (local(&self.zone, now), local(&self.zone, now.after(ahead))) else { return Vec::new() };
        let days = first.date().series(jiff::Span::new().days(1)).take_while(|day| *day <= last.date());
        let minute = |day: Date, minute: u16| {
            let time = jiff::civil::Time::midnight() + jiff::SignedDuration::from_mins(i64::from(minute % DAY));
            let zoned = self.zone.to_zoned(day.to_datetime(time)).ok()?;
            Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
        };
        days.flat_map(|day| [self.from, self.to].map(|at| minute(day, at))).flatten().collect()
    }

    /// The day on which those began that `at` lies within.
    fn begun(&self, at: Timestamp) -> Option<Date> {
        let local = local(&self.zone, at)?;
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).ok()?;
        let today = local.date();
        let begin = |date: Date| self.days.contains(&Day::of(date.weekday())) && !self.except.contains(&date);
        if self.from < self.to {
            return (begin(today) && (self.from..self.to).contains(&minute)).then_some(today);
        }
        if minute >= self.from {
            return begin(today).then_some(today);
        }
        let yesterday = today.yesterday().ok()?;
        (minute < self.to && begin(yesterday)).then_some(yesterday)
    }
}

fn local(zone: &TimeZone, at: Timestamp) -> Option<DateTime> {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    Some(zone.to_datetime(instant))
}

impl Shift {
    fn on_call(&self, at: Timestamp) -> Option<&PrincipalName> {
        let day = self.hours.begun(at)?;
        let days = i64::from(self.since.until(day).ok()?.get_days());
        let turn = usize::try_from(days).ok()? / usize::from(self.every.max(1));
        self.people.get(turn.checked_rem(self.people.len())?)
    }
}

impl Schedule {
    /// Who is on call at some time or other.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = &PrincipalName> {
        self.shifts.iter().flat_map(|shift| &shift.people).chain(self.cover.iter().map(|cover| &cover.person))
    }

    /// Who is on call.
    pub(crate) fn on_call(&self, at: Timestamp) -> BTreeSet<&PrincipalName> {
        let cover: BTreeSet<_> = self.cover.iter().filter(|c| c.from <= at && at < c.until).map(|c| &c.person).collect();
        if cover.is_empty() { self.shifts.iter().filter_map(|shift| shift.on_call(at)).collect() } else { cover }
    }
}

/// `09:00`, up to `24:00`, as a minute of the day.
pub(crate) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse::<u16>().ok())?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= DAY).then_some(at)
}

/// An instant with its zone: `2026-12-24T08:00[Europe/Berlin]` or `2026-12-24T07:00Z`.
#[must_use]
pub fn instant(text: &str) -> Option<Timestamp> {
    let zoned = text.parse::<jiff::Zoned>().map(|z| z.timestamp());
    let at = zoned.or_else(|_| text.parse::<jiff::Timestamp>()).ok()?;
    (at.as_millisecond() >= 0).then(|| Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, from: &str, to: &str) -> Hours {
        Hours {
            zone: TimeZone::get(zone).unwrap(),
            days: Day::all(),
            from: minute(from).unwrap(),
            to: minute(to).unwrap(),
            except: BTreeSet::new(),
        }
    }

    fn at(text: &str) -> Timestamp {
        instant(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn hours_are_those_of_the_wall_clock_in_their_zone() {
        let week = ["mon", "tue", "wed", "thu", "fri"].map(|d| Day::parse(d).unwrap());
        let office =
            Hours { days: week.into(), except: [jiff::civil::date(2026, 12, 25)].into(), ..hours("Europe/Berlin", "09:00", "17:00") };
        for (when, within) in [
            ("2026-11-25T08:59:59.999[Europe/Berlin]", false),
            ("2026-11-25T09:00[Europe/Berlin]", true),
            ("2026-11-25T16:59:59[Europe/Berlin]", true),
            ("2026-11-25T17:00[Europe/Berlin]", false),
            ("2026-11-25T08:00:00Z", true),
            ("2026-07-01T07:00:00Z", true),
            ("2026-07-01T06:59:59Z", false),
            ("2026-11-28T12:00[Europe/Berlin]", false),
            ("2026-12-25T12:00[Europe/Berlin]", false),
        ] {
            assert_eq!(office.hold(at(when)), within, "{when}");
        }
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
        let night = Hours { days: [Day::parse("fri").unwrap()].into(), ..hours("Europe/Berlin", "22:00", "06:00") };
        for (when, within) in [
            ("2026-11-27T21:59[Europe/Berlin]", false),
            ("2026-11-27T22:00[Europe/Berlin]", true),
            ("2026-11-28T05:59[Europe/Berlin]", true),
            ("2026-11-28T06:00[Europe/Berlin]", false),
            ("2026-11-28T22:00[Europe/Berlin]", false),
            ("2026-11-27T05:00[Europe/Berlin]", false),
        ] {
            assert_eq!(night.hold(at(when)), within, "{when}");
        }
        assert!(hours("UTC", "00:00", "24:00").hold(at("2026-11-27T00:00:00Z")), "the whole day");
        assert!(hours("UTC", "08:00", "08:00").hold(at("2026-11-27T07:59:00Z")), "around the clock");
    }

    #[test]
    fn nights_on_which_clocks_change_have_the_hours_that_people_there_read() {
        // 29 March 2026: 02:00 becomes 03:00. 25 October 2026: 03:00 becomes 02:00.
        let small = hours("Europe/Berlin", "02:00", "03:00");
        assert!(!small.hold(at("2026-03-29T00:59:59Z")), "01:59:59");
        assert!(!small.hold(at("2026-03-29T01:00:00Z")), "03:00: the hour never came");
        for twice in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            assert!(small.hold(at(twice)), "{twice}");
        }
        let early = hours("Europe/Berlin", "00:00", "06:00");
        let minutes = |day: &str| {
            let start = at(&format!("{day}T00:00[Europe/Berlin]")).as_millis();
            (0..8 * 60).filter(|m| early.hold(Timestamp::from_millis(start + m * 60_000))).count()
        };
        assert_eq!((minutes("2026-03-28"), minutes("2026-03-29"), minutes("2026-10-25")), (360, 300, 420));
    }

    #[test]
    fn turns_go_round_by_days_and_cover_counts_alone() {
        let name = |n: &str| n.parse::<PrincipalName>().unwrap();
        let shift = |zone: &str, from: &str, to: &str, people: &[&str], every| Shift {
            hours: hours(zone, from, to),
            people: people.iter().map(|p| name(p)).collect(),
            since: jiff::civil::date(2026, 1, 5),
            every,
        };
        let sun = Schedule {
            shifts: vec![
                shift("Europe/Berlin", "08:00", "16:00", &["ada", "grace"], 7),
                shift("America/New_York", "10:00", "20:00", &["joe"], 7),
                shift("Australia/Sydney", "12:00", "18:00", &["kim", "lee"], 1),
            ],
            cover: vec![Cover {
                person: name("grace"),
                from: at("2026-12-24T08:00[Europe/Berlin]"),
                until: at("2026-12-24T18:00[Europe/Berlin]"),
            }],
        };
        for (when, who) in [
            ("2026-01-04T12:00[Europe/Berlin]", ""),
            ("2026-01-05T12:00[Europe/Berlin]", "ada"),
            ("2026-01-11T15:59[Europe/Berlin]", "ada"),
            ("2026-01-12T08:00[Europe/Berlin]", "grace"),
            ("2026-01-19T08:00[Europe/Berlin]", "ada"),
            ("2026-01-12T16:00[Europe/Berlin]", "joe"),
            ("2026-01-12T14:59:59Z", "grace"),
            ("2026-01-12T12:00[Australia/Sydney]", "lee"),
            ("2026-01-13T12:00[Australia/Sydney]", "kim"),
            ("2026-12-24T12:00[Europe/Berlin]", "grace"),
            ("2026-12-24T17:59[Europe/Berlin]", "grace"),
            ("2026-12-24T18:00[Europe/Berlin]", "joe"),
        ] {
            let found: Vec<_> = sun.on_call(at(when)).into_iter().map(ToString::to_string).collect();
            assert_eq!(found.join(","), who, "{when}");
        }
    }

    #[test]
    fn times_have_a_zone_and_a_form() {
        assert_eq!(at("2026-12-24T08:00[Europe/Berlin]").to_string(), "2026-12-24T07:00:00.000Z");
        for bad in ["2026-12-24T08:00", "tomorrow", "2026-12-24", "2026-12-24T08:00[Europe/Nowhere]", "1960-01-01T00:00Z"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
        for bad in ["9:00", "24:01", "12:60", "12", "", "-1:00", "１２:00"] {
            assert_eq!(minute(bad), None, "{bad}");
        }
        assert_eq!((minute("00:00"), minute("24:00")), (Some(0), Some(DAY)));
    }
}
