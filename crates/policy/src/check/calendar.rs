//! Hours and schedules.

use std::collections::BTreeSet;

use ajar_core::name::PrincipalName;
use ajar_core::time::{Span, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Check, Known, Place};
use crate::calendar::{self, Cover, DAY, Day, Hours, Schedule, Shift};
use crate::problem::near;
use crate::raw::{self, Text};

/// What hours are made of, wherever they stand.
struct Parts<'a> {
    zone: &'a Text,
    days: Option<&'a Vec<Text>>,
    from: Option<&'a Text>,
    to: Option<&'a Text>,
    except: &'a [Text],
}

impl Check {
    pub(super) fn hours(&mut self, files: &[(Place<'_>, raw::File)]) {
        for (at, file) in files {
            for raw in &file.hours {
                let raw::Hours { name, zone, days, from, to, except } = raw;
                let parts = Parts { zone, days: days.as_ref(), from: from.as_ref(), to: to.as_ref(), except };
                let (Some(found), text) = (self.some_hours(*at, &parts), name.get_ref()) else { continue };
                if text.is_empty() || text.len() > 63 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
                    self.problem(*at, name, "that is not a name for hours", Some("for example \"office\"".into()));
                } else if self.rules.hours.insert(text.clone(), found).is_some() {
                    self.problem(*at, name, format!("there are other hours '{}'", text.escape_debug()), None);
                }
            }
        }
    }

    pub(super) fn schedules(&mut self, files: &[(Place<'_>, raw::File)], people: &BTreeSet<PrincipalName>) {
        for (at, file) in files {
            for raw in &file.schedule {
                let Some(name) = self.parsed(*at, &raw.name) else { continue };
                if raw.shift.is_empty() {
                    self.problem(*at, &raw.name, "nobody is ever on call: the schedule has no shift", Some("[[schedule.shift]]".into()));
                }
                let shifts = raw.shift.iter().filter_map(|shift| self.shift(*at, shift, people)).collect();
                let cover = raw.cover.iter().filter_map(|cover| self.cover(*at, cover, people)).collect();
                if self.rules.schedules.insert(name, Schedule { shifts, cover }).is_some() {
                    self.problem(*at, &raw.name, format!("there is another schedule '{}'", raw.name.get_ref()), None);
                }
            }
        }
    }

    fn shift(&mut self, at: Place<'_>, raw: &raw::Shift, people: &BTreeSet<PrincipalName>) -> Option<Shift> {
        let raw::Shift { zone, days, from, to, except, people: names, since, every } = raw;
        let hours = self.some_hours(at, &Parts { zone, days: days.as_ref(), from: from.as_ref(), to: to.as_ref(), except });
        if names.is_empty() {
            self.problem(at, zone, "nobody takes this shift: 'people' is empty", None);
        }
        let people: Vec<_> = names.iter().filter_map(|name| self.known(at, name, "user", people)).collect();
        let since = self.date(at, since)?;
        let every = match every {
            None => Span::from_secs(7 * 24 * 3600),
            Some(text) => {
                let every: Span = self.parsed(at, text)?;
                if !every.as_millis().is_multiple_of(86_400_000) {
                    self.problem(at, text, "a turn lasts whole days", Some("for example \"7d\"".into()));
                }
                every
            }
        };
        let every = u16::try_from(every.as_millis() / 86_400_000).unwrap_or(u16::MAX);
        Some(Shift { hours: hours?, people, since, every })
    }

    fn cover(&mut self, at: Place<'_>, raw: &raw::Cover, people: &BTreeSet<PrincipalName>) -> Option<Cover> {
        let person = self.known(at, &raw.person, "user", people);
        let (from, until) = (self.instant(at, &raw.from), self.instant(at, &raw.until)?);
        let (person, from) = (person?, from?);
        if until <= from {
            self.problem(at, &raw.until, "it would be over before it begins", None);
        }
        Some(Cover { person, from, until })
    }

    fn some_hours(&mut self, at: Place<'_>, parts: &Parts<'_>) -> Option<Hours> {
        let zone = TimeZone::get(parts.zone.get_ref()).ok();
        if zone.is_none() {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let help = near(parts.zone.get_ref(), known.iter().map(String::as_str));
            let message = format!("there is no time zone '{}'", parts.zone.get_ref().escape_debug());
            self.problem(at, parts.zone, message, help.or_else(|| Some("for example \"Europe/Berlin\" or \"UTC\"".into())));
        }
        let days = match parts.days {
            None => Day::all(),
            Some(days) => {
                if days.is_empty() {
                    self.problem(at, parts.zone, "'days' is empty: these hours never come", None);
                }
                days.iter().filter_map(|day| self.day(at, day)).collect()
            }
        };
        let from = parts.from.map_or(Some(0), |text| self.minute(at, text));
        let to = parts.to.map_or(Some(DAY), |text| self.minute(at, text));
        let except = parts.except.iter().filter_map(|text| self.date(at, text)).collect();
        Some(Hours { zone: zone?, days, from: from?, to: to?, except })
    }

    fn day(&mut self, at: Place<'_>, text: &Text) -> Option<Day> {
        let day = Day::parse(text.get_ref());
        if day.is_none() {
            let help = near(&text.get_ref().to_lowercase(), Day::NAMES);
            self.problem(
                at,
                text,
                format!("there is no day '{}'", text.get_ref().escape_debug()),
                help.or_else(|| Some(Day::NAMES.join(", "))),
            );
        }
        day
    }

    fn minute(&mut self, at: Place<'_>, text: &Text) -> Option<u16> {
        let minute = calendar::minute(text.get_ref());
        if minute.is_none() {
            self.problem(at, text, "not a time of day", Some("for example \"09:00\", at most \"24:00\"".into()));
        }
        minute
    }

    fn date(&mut self, at: Place<'_>, text: &Text) -> Option<Date> {
        let date = text.get_ref().parse().ok();
        if date.is_none() {
            self.problem(at, text, "not a day", Some("for example \"2026-12-24\"".into()));
        }
        date
    }

    pub(super) fn instant(&mut self, at: Place<'_>, text: &Text) -> Option<Timestamp> {
        let instant = calendar::instant(text.get_ref());
        if instant.is_none() {
            let help = "for example \"2026-12-24T08:00[Europe/Berlin]\" or \"2026-12-24T07:00Z\"";
            self.problem(at, text, "not an instant: it needs a day, a time and a zone", Some(help.into()));
        }
        instant
    }
}

/// What a candidate on call refers to.
pub(super) fn on_call(check: &mut Check, at: Place<'_>, name: &Text, known: &Known) -> Option<crate::rules::Candidate> {
    check.known(at, name, "schedule", &known.schedules).map(crate::rules::Candidate::OnCall)
}
