//! What is kept, for whom, and for how long.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::reuse_tests::{headers, question};
use super::{Draft, Flights, Found, Key, Place, Rules, Seat, Store, Times, Under};

fn key(target: &str) -> Key {
    let place = Place {
        api: "orders:1.0",
        backend: "production",
        variant: "",
        secure: false,
        host: "api.example",
        target,
        application: "",
        user: "",
    };
    Key::of(place, &HeaderMap::new(), &Rules::default())
}

/// Keeps `bytes` for a request for `target` with these fields.
fn keep(
    store: &Store,
    target: &str,
    request: &str,
    answer: &str,
    bytes: usize,
    begun: u64,
) -> bool {
    let (request, rules) = (headers(request), Rules { max_variants: 3, ..Rules::default() });
    let answer = headers(&format!("cache-control: max-age=60\n{answer}"));
    let times = Times { asked: 0, answered: 0 };
    let question = question(&Method::GET, &request);
    let draft = Draft::of(&question, StatusCode::OK, &answer, &rules, times).unwrap();
    let body = Bytes::from(vec![b'x'; bytes]);
    let place = ("orders:1.0", target);
    store.keep(&key(target), place, draft, body, begun, rules.max_variants).is_some()
}

/// The length of the body that a request finds, or which kind of nothing.
fn find(store: &Store, target: &str, request: &str) -> String {
    let request = headers(request);
    match store.find(&key(target), &question(&Method::GET, &request)) {
        Found::Kept(kept) => kept.body().len().to_string(),
        Found::Others => "others".to_owned(),
        Found::Nothing => "nothing".to_owned(),
    }
}

/// Keeps an answer of seven bytes under `/1?q`, makes something invalid and looks for it.
#[track_caller]
fn check(invalid: Under<'_>, expected: &str) {
    let store = Store::new(1 << 20);
    assert!(keep(&store, "/1?q", "", "cache-tag: a, b\nsurrogate-key: c d", 7, store.now()));
    assert_eq!(find(&store, "/1?q", ""), "7");
    let begun = store.now();
    store.invalidate(invalid);
    assert_eq!(find(&store, "/1?q", ""), expected, "{invalid:?}");
    let came_late = keep(&store, "/1?q", "", "cache-tag: a, b\nsurrogate-key: c d", 8, begun);
    assert_eq!(came_late, expected != "nothing", "what was on its way dies, too");
    assert!(keep(&store, "/1?q", "", "", 9, store.now()));
    assert_eq!(find(&store, "/1?q", ""), "9");
}

#[test]
fn what_is_made_invalid_is_gone_and_what_comes_later_stays() {
    check(Under::All, "nothing");
    check(Under::Api("orders:1.0"), "nothing");
    check(Under::Path("orders:1.0", "/1"), "nothing");
    check(Under::Target("orders:1.0", "/1?q"), "nothing");
    for tag in [b"a", b"b", b"c", b"d"] {
        check(Under::Tag("orders:1.0", tag), "nothing");
        check(Under::AnyTag(tag), "nothing");
    }
    check(Under::Tag("orders:1.0", b"e"), "7");
    check(Under::Target("orders:1.0", "/1"), "7");
}

#[test]
fn a_sweep_frees_the_memory_of_what_was_made_invalid() {
    let store = Store::new(1 << 20);
    for number in 0..10 {
        assert!(keep(&store, &format!("/{number}"), "", "", 1000, store.now()));
    }
    assert!(store.bytes() > 10_000);
    store.invalidate(Under::Path("orders:1.0", "/3"));
    assert_eq!(store.sweep(), 1);
    store.invalidate(Under::All);
    assert_eq!((store.sweep(), store.bytes(), store.len()), (9, 0, 0));
}

#[test]
fn variants_stand_side_by_side_up_to_their_bound() {
    let store = Store::new(1 << 20);
    for number in 1..=4 {
        let request = format!("foo: {number}");
        assert!(keep(&store, "/", &request, "vary: foo", number, store.now()));
    }
    assert_eq!(find(&store, "/", "foo: 4"), "4");
    assert_eq!(find(&store, "/", "foo: 2"), "2");
    assert_eq!(find(&store, "/", "foo: 1"), "others", "the oldest made room");
    assert!(keep(&store, "/", "foo: 2", "vary: foo", 20, store.now()));
    assert_eq!(find(&store, "/", "foo: 2"), "20", "the same variant is replaced");
    assert_eq!(find(&store, "/", "foo: 3"), "3");
}

#[test]
fn the_memory_is_bounded_and_what_is_used_survives_a_scan() {
    let (store, most) = (Store::new(1 << 20), 1 << 20);
    assert!(keep(&store, "/hot", "", "", 1000, store.now()));
    for number in 0..5000 {
        assert_eq!(find(&store, "/hot", ""), "1000", "after {number}");
        keep(&store, &format!("/scan/{number}"), "", "", 1000, store.now());
        assert!(store.bytes() <= most, "{}", store.bytes());
    }
    assert!(store.evicted() > 3000, "{}", store.evicted());
}

#[test]
fn bodies_on_their_way_in_take_a_bounded_part_of_the_memory() {
    let store = Store::new(4000);
    let (mut first, mut second) = (store.filling(), store.filling());
    assert!(first.take(&[0; 600]));
    assert!(!second.take(&[0; 600]));
    drop(second);
    assert!(first.take(&[0; 400]));
    assert_eq!(first.whole().len(), 1000);
    assert!(store.filling().take(&[0; 1000]), "what has landed gives its room back");
}

#[test]
fn who_comes_second_waits_and_who_leads_to_nothing_lets_them_go() {
    let flights = Flights::default();
    let Seat::Leads(leader) = flights.board(&key("/")) else { panic!("nobody was there before") };
    let Seat::Follows(follower) = flights.board(&key("/")) else { panic!("somebody leads") };
    let mut follower = std::pin::pin!(follower);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(follower.as_mut().poll(&mut cx).is_pending());
    drop(leader);
    let std::task::Poll::Ready(brought) = follower.as_mut().poll(&mut cx) else {
        panic!("the flight is over")
    };
    assert!(brought.is_none());
    assert!(matches!(flights.board(&key("/")), Seat::Leads(_)), "the next one leads again");
}
