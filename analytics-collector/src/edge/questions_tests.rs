//! Is what is asked over gRPC answered about the calls that were sent?

use std::io::Read as _;

use futures_util::stream::StreamExt as _;
use tonic::{Code, Request};
use turnpike_proto::usage::v1;
use turnpike_proto::usage::v1::analytics_server::Analytics as _;
use turnpike_proto::usage::v1::reports_server::Reports as _;

use super::edge_tests::{Service, event, request, start};
use crate::fixture::{MINUTE_US, NOW_US, Place};

/// Calls of two APIs by three users, some of them broken, within the last ten minutes.
fn calls() -> Vec<v1::Event> {
    (0..60_u8)
        .map(|n| v1::Event {
            request_id: vec![n; 16],
            user: format!("user{}", n % 3),
            status: if n % 4 == 0 { 503 } else { 200 },
            path: format!("/path/{n}"),
            total_us: 1000 * u64::from(n),
            fault_type: if n % 10 == 0 { "THROTTLED".to_owned() } else { String::new() },
            ..event(
                NOW_US - i64::from(n) * MINUTE_US / 6 - 1,
                ["orders", "pay"][usize::from(n % 2)],
            )
        })
        .collect()
}

async fn served(place: &Place) -> Service {
    let service = start(place).await;
    assert_eq!(service.send(vec![request(1, calls())]).await, "1");
    service
}

