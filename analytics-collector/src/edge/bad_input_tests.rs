//! Does what no sound gateway sends do no harm to what the others send?

use arrow::array::{Array as _, StringArray, UInt32Array, UInt64Array};
use prost::Message as _;
use turnpike_proto::usage::v1::{CollectRequest, Event};

use super::edge_tests::{Service, event, request, start};
use crate::event::Row;
use crate::fixture::{MINUTE_US, NOW_US, Place};
use crate::metrics::Reason;

/// What came of one strange batch, after which a sound one of another source was sent: calls that are
/// stored besides the sound one, fields cut, events refused.
struct Outcome {
    stored: u64,
    cut: u64,
    refused: u64,
}

async fn check(strange: Vec<Event>, expected: Outcome) {
    let place = Place::new();
    let service = start(&place).await;
    assert_eq!(service.send(vec![request(1, strange)]).await, "1");
    sound(&service).await;
    let refused = ["too_old", "in_the_future"]
        .map(|reason| service.metrics.refused.get_or_create(&Reason { reason }).get());
    let counted = (service.calls().await, service.metrics.cut.get(), refused.iter().sum::<u64>());
    assert_eq!(counted, (expected.stored + 1, expected.cut, expected.refused));
}

/// Another source is not held up.
async fn sound(service: &Service) {
    let sound = CollectRequest {
        source: "other".to_owned(),
        ..request(1, vec![event(NOW_US - 1, "orders")])
    };
    assert_eq!(service.send(vec![sound]).await, "1");
}

#[tokio::test]
async fn texts_of_a_megabyte_are_cut_and_counted() {
    let long = "é".repeat(512 << 10);
    let strange = Event {
        user_agent: long.clone(),
        path: long.clone(),
        user: long,
        ..event(NOW_US - 1, "orders")
    };
    let outcome = Outcome { stored: 2, cut: 3, refused: 0 };
    check(vec![strange, event(NOW_US - 2, "orders")], outcome).await;
}

#[tokio::test]
async fn clocks_that_are_years_off_lose_their_own_events_alone() {
    let year = 365 * 24 * 60 * MINUTE_US;
    let times = [i64::MIN, 0, NOW_US - 30 * year, NOW_US + 30 * year, i64::MAX, NOW_US - 1];
    let events = times.map(|at_us| event(at_us, "orders")).to_vec();
    check(events, Outcome { stored: 1, cut: 0, refused: 5 }).await;
}

#[tokio::test]
async fn identities_and_addresses_of_a_wrong_length_are_unknown() {
    let strange = |length: usize| Event {
        request_id: vec![7; length],
        trace_id: vec![8; length],
        client_ip: vec![9; length],
        ..event(NOW_US - 1, "orders")
    };
    let events = [0, 1, 15, 16, 17, 4096].map(strange).to_vec();
    // Two identities each of 1, 15, 17 and 4096 bytes.
    check(events, Outcome { stored: 6, cut: 8, refused: 0 }).await;
}

#[tokio::test]
async fn another_path_and_program_with_each_call_are_all_stored() {
    let place = Place::new();
    let service = start(&place).await;
    let batch = |sequence: u64| {
        let one = |n: u64| Event {
            path: format!("/p/{sequence}/{n}"),
            user_agent: format!("p{sequence}-{n}/1"),
            operation: format!("/{sequence}/{n}"),
            ..event(NOW_US - 1, "orders")
        };
        request(sequence, (0..5_000).map(one).collect())
    };
    assert_eq!(service.send((1..=8).map(batch).collect()).await, "1 2 3 4 5 6 7 8");
    sound(&service).await;
    assert_eq!((service.calls().await, service.metrics.cut.get()), (40_001, 0));
}

#[tokio::test]
async fn numbers_beyond_all_truth_are_bounded() {
    let place = Place::new();
    let service = start(&place).await;
    let strange = Event {
        total_us: u64::MAX,
        request_bytes: u64::MAX,
        request_mediation_us: u64::MAX,
        weight: u32::MAX,
        status: u32::MAX,
        ..event(NOW_US, "orders")
    };
    let plain = event(NOW_US, "orders");
    let batch = request(1, vec![strange, plain]);
    let batch = service.collector.desk.batch_of(batch, None, NOW_US).unwrap();
    let amounts = |name: &str| {
        let column = batch.rows.column_by_name(name).unwrap();
        column.as_any().downcast_ref::<UInt64Array>().unwrap().values().to_vec()
    };
    for name in ["total_us", "request_bytes", "request_mediation_us"] {
        assert_eq!(amounts(name), [1 << 48, 0], "{name}");
    }
    let weights = batch.rows.column_by_name("weight").unwrap();
    let weights = weights.as_any().downcast_ref::<UInt32Array>().unwrap();
    assert_eq!(weights.values().to_vec(), [1_000_000, 1]);
    assert_eq!(batch.calls.iter().map(Row::calls).sum::<u64>(), 1_000_001);
}

#[test]
fn fields_of_a_later_contract_do_not_drop_an_event() {
    let mut later = event(NOW_US, "orders").encode_to_vec();
    // Field 900 is a text, and field 901 a number.
    prost::encoding::string::encode(900, &"new".to_owned(), &mut later);
    prost::encoding::uint64::encode(901, &7, &mut later);
    assert_eq!(Event::decode(later.as_slice()).unwrap(), event(NOW_US, "orders"));
}

#[tokio::test]
async fn a_call_that_stands_for_several_counts_as_several() {
    let place = Place::new();
    let service = start(&place).await;
    let sample = Event { weight: 3, ..event(NOW_US - 1, "orders") };
    service.send(vec![request(1, vec![sample])]).await;
    service.told(1).await;
    assert_eq!(service.alerts().await, "orders=3");
}

#[tokio::test]
async fn what_the_collector_says_itself_is_not_taken_from_a_source() {
    let place = Place::new();
    let service = start(&place).await;
    let strange = Event {
        country: "XX".to_owned(),
        city: "Atlantis".to_owned(),
        device: "toaster".to_owned(),
        user_agent: "curl/8".to_owned(),
        ..event(NOW_US, "orders")
    };
    let batch = request(1, vec![strange]);
    let batch = service.collector.desk.batch_of(batch, None, NOW_US).unwrap();
    let word = |name: &str| {
        let column = batch.rows.column_by_name(name).unwrap();
        column.as_any().downcast_ref::<StringArray>().unwrap().value(0).to_owned()
    };
    let said = ["country", "city", "device", "agent"].map(word);
    assert_eq!(said, ["DE", "", "program", "curl"]);
}
