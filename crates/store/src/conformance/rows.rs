//! The projection: listing, paging, replacing, short ids.

use ajar_core::event::Stream;
use ajar_core::id::PrincipalId;
use ajar_core::port::{Batch, RowQuery, SeenBy, Store, Tally};
use ajar_core::world::{Part, Row};

use super::Place;
use super::made::{at, every, filed, grant, request, row};

async fn put(store: &dyn Store, rows: Vec<Row>) {
    store.append(Batch { rows, ..Batch::default() }).await.unwrap();
}

async fn list(store: &dyn Store, query: RowQuery) -> Vec<Stream> {
    store.rows(&query).await.unwrap().into_iter().map(|r| r.stream).collect()
}

pub async fn rows_narrow_by_everything_asked(place: &impl Place) {
    let store = place.open().await;
    let [one, two] = ["prin_00000000000000000000000001", "prin_00000000000000000000000002"].map(|p| p.parse().unwrap());
    let [orders, stock] = ["orders-db", "stock-db"].map(|r| r.parse().unwrap());
    put(
        &*store,
        vec![
            Row { principal: Some(one), resource: Some(orders), ..row(request(1), "pending") },
            Row { principal: Some(two), resource: Some(stock), ..row(request(2), "approved") },
            Row { principal: Some(one), ..row(request(3), "denied") },
            Row { principal: Some(one), parent: Some(request(1)), ..row(grant(1), "open") },
            Row { principal: Some(two), parent: Some(request(2)), ..row(grant(2), "closed") },
            row(Stream::Policy, "applied"),
        ],
    )
    .await;
    assert_eq!(list(&*store, every("request")).await, [request(3), request(2), request(1)]);
    assert_eq!(list(&*store, every("policy")).await, [Stream::Policy]);
    assert!(list(&*store, every("lease")).await.is_empty());
    let states = |states: &[&str]| RowQuery { states: states.iter().map(|s| (*s).to_owned()).collect(), ..every("request") };
    assert_eq!(list(&*store, states(&["pending"])).await, [request(1)]);
    assert_eq!(list(&*store, states(&["pending", "denied", "no such"])).await, [request(3), request(1)]);
    assert!(list(&*store, states(&["open"])).await.is_empty());
    let by = RowQuery { principal: Some(one), ..every("request") };
    assert_eq!(list(&*store, by.clone()).await, [request(3), request(1)]);
    assert_eq!(list(&*store, RowQuery { states: vec!["denied".into()], ..by.clone() }).await, [request(3)]);
    assert_eq!(list(&*store, RowQuery { resource: Some("orders-db".parse().unwrap()), ..by.clone() }).await, [request(1)]);
    assert!(list(&*store, RowQuery { resource: Some("stock-db".parse().unwrap()), ..by }).await.is_empty());
    assert_eq!(list(&*store, RowQuery { parent: Some(request(1)), ..every("grant") }).await, [grant(1)]);
    assert!(list(&*store, RowQuery { parent: Some(request(1)), ..every("request") }).await.is_empty());
    let read = store.row(grant(2)).await.unwrap().unwrap();
    assert_eq!((read.stream, read.state.as_str(), read.doc.as_str()), (grant(2), "closed", r#"{"state":"closed"}"#));
    assert!(store.row(grant(3)).await.unwrap().is_none());
}

/// Four grants: one of 10..20 s, one of 15..open, one that never opened, one of somebody else on something else, of 30..40.
async fn grants_in_time(store: &dyn Store) {
    let [one, two] = ["prin_00000000000000000000000001", "prin_00000000000000000000000002"].map(|p| Some(p.parse().unwrap()));
    let [orders, stock] = ["orders-db", "stock-db"].map(|r| Some(r.parse().unwrap()));
    let [read, write] = ["read", "write"].map(|r| Some(r.parse().unwrap()));
    let of = |number, state, since: Option<i64>, until: Option<i64>| Row {
        principal: one,
        resource: orders.clone(),
        role: read.clone(),
        since: since.map(at),
        until: until.map(at),
        ..row(grant(number), state)
    };
    let rows = vec![
        of(1, "closed", Some(10), Some(20)),
        Row { role: write, ..of(2, "open", Some(15), None) },
        of(3, "scheduled", None, None),
        Row { principal: two, resource: stock, ..of(4, "closed", Some(30), Some(40)) },
    ];
    put(store, rows).await;
}

pub async fn rows_narrow_by_role_time_and_who_may_see_them(place: &impl Place) {
    let store = place.open().await;
    grants_in_time(&*store).await;
    let all = every("grant");
    assert_eq!(list(&*store, RowQuery { role: Some("write".parse().unwrap()), ..all.clone() }).await, [grant(2)]);
    // The first instant is in, the last is not.
    let begun = |from, before| RowQuery { since: Some(at(from)), begun_before: Some(at(before)), ..every("grant") };
    assert_eq!(list(&*store, begun(10, 30)).await, [grant(2), grant(1)]);
    assert_eq!(list(&*store, begun(11, 31)).await, [grant(4), grant(2)]);
    let there = |from, before| RowQuery { not_over_at: Some(at(from)), begun_before: Some(at(before)), ..every("grant") };
    assert_eq!(list(&*store, there(0, 10)).await, []);
    assert_eq!(list(&*store, there(19, 30)).await, [grant(2), grant(1)]);
    assert_eq!(list(&*store, there(20, 31)).await, [grant(4), grant(2)]);
    assert_eq!(list(&*store, RowQuery { not_over_at: Some(at(1_000)), ..all.clone() }).await, [grant(2)], "what never began is not there");
    let seen = |principal: &str, owns: &[&str]| {
        let owns = owns.iter().map(|r| r.parse().unwrap()).collect();
        RowQuery { seen_by: Some(SeenBy { principal: principal.parse().unwrap(), owns }), ..every("grant") }
    };
    assert_eq!(list(&*store, seen("prin_00000000000000000000000002", &[])).await, [grant(4)]);
    assert_eq!(
        list(&*store, seen("prin_00000000000000000000000001", &["stock-db", "no-such"])).await,
        [grant(4), grant(3), grant(2), grant(1)]
    );
    assert!(list(&*store, seen("prin_00000000000000000000000003", &[])).await.is_empty());
    let paged = RowQuery { before: Some(grant(4)), limit: 1, ..seen("prin_00000000000000000000000003", &["orders-db", "stock-db"]) };
    assert_eq!(list(&*store, paged).await, [grant(3)]);
}

pub async fn w03_who_asked_for_another_or_reviewed_finds_the_request_again(place: &impl Place) {
    let store = place.open().await;
    let [one, two, three, four] = [1, 2, 3, 4].map(|n| format!("prin_{n:026}").parse::<PrincipalId>().unwrap());
    let of = |number, parts: &[(Part, PrincipalId)]| Row {
        principal: Some(one),
        parts: parts.iter().copied().collect(),
        ..row(request(number), "pending")
    };
    put(&*store, vec![of(1, &[]), of(2, &[(Part::Filed, two)]), of(3, &[(Part::Reviewed, three), (Part::Filed, two)])]).await;
    // The same again, and more of it: nobody is lost.
    put(&*store, vec![of(2, &[(Part::Filed, two), (Part::Reviewed, three)])]).await;
    let theirs = |principal| RowQuery { principal: Some(principal), ..every("request") };
    let seen = |principal| RowQuery { seen_by: Some(SeenBy { principal, owns: Vec::new() }), ..every("request") };
    assert_eq!(list(&*store, theirs(one)).await, [request(3), request(2), request(1)]);
    assert_eq!(list(&*store, theirs(two)).await, [request(3), request(2)]);
    assert!(list(&*store, theirs(three)).await.is_empty(), "to review is not to ask");
    assert_eq!(list(&*store, seen(two)).await, [request(3), request(2)]);
    assert_eq!(list(&*store, seen(three)).await, [request(3), request(2)]);
    assert!(list(&*store, seen(four)).await.is_empty());
    assert_eq!(store.tally(&seen(three)).await.unwrap().iter().map(|t| t.count).sum::<u64>(), 2);
    store.replace_rows(vec![of(1, &[(Part::Reviewed, four)])]).await.unwrap();
    assert!(list(&*store, seen(two)).await.is_empty(), "made anew");
    assert_eq!(list(&*store, seen(four)).await, [request(1)]);
}

pub async fn rows_are_counted_by_whose_what_and_state(place: &impl Place) {
    let store = place.open().await;
    grants_in_time(&*store).await;
    put(&*store, vec![row(request(1), "pending")]).await;
    let counted = async |query: RowQuery| {
        let mut counts = store.tally(&query).await.unwrap();
        counts.sort_by_key(|t| (t.resource.clone(), t.role.clone(), t.state.clone()));
        counts.into_iter().map(|t| (t.role.map(|r| r.to_string()), t.state, t.count, t.latest)).collect::<Vec<_>>()
    };
    let [read, write] = ["read", "write"].map(|role| Some(role.to_owned()));
    let orders = || RowQuery { resource: Some("orders-db".parse().unwrap()), before: Some(grant(1)), limit: 1, ..every("grant") };
    assert_eq!(
        counted(orders()).await,
        [
            (read.clone(), "closed".to_owned(), 1, Some(at(10))),
            (read.clone(), "scheduled".to_owned(), 1, None),
            (write, "open".to_owned(), 1, Some(at(15)))
        ]
    );
    let two = "prin_00000000000000000000000002".parse().unwrap();
    let theirs = RowQuery { seen_by: Some(SeenBy { principal: two, owns: Vec::new() }), ..every("grant") };
    assert_eq!(counted(theirs).await, [(read.clone(), "closed".to_owned(), 1, Some(at(30)))]);
    put(&*store, vec![Row { role: Some("read".parse().unwrap()), since: Some(at(50)), ..row(request(2), "pending") }]).await;
    put(&*store, vec![Row { role: Some("read".parse().unwrap()), since: Some(at(45)), ..row(request(3), "pending") }]).await;
    let of_nobody = Tally { principal: None, resource: None, role: None, state: "pending".into(), count: 1, latest: None };
    let counts = store.tally(&every("request")).await.unwrap();
    assert!(counts.contains(&of_nobody), "{counts:?}");
    assert_eq!(
        counted(RowQuery { role: Some("read".parse().unwrap()), ..every("request") }).await,
        [(read, "pending".to_owned(), 2, Some(at(50)))]
    );
}

pub async fn rows_page_by_a_cursor_newest_first(place: &impl Place) {
    let store = place.open().await;
    store.append(filed(0, 95)).await.unwrap();
    let mut seen: Vec<Stream> = Vec::new();
    loop {
        let page = list(&*store, RowQuery { before: seen.last().copied(), limit: 10, ..every("request") }).await;
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 10);
        seen.extend(page);
    }
    assert_eq!(seen, (0..95).rev().map(request).collect::<Vec<_>>());
}

pub async fn the_last_row_of_a_stream_counts(place: &impl Place) {
    let store = place.open().await;
    let principal = "prin_00000000000000000000000001".parse().unwrap();
    let rows = vec![
        row(request(1), "pending"),
        row(request(2), "pending"),
        Row { principal: Some(principal), ..row(request(1), "approved") },
        row(request(1), "denied"),
    ];
    put(&*store, rows).await;
    assert_eq!(store.row(request(1)).await.unwrap().unwrap().state, "denied");
    assert!(list(&*store, RowQuery { principal: Some(principal), ..every("request") }).await.is_empty());
    put(&*store, vec![Row { principal: Some(principal), ..row(request(1), "withdrawn") }]).await;
    assert_eq!(list(&*store, RowQuery { principal: Some(principal), ..every("request") }).await, [request(1)]);
    let rows = store.rows(&every("request")).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.state.as_str()).collect::<Vec<_>>(), ["pending", "withdrawn"]);
    // An update changes what is found, by each index.
    assert!(list(&*store, RowQuery { states: vec!["denied".into()], ..every("request") }).await.is_empty());
}

