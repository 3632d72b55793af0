//! Does what passes on a WebSocket count, one frame like the other?

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stand::{Client, Stand};
use crate::websocket::{ASKS, Sockets, ask, frame, soon};

const RESOURCES: &str = r#"
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Talk }, spec: QUOTA }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Few }, spec: { level: application, quota: { events: 2, per: 3600s } } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: ws, version: "1.0" }
spec:
  context: /ws
  lifecycle: PUBLISHED
  type: WS
  tiers: [Talk]
  endpoints: { production: { urls: ["http://SOCKETS"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { tier: APPLICATION, keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "ws:1.0", tier: Talk } }
"#;

async fn stand(sockets: &Sockets, quota: &str, application: &str) -> Stand {
    let resources = RESOURCES.replace("QUOTA", quota).replace("APPLICATION", application);
    Stand::start(&resources.replace("SOCKETS", &sockets.address.to_string())).await
}

async fn open(stand: &Stand) -> Client {
    let fields = format!("{ASKS}{}", stand.bearer("live"));
    let (client, answer) = ask(stand, "/ws/1.0/echo", &fields).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    client
}

/// Sends a frame and hears it come back.
async fn echo(client: &mut Client, frame: &[u8]) {
    client.0.write_all(frame).await.unwrap();
    let mut back = vec![0; frame.len()];
    soon(client.0.read_exact(&mut back)).await.unwrap();
    assert_eq!(back, frame);
}

/// The code and the words of the close frame that is heard next, and last.
async fn farewell(client: &mut Client) -> (u16, String) {
    let mut head = [0; 4];
    soon(client.0.read_exact(&mut head)).await.unwrap();
    let [first, length, high, low] = head;
    assert_eq!(first, 0x88, "{head:?}");
    let mut words = vec![0; usize::from(length) - 2];
    soon(client.0.read_exact(&mut words)).await.unwrap();
    (u16::from_be_bytes([high, low]), String::from_utf8(words).unwrap())
}

/// Opens a WebSocket whose frames a limit counts, lets `frames` of them pass, and hears why no more do.
async fn check(quota: &str, application: &str, frames: usize, number: &str) {
    let sockets = Sockets::start().await;
    let stand = stand(&sockets, quota, application).await;
    let mut client = open(&stand).await;
    for _ in 0..frames / 2 {
        echo(&mut client, &frame(0x82, b"counts twice")).await;
        // A ping and its answer are free.
        echo(&mut client, &frame(0x89, b"free")).await;
    }
    client.0.write_all(&frame(0x82, b"one more")).await.unwrap();
    let (code, words) = farewell(&mut client).await;
    let said = format!("{number}: the limit is used up for ");
    assert!(code == 1013 && words.starts_with(&said), "{code} {words}");
    drop(client);
    let fields = format!("{ASKS}{}", stand.bearer("live"));
    let (_, answer) = ask(&stand, "/ws/1.0/echo", &fields).await;
    assert_eq!(answer.fault(), format!("429 {number}"), "nobody begins anew");
    assert_eq!(stand.number(r#"gateway_faults_total{type="THROTTLED"}"#), 2);
}

#[tokio::test]
async fn a_websocket_ends_when_its_limit_is_used_up_by_who_sends() {
    check("{ quota: { events: 4, per: 3600s } }", "Unlimited", 4, "900804").await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_limit_is_used_up_by_the_answer() {
    check("{ quota: { events: 5, per: 3600s } }", "Unlimited", 4, "900804").await;
}

#[tokio::test]
async fn the_limit_of_the_application_counts_as_well() {
    check("{ quota: { events: 100, per: 3600s } }", "Few", 2, "900803").await;
}

#[tokio::test]
async fn calls_that_are_used_up_end_no_websocket() {
    let sockets = Sockets::start().await;
    let quota = "{ quota: { requests: 1, per: 3600s }, quotas: [ { events: 100, per: 3600s } ] }";
    let stand = stand(&sockets, quota, "Unlimited").await;
    let mut client = open(&stand).await;
    for _ in 0..5 {
        echo(&mut client, &frame(0x81, b"text")).await;
    }
}

#[tokio::test]
async fn a_limit_that_does_not_stop_or_is_only_tried_lets_frames_pass() {
    for (quota, shadow) in [
        ("{ quota: { events: 1, per: 3600s }, stopOnQuotaReached: false }", 0),
        ("{ quota: { events: 1, per: 3600s }, shadow: true }", 5),
    ] {
        let sockets = Sockets::start().await;
        let stand = stand(&sockets, quota, "Unlimited").await;
        let mut client = open(&stand).await;
        for _ in 0..3 {
            echo(&mut client, &frame(0x82, b"x")).await;
        }
        drop(client);
        stand.until("gateway_shadow_refusals_total", shadow).await;
        stand.until("gateway_connections", 0).await;
    }
}

#[tokio::test]
async fn many_frames_in_one_piece_are_counted_one_by_one() {
    let sockets = Sockets::start().await;
    let stand = stand(&sockets, "{ quota: { events: 9, per: 3600s } }", "Unlimited").await;
    let mut client = open(&stand).await;
    // Fragments of one message are frames.
    let five = [0x02, 0x00, 0x00, 0x00, 0x80].map(|first| frame(first, b"part")).concat();
    client.0.write_all(&five).await.unwrap();
    let four = [0x02, 0x00, 0x00, 0x00].map(|first| frame(first, b"part")).concat();
    let mut back = vec![0; four.len()];
    soon(client.0.read_exact(&mut back)).await.unwrap();
    assert_eq!(back, four);
    assert_eq!(farewell(&mut client).await.0, 1013);
}