fn names(words: &str) -> Vec<String> {
    words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn is(of: &str, values: &str) -> v1::Condition {
    let test = v1::condition::Test::OneOf(v1::Values { values: names(values) });
    v1::Condition { of: of.to_owned(), test: Some(test) }
}

fn query(by: &str, measures: &str) -> v1::QueryRequest {
    v1::QueryRequest { by: names(by), measures: names(measures), ..v1::QueryRequest::default() }
}

fn said(answer: &v1::QueryResponse) -> String {
    let group = |group: &v1::Group| {
        let numbers: Vec<String> = group.measures.iter().map(|one| format!("{one:.0}")).collect();
        format!("{}={}", group.values.join("/"), numbers.join(","))
    };
    let more = if answer.more { " …" } else { "" };
    format!("{}{more}", answer.groups.iter().map(group).collect::<Vec<_>>().join(" "))
}

/// A question and its answer, `values=measures` group by group; a refusal is its reason.
async fn check(asked: v1::QueryRequest, expected: &str) {
    let place = Place::new();
    let service = served(&place).await;
    let answer = match service.analytics.query(Request::new(asked)).await {
        Ok(answer) => said(answer.get_ref()),
        Err(status) => status.message().to_owned(),
    };
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn anything_is_counted_by_anything() {
    check(query("", ""), "=60").await;
    check(query("api", "calls errors throttled"), "orders=30,15,6 pay=30,0,0").await;
    check(
        query("user status", "calls"),
        "user0/200=15 user1/200=15 user2/200=15 user0/503=5 user1/503=5 user2/503=5",
    )
    .await;
    check(query("api", "max_total distinct_user"), "pay=59000,3 orders=58000,3").await;
}

#[tokio::test]
async fn conditions_order_and_limit_hold() {
    let asked = v1::QueryRequest {
        conditions: vec![is("status", "503"), is("user", "user1 user2")],
        ..query("user", "calls")
    };
    check(asked, "user1=5 user2=5").await;
    let asked = v1::QueryRequest {
        order: "-max_total".to_owned(),
        limit: 1,
        ..query("api", "calls max_total")
    };
    check(asked, "orders=30,58000 …").await;
    let asked = v1::QueryRequest { order: "values".to_owned(), ..query("user", "calls") };
    check(asked, "user0=20 user1=20 user2=20").await;
}

#[tokio::test]
async fn what_would_scan_too_much_is_refused_with_the_reason() {
    let since = prost_types::Timestamp { seconds: NOW_US / 1_000_000 - 40 * 86_400, nanos: 0 };
    let filter = Some(v1::Filter { since: Some(since), ..v1::Filter::default() });
    check(
        v1::QueryRequest { filter, ..query("api", "calls") },
        "the time asked for is longer than calls are kept, which is 30d; ask for less, or raise store.retention or store.rollups",
    )
    .await;
}

#[tokio::test]
async fn two_times_stand_side_by_side() {
    let place = Place::new();
    let service = served(&place).await;
    let earlier = (0..6_u8).map(|n| v1::Event {
        request_id: vec![200 + n; 16],
        ..event(NOW_US - 70 * MINUTE_US, if n < 4 { "orders" } else { "old" })
    });
    assert_eq!(service.send(vec![request(2, earlier.collect())]).await, "2");
    let asked = v1::CompareRequest { query: Some(query("api", "calls")), before: None };
    let answer = service.analytics.compare(Request::new(asked)).await.unwrap().into_inner();
    let rows: Vec<String> = answer
        .rows
        .iter()
        .map(|row| {
            let pair = row.measures[0];
            format!(
                "{} {}-{}={} {:?}",
                row.values[0], pair.now, pair.before, pair.difference, pair.share
            )
        })
        .collect();
    assert_eq!(rows, ["orders 30-4=26 Some(6.5)", "pay 30-0=30 None", "old 0-2=-2 Some(-1.0)"]);
    assert_eq!(answer.span.unwrap().seconds, 3600);

    let interval = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let query = Some(v1::QueryRequest { interval, ..query("api", "calls") });
    let asked = v1::CompareRequest { query, before: None };
    let refused = service.analytics.compare(Request::new(asked)).await.unwrap_err();
    assert_eq!(refused.message(), "query.interval is not compared; leave it out");
}

#[tokio::test]
async fn pages_of_calls_neither_repeat_nor_omit() {
    let place = Place::new();
    let service = served(&place).await;
    // Many calls of the same microsecond, too.
    let same = (0..25_u8)
        .map(|n| v1::Event { request_id: vec![100 + n; 16], ..event(NOW_US - 7, "orders") });
    assert_eq!(service.send(vec![request(2, same.collect())]).await, "2");
    let mut asked = v1::LogsRequest { page_size: 7, ..v1::LogsRequest::default() };
    let mut seen = Vec::new();
    loop {
        let page = service.analytics.logs(Request::new(asked.clone())).await.unwrap().into_inner();
        assert!(page.calls.len() <= 7);
        seen.extend(page.calls.into_iter().map(|call| (call.at.unwrap().seconds, call.request_id)));
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            break;
        }
    }
    let mut different: Vec<_> = seen.iter().map(|(_, id)| id.clone()).collect();
    different.sort();
    different.dedup();
    assert_eq!((seen.len(), different.len()), (85, 85));
    assert!(seen.is_sorted_by_key(|(at, _)| -at));
}

#[tokio::test]
async fn a_call_is_found_by_its_name_with_all_that_is_stored() {
    let place = Place::new();
    let service = served(&place).await;
    let asked = v1::LogsRequest { request_id: "1d".repeat(16), ..v1::LogsRequest::default() };
    let page = service.analytics.logs(Request::new(asked)).await.unwrap().into_inner();
    let [call] = page.calls.as_slice() else { panic!("{} calls", page.calls.len()) };
    assert_eq!(
        (call.path.as_str(), call.user.as_str(), call.country.as_str(), call.client_ip.as_str()),
        ("/path/29", "user2", "DE", "81.2.3.0")
    );
    assert_eq!((call.total_us, call.gateway.as_str()), (29_000, "g"));
    let slower_than = Some(prost_types::Duration { seconds: 0, nanos: 57_000_000 });
    let asked = v1::LogsRequest {
        slower_than,
        conditions: vec![is("api", "pay")],
        ..v1::LogsRequest::default()
    };
    let page = service.analytics.logs(Request::new(asked)).await.unwrap().into_inner();
    let paths: Vec<_> = page.calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["/path/57", "/path/59"]);
}

