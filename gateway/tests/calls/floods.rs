//! Is an HTTP/2 client that abuses its connection cut off, and one that does not left alone?

use std::time::Duration;

use gateway::overload::{self, Memory};

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM,
    SETTINGS, USUAL, WINDOW_UPDATE, block, frame,
};
use crate::stand::{LIMIT, OPEN, Stand};

const PRIORITY: u8 = 2;
/// More than any budget lasts for.
const MANY: u32 = 5_000;

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(USUAL))
}

/// Sends a flood; it is cut off before its end, with this error code where one is told, and another
/// client is served meanwhile.
async fn check(start: &[u8], flood: impl Fn(u32) -> Vec<u8>, code: &str) {
    let stand = Stand::start(OPEN).await;
    let mut client = Frames::connect(&stand).await;
    client.say(start).await;
    let mut taken = 0;
    for number in 0..MANY {
        if !client.say(&flood(number)).await {
            break;
        }
        taken += 1;
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(stand.call("GET /open/1.0/echo", "", "").await.status, 200);
    let fate = client.fate(u32::MAX).await;
    assert!(fate.starts_with(code) || fate == "closed", "{fate} after {taken}");
    stand.until("gateway_connections", 0).await;
}

#[tokio::test]
async fn frames_that_carry_nothing_are_taken_up_to_a_bound() {
    check(b"", |number| frame(PING, 0, 0, &u64::from(number).to_be_bytes()), "goaway 11").await;
    check(b"", |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]), "goaway 11").await;
    check(b"", |number| frame(PRIORITY, 0, 1 + 2 * number, &[0, 0, 0, 0, 1]), "goaway 11").await;
    check(b"", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), "goaway 11").await;
    check(b"", |_| frame(0xfa, 0, 0, b"grease"), "goaway 11").await;
}

#[tokio::test]
async fn empty_parts_are_taken_up_to_a_bound() {
    let post: Vec<_> = USUAL.into_iter().filter(|(name, _)| *name != ":method").collect();
    let post = block(post.into_iter().chain([(":method", "POST")]));
    check(&frame(HEADERS, END_HEADERS, 1, &post), |_| frame(DATA, 0, 1, b""), "goaway 11").await;
    let open = frame(HEADERS, END_STREAM, 1, &block(USUAL));
    check(&open, |_| frame(CONTINUATION, 0, 1, b""), "goaway 11").await;
}

#[tokio::test]
async fn streams_that_are_opened_to_be_reset_are_taken_up_to_a_bound() {
    let rapid = |number| {
        let stream = 1 + 2 * number;
        [get(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    check(b"", rapid, "goaway 11").await;
    let provoked = |number| {
        let stream = 1 + 2 * number;
        [get(stream), frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 0])].concat()
    };
    // The library ends it too, in its own words.
    check(b"", provoked, "goaway").await;
}

#[tokio::test]
async fn a_window_beyond_all_bounds_resets_the_stream_after_its_answer_too() {
    let stand = Stand::start(OPEN).await;
    let mut client = Frames::connect(&stand).await;
    client.say(&get(1)).await;
    assert_eq!(client.fate(1).await, "200");
    let opened = frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]);
    client.say(&[opened.clone(), opened].concat()).await;
    assert_eq!(client.fate(1).await, "reset 3");
    client.say(&get(3)).await;
    assert_eq!(client.fate(3).await, "200");
}

#[tokio::test]
async fn a_client_that_works_hard_is_left_alone() {
    let stand = Stand::start(OPEN).await;
    let mut client = Frames::connect(&stand).await;
    // Ten times what may be sent at once, a ping with every call.
    for number in 0..2_500 {
        let stream = 1 + 2 * number;
        let ping = frame(PING, 0, 0, b"12345678");
        let window = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]);
        assert!(client.say(&[get(stream), ping.clone(), ping, window].concat()).await);
        let mut ended = false;
        while !ended {
            let heard = client.hear().await.expect("an answer");
            ended = heard.kind == DATA && heard.stream == stream;
        }
    }
    assert_eq!(stand.number("gateway_http2_calmed_total"), 0);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_frees_the_backend_and_keeps_the_connection() {
    let hasty = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.stall_timeout = Duration::from_millis(200);
        settings.receiver.max_control_frames = u32::MAX;
    };
    let stand = Stand::with(OPEN, hasty).await;
    let mut client = Frames::connect(&stand).await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: not a byte of an answer is wanted.
    client.say(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    let large: Vec<_> = USUAL.into_iter().filter(|(name, _)| *name != ":path").collect();
    let large = block(large.into_iter().chain([(":path", "/open/1.0/sized/1000000")]));
    client.say(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &large)).await;
    // Pings show that the client is there, and change nothing.
    let mut fate = None;
    while fate.is_none() {
        assert!(client.say(&frame(PING, 0, 0, b"12345678")).await);
        let heard = client.hear().await.expect("the connection is kept");
        fate = (heard.kind == RST_STREAM && heard.stream == 1).then_some(());
        tokio::task::yield_now().await;
    }
    stand.until("gateway_backend_connections", 0).await;
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    client.say(&[window, get(3)].concat()).await;
    assert_eq!(client.fate(3).await, "200");
}

#[tokio::test]
async fn a_client_that_does_not_send_its_body_loses_the_stream_whatever_else_it_does() {
    let hasty = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.stall_timeout = Duration::from_millis(200);
    };
    let stand = Stand::with(OPEN, hasty).await;
    let mut client = Frames::connect(&stand).await;
    let post: Vec<_> = USUAL.into_iter().filter(|(name, _)| *name != ":method").collect();
    let post = block(post.into_iter().chain([(":method", "POST")]));
    client.say(&frame(HEADERS, END_HEADERS, 1, &post)).await;
    let mut stream = 3;
    client.say(&get(stream)).await;
    loop {
        let heard = client.hear().await.expect("the connection is kept");
        if heard.kind == RST_STREAM && heard.stream == 1 {
            break;
        }
        // One call after the other.
        if heard.kind == DATA && heard.stream == stream {
            stream += 2;
            let window = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 4, 0]);
            client.say(&[window, get(stream)].concat()).await;
        }
    }
    assert!(client.say(&get(stream + 2)).await);
    assert_eq!(client.fate(stream + 2).await, "200");
}

#[tokio::test]
async fn while_memory_is_short_connections_end_with_their_calls() {
    let config = overload::Config {
        queue_delay: Duration::ZERO,
        hold: Duration::ZERO,
        // Whatever the process takes is beyond the soft bound and far from the hard one.
        memory: "1024GiB".to_owned(),
        memory_soft: 1e-9,
        memory_hard: 1.0,
        retry_after: Duration::from_secs(1),
        spare_descriptors: 0,
    };
    let memory = Memory::new(&config).unwrap();
    let stand = Stand::within(memory, OPEN, |_| {}).await;
    let short = async {
        while stand.call("GET /open/1.0/echo", "", "").await.field("connection") != Some("close") {}
    };
    tokio::time::timeout(LIMIT, short).await.expect("connections of HTTP/1.1 end");
    let mut client = Frames::connect(&stand).await;
    client.say(&get(1)).await;
    let mut heard = Vec::new();
    while let Some(frame_heard) = client.hear().await {
        match frame_heard.kind {
            // The library waits for it before it names the last stream.
            PING => drop(client.say(&frame(PING, 1, 0, &frame_heard.payload)).await),
            GOAWAY if frame_heard.payload.ends_with(&[0; 4]) => heard.push("goodbye"),
            HEADERS => heard.push("answer"),
            _ => {}
        }
    }
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard, ["answer", "goodbye"]);
}
