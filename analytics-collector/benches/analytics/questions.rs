//! How long do the questions of everyday last?
//!
//! Q1 to Q7 as they were asked of other stores, in the words of `usage.v1.Analytics`.

use std::time::{Duration, Instant};

use detect::span::DAY_US;
use prost_types::Timestamp;
use tonic::transport::Channel;
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;
use turnpike_proto::usage::v1::condition::Test;
use turnpike_proto::usage::v1::{Condition, Filter, LogsRequest, QueryRequest, Range, Values};

use super::events::Traffic;
use super::figures::{Goal, tell, tell_times};
use super::stage::Stage;

const GOAL: Goal = Goal::AtMost(500.0);

enum Question {
    Count(QueryRequest),
    Find(LogsRequest),
}

pub(crate) async fn run(stage: &mut Stage, traffic: &Traffic, runs: usize) {
    stage.start(None).await;
    let mut client = AnalyticsClient::new(stage.channel("admin"));
    let all = count("", "calls", filter(traffic, 7));
    let calls = client.query(all).await.unwrap().into_inner();
    let calls: f64 = calls.groups.iter().filter_map(|group| group.measures.first()).sum();
    tell("questions", "events stored", calls, "", Goal::AtLeast(traffic.events as f64));
    assert!(calls <= traffic.events as f64, "{calls} of {} events", traffic.events);
    for (name, question) in questions(traffic) {
        // The first one reads from the disk.
        let rows = ask(&mut client, &question).await;
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            let began = Instant::now();
            assert_eq!(ask(&mut client, &question).await, rows, "rows of {name}");
            times.push(began.elapsed());
        }
        tell_times("questions", &format!("{name} ({rows} rows)"), times, GOAL);
    }
    tell("questions", "most memory", stage.most_memory(), "MB", Goal::None);
    stage.stop();
}

async fn ask(client: &mut AnalyticsClient<Channel>, question: &Question) -> usize {
    match question {
        Question::Count(asked) => {
            client.query(asked.clone()).await.unwrap().into_inner().groups.len()
        }
        Question::Find(asked) => client.logs(asked.clone()).await.unwrap().into_inner().calls.len(),
    }
}

fn questions(traffic: &Traffic) -> Vec<(&'static str, Question)> {
    let (day, week) = (|| filter(traffic, 1), || filter(traffic, 7));
    let busiest = || Filter { api: "api0".to_owned(), ..week() };
    let hourly = |asked: QueryRequest| QueryRequest { interval: Some(seconds(3600)), ..asked };
    let twenty = (0..20).map(|n| format!("api{n}")).collect();
    let of_twenty = one("api", Test::OneOf(Values { values: twenty }));
    let failed = |from| one("status", Test::Between(Range { from, to: 599 }));
    let quantiles = "p50_total p95_total p99_total";
    let top = |asked: QueryRequest, limit| QueryRequest { limit, ..asked };
    // In the middle of the week, so that it is not found at once.
    let one_call = data_hex(&traffic.event(traffic.events / 2).request_id);
    let find = |conditions| LogsRequest {
        filter: Some(week()),
        conditions,
        page_size: 100,
        ..LogsRequest::default()
    };
    let count_of_twenty =
        QueryRequest { conditions: vec![of_twenty], ..count("api", quantiles, week()) };
    let every_5_minutes = QueryRequest {
        interval: Some(seconds(300)),
        ..top(count("api", "calls errors", day()), 10_000)
    };
    let path = one("path", Test::Contains("/98765".to_owned()));
    let by_id = LogsRequest { request_id: one_call, ..find(Vec::new()) };
    vec![
        ("Q1 ten busiest APIs of a day", Question::Count(top(count("api", "calls", day()), 10))),
        ("Q2 quantiles of 20 APIs by the hour, 7 d", Question::Count(hourly(count_of_twenty))),
        (
            "Q2b p99 of the busiest API by the hour, 7 d",
            Question::Count(hourly(count("", "p99_total", busiest()))),
        ),
        ("Q3 errors of each API every 5 minutes of a day", Question::Count(every_5_minutes)),
        (
            "Q4 countries and different addresses, 7 d",
            Question::Count(count("country", "calls distinct_client_ip", week())),
        ),
        ("Q4b countries, 7 d", Question::Count(count("country", "calls", week()))),
        (
            "Q5 100 consumers of an API, bytes and time, 7 d",
            Question::Count(top(
                count("application consumer_key", "calls sum_response_bytes mean_total", busiest()),
                100,
            )),
        ),
        ("Q6 failed calls of a path, 7 d", Question::Find(find(vec![path, failed(500)]))),
        ("Q6b one call by its identifier, 7 d", Question::Find(by_id)),
        ("Q7 the last 100 failed calls", Question::Find(find(vec![failed(400)]))),
    ]
}

fn count(by: &str, measures: &str, filter: Filter) -> QueryRequest {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    QueryRequest {
        filter: Some(filter),
        by: words(by),
        measures: words(measures),
        ..QueryRequest::default()
    }
}

fn one(of: &str, test: Test) -> Condition {
    Condition { of: of.to_owned(), test: Some(test) }
}

/// The last days of the traffic.
fn filter(traffic: &Traffic, days: i64) -> Filter {
    let at = |us: i64| Timestamp {
        seconds: us.div_euclid(1_000_000),
        nanos: i32::try_from(us.rem_euclid(1_000_000) * 1000).unwrap(),
    };
    let (since, until) = (traffic.until_us - days * DAY_US, traffic.until_us);
    Filter { since: Some(at(since)), until: Some(at(until)), ..Filter::default() }
}

fn seconds(seconds: u64) -> prost_types::Duration {
    Duration::from_secs(seconds).try_into().unwrap()
}

fn data_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