pub async fn replaced_rows_are_those_and_no_others(place: &impl Place) {
    let store = place.open().await;
    let batch = filed(0, 300);
    let rows = batch.rows.clone();
    store.append(batch).await.unwrap();
    let built = store.rows(&every("request")).await.unwrap();
    put(&*store, vec![row(request(5), "forged"), row(grant(7), "open")]).await;
    assert_ne!(store.rows(&every("request")).await.unwrap(), built);
    store.replace_rows(rows).await.unwrap();
    assert_eq!(store.rows(&every("request")).await.unwrap(), built);
    assert!(list(&*store, every("grant")).await.is_empty());
    store.replace_rows(vec![row(grant(1), "scheduled"), row(grant(1), "open")]).await.unwrap();
    assert_eq!(store.rows(&every("grant")).await.unwrap()[0].state, "open");
    assert!(list(&*store, every("request")).await.is_empty());
    assert_eq!(store.size().await.unwrap(), 300, "events are not rows");
}

pub async fn a_short_id_finds_what_ends_with_it(place: &impl Place) {
    let store = place.open().await;
    put(&*store, [1111, 2111, 3112].map(|n| row(request(n), "pending")).to_vec()).await;
    put(&*store, vec![row(grant(1111), "open"), row(Stream::Policy, "applied")]).await;
    let short = async |suffix: &str, limit: u32| store.by_suffix("request", suffix, limit).await.unwrap();
    assert_eq!(short("111", 10).await, [request(2111), request(1111)]);
    assert_eq!(short("2111", 10).await, [request(2111)]);
    assert_eq!(short("111", 1).await.len(), 1);
    assert_eq!(short(&format!("{:026}", 3112), 10).await, [request(3112)]);
    for nothing in ["", "9", "%", "_111", "11~", "111 ", "req", "REQ", "policy", &"0".repeat(27)] {
        assert!(short(nothing, 10).await.is_empty(), "{nothing}");
    }
    assert_eq!(store.by_suffix("grant", "1111", 10).await.unwrap(), [grant(1111)]);
}