#[tokio::test]
async fn a_watcher_sees_calls_as_they_are_stored() {
    let place = Place::new();
    let service = start(&place).await;
    let asked = v1::TailRequest {
        api: "pay".to_owned(),
        conditions: vec![is("user", "user0")],
        ..v1::TailRequest::default()
    };
    let tail = service.analytics.tail(Request::new(asked)).await.unwrap().into_inner();
    assert_eq!(service.send(vec![request(1, calls())]).await, "1");
    let seen: Vec<_> = tail.take(3).map(|seen| seen.unwrap().call.unwrap().path).collect().await;
    assert_eq!(seen, ["/path/3", "/path/9", "/path/15"]);
}

#[tokio::test]
async fn views_have_columns_with_names() {
    let place = Place::new();
    let service = served(&place).await;
    let asked = || Request::new(v1::ViewRequest::default());
    let throttled = service.analytics.throttled(asked()).await.unwrap().into_inner();
    assert_eq!(throttled.by, names("api api_version application tier fault_subtype"));
    assert_eq!(
        (throttled.measures.join(" ").as_str(), throttled.groups[0].measures[0]),
        ("throttled last", 6.0)
    );
    let cache = service.analytics.cache(asked()).await.unwrap().into_inner();
    assert_eq!(
        (cache.groups.len(), cache.measures.join(" ").as_str()),
        (2, "calls cached p50_total")
    );
    let devices = service.analytics.devices(asked()).await.unwrap().into_inner();
    assert_eq!(devices.groups[0].measures, [60.0, 15.0, 1.0]);
    let backends = service.analytics.backends(asked()).await.unwrap().into_inner();
    assert_eq!(backends.groups, []);
}

/// The month of now as a file.
async fn month(
    service: &Service,
    format: v1::monthly_request::Format,
) -> (v1::ReportPart, Vec<u8>) {
    let asked = v1::MonthlyRequest { year: 2026, month: 11, format: format.into() };
    let parts = service.reports.monthly(Request::new(asked)).await.unwrap().into_inner();
    let parts: Vec<_> = parts.map(|part| part.unwrap()).collect().await;
    let content = parts.iter().flat_map(|part| part.content.clone()).collect();
    (parts[0].clone(), content)
}

#[tokio::test]
async fn a_month_is_written_in_every_format() {
    use v1::monthly_request::Format;
    let place = Place::new();
    let service = served(&place).await;
    let (first, csv) = month(&service, Format::Csv).await;
    assert_eq!(
        (first.file_name.as_str(), first.media_type.as_str()),
        ("calls-2026-11.csv", "text/csv")
    );
    let csv = String::from_utf8(csv).unwrap();
    let line = |start: &str| csv.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("orders").starts_with("orders,1.0.0,shop,,30,15,6,0,0,"), "{csv}");
    assert!(line("total").starts_with("total,,,,60,15,6,0,0,"), "{csv}");
    let (_, json) = month(&service, Format::Json).await;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["month"], &json["total"]["calls"]), (&"2026-11".into(), &60.into()));
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    let (first, pdf) = month(&service, Format::Pdf).await;
    assert_eq!(first.media_type, "application/pdf");
    let mut head = [0; 5];
    pdf.as_slice().read_exact(&mut head).unwrap();
    assert_eq!(&head, b"%PDF-");
    assert_eq!(first.notes, ["The month is not over; counted until 2026-11-23T00:00:00Z."]);
}

#[tokio::test]
async fn a_month_without_calls_that_are_kept_is_refused() {
    let place = Place::new();
    let service = start(&place).await;
    for (year, month) in [(2026, 12), (2026, 9), (2026, 13), (0, 1)] {
        let asked = v1::MonthlyRequest { year, month, format: 0 };
        let refused = service.reports.monthly(Request::new(asked)).await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument, "{year}-{month}");
        assert!(refused.message().starts_with("month "), "{}", refused.message());
    }
}
