//! Numbers from made-up rows.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn request(state: &str, filed: &str, outcome: &str, more: &str) -> fold::Request {
    let outcome = if outcome.is_empty() { String::new() } else { format!(r#","outcome":{outcome}"#) };
    let text = format!(r#"{{"state":"{state}","filed":{{"at":"{filed}"{more}}},"plan":{{"rules":["write","all"]}}{outcome}}}"#);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_ranks_of_few_and_of_many() {
    assert_eq!(rank::<u64>(&[], 50, 100), None);
    assert_eq!(rank(&[7], 99, 100), Some(7));
    let hundred: Vec<u64> = (1..=100).collect();
    assert_eq!((rank(&hundred, 50, 100), rank(&hundred, 90, 100), rank(&hundred, 99, 100)), (Some(50), Some(90), Some(99)));
}

#[test]
fn i09_cuts_are_in_classes_and_the_last_ends_with_the_latest() {
    let Cuts { count, p50, p99, max, classes } = cuts(vec![0, 0, 1, 3, 12, 20_000]);
    assert_eq!((count, p50, p99, max), (6, Some(1), Some(20_000), Some(20_000)));
    assert_eq!(classes.iter().map(|(_, count)| count).sum::<u64>(), 6);
    assert_eq!((classes[0], classes[1], classes[3], classes.last()), ((0, 2), (1, 1), (5, 1), Some(&(20_000, 1))));
    let none = cuts(Vec::new());
    assert_eq!((none.count, none.p50, none.classes.len()), (0, None, LATE.len()));
}

#[test]
fn days_and_weeks_are_those_of_the_zone_summer_time_and_all() {
    // Summer time ends on Sunday, 25 October 2026: a day of 25 hours.
    let calendar = Calendar::new("Europe/Berlin", at("2026-10-24T12:00:00Z"), at("2026-10-27T00:00:00Z")).unwrap();
    let days = ["2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"].map(at);
    assert_eq!(calendar.days(), days);
    assert_eq!(calendar.weeks(), ["2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"].map(at));
    assert_eq!(calendar.day(at("2026-10-25T22:59:59.999Z")), Some(1));
    assert_eq!((calendar.day(at("2026-10-24T11:59:00Z")), calendar.day(at("2026-10-27T00:00:00Z"))), (None, None));
    assert_eq!(calendar.hour(at("2026-10-25T23:30:00Z")), (0, 0));
    assert_eq!(calendar.hour(at("2026-10-25T22:30:00Z")), (6, 23));
    assert!(Calendar::new("Mars/Olympus", at("2026-10-24T12:00:00Z"), at("2026-10-27T00:00:00Z")).is_none());
}

#[test]
fn requests_count_where_they_were_filed_and_where_they_were_decided() {
    let mut requests = Requests::new(at("2026-01-02T00:00:00Z"), at("2026-01-04T00:00:00Z"));
    let decided = |when: &str| format!(r#"{{"at":"{when}"}}"#);
    // Filed before the range and decided in it; decided after it; an emergency; by the rules; denied in three ways; taken back; waiting.
    requests.add(request("approved", "2026-01-01T23:00:00Z", &decided("2026-01-02T01:00:00Z"), ""));
    requests.add(request("approved", "2026-01-03T23:00:00Z", &decided("2026-01-04T00:00:00Z"), ""));
    requests.add(request("approved", "2026-01-02T10:00:00Z", &decided("2026-01-02T10:00:00Z"), r#","emergency":{"alert":[]}"#));
    let auto = r#"{"state":"approved","filed":{"at":"2026-01-02T11:00:00Z"},"plan":{"rules":[]},"automatic":{"verdict":"approve"},"outcome":{"at":"2026-01-02T11:00:00Z"}}"#;
    requests.add(serde_json::from_str(auto).unwrap());
    for because in [r#"{"automatic":"never"}"#, r#"{"review":"rev_01h455vb4pex5vsknk084sn02q"}"#, r#""grant_over""#] {
        let outcome = format!(r#"{{"at":"2026-01-03T00:00:00Z","because":{because}}}"#);
        requests.add(request("denied", "2026-01-02T12:00:00Z", &outcome, ""));
    }
    requests.add(request("withdrawn", "2026-01-02T12:00:00Z", &decided("2026-01-03T00:00:00Z"), ""));
    requests.add(request("expired", "2026-01-02T12:00:00Z", &decided("2026-01-03T12:00:00Z"), ""));
    requests.add(request("pending", "2026-01-02T12:00:00Z", "", ""));
    let calendar = Calendar::new("UTC", at("2026-01-02T00:00:00Z"), at("2026-01-04T00:00:00Z")).unwrap();
    let grants = Grants::new(calendar.from);
    let insight = counted(&calendar, requests, &grants, Sessions::new(calendar.from, calendar.to), &[]);
    let days: Vec<Decisions> = insight.decisions.iter().map(|(_, day)| *day).collect();
    assert_eq!(
        days,
        [Decisions { auto: 2, human: 1, ..Decisions::default() }, Decisions { denied: 3, expired: 1, ..Decisions::default() }]
    );
    assert_eq!(insight.approval, Took { count: 1, p50: Some(Span::from_secs(7_200)), p90: Some(Span::from_secs(7_200)) });
    // 2 January 2026 is a Friday.
    assert_eq!(insight.by_week, [(at("2025-12-29T00:00:00Z"), insight.approval)]);
    assert_eq!((insight.hours[4][12], insight.hours[4][10], insight.hours[5][23], insight.hours[3][23]), (6, 1, 1, 0));
    let denials: Vec<(String, u64)> = insight.denials.iter().map(|(rule, count)| (rule.to_string(), *count)).collect();
    assert_eq!(denials, [("all".to_owned(), 2), ("write".to_owned(), 2), ("never".to_owned(), 1)]);
}

#[test]
fn the_most_that_were_open_on_a_day_counts_what_was_open_when_it_began() {
    let calendar = Calendar::new("UTC", at("2026-01-02T00:00:00Z"), at("2026-01-05T00:00:00Z")).unwrap();
    let mut grants = Grants::new(calendar.from);
    let mut add = |resource: &str, since: &str, until: Option<&str>| {
        let claims = format!(
            r#"{{"request":"req_01h455vb4pex5vsknk084sn02q","principal":"prin_01h455vb4pex5vsknk084sn02q","resource":"{resource}","role":"read","starts_at":"{since}"}}"#
        );
        let closing = until.map(|until| format!(r#","closing":{{"reason":"expired","at":"{until}"}}"#)).unwrap_or_default();
        grants.add(serde_json::from_str(&format!(r#"{{"signed":{{"claims":{claims}}}{closing}}}"#)).unwrap());
    };
    // From before the range into its first day; one after the other; one that stays open; one that ends with the first instant.
    add("orders-db", "2026-01-01T00:00:00Z", Some("2026-01-02T10:00:00Z"));
    add("orders-db", "2026-01-02T10:00:00Z", Some("2026-01-02T11:00:00Z"));
    add("web", "2026-01-03T05:00:00Z", None);
    add("orders-db", "2026-01-01T00:00:00Z", Some("2026-01-02T00:00:00Z"));
    add("gone", "2026-01-03T05:00:00Z", None);
    let most = most_open(&calendar, &grants, &[Some(Kind::Postgres), Some(Kind::Ssh), None]);
    let day = |postgres, ssh| OpenByKind { postgres, ssh, http: 0 };
    assert_eq!(most, [day(1, 0), day(0, 1), day(0, 1)]);
}
