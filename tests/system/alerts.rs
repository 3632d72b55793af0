//! Is a rule that is applied in force at once: is the alert told, and is its caller turned away?

use std::time::Duration;

use chassis::Secret;
use chassis::outbound::signature;
use harness::resources::{api, application, subscription, tier};
use harness::{Backend, Engines, Stack, eventually};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const SECRET: &str = "0123456789abcdef";

/// A program of the operator; what it is told, with the signature.
async fn webhook() -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let (tell, told) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Some(request) = request(stream).await
                && tell.send(request).await.is_err()
            {
                return;
            }
        }
    });
    (url, told)
}

async fn request(stream: TcpStream) -> Option<(String, String)> {
    let mut stream = BufReader::new(stream);
    let (mut signature, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("turnpike-signature") => {
                value.clone_into(&mut signature);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?;
            }
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await.ok()?;
    Some((signature, String::from_utf8(body).ok()?))
}

fn alerting(url: &str) -> String {
    format!(
        "---
apiVersion: turnpike/v1
kind: Secret
metadata: {{ name: hook }}
spec: {{ value: {SECRET} }}
---
apiVersion: turnpike/v1
kind: NotificationChannel
metadata: {{ name: ops }}
spec: {{ webhook: {{ url: \"{url}\", secret: hook }}, gather: 0s }}
---
apiVersion: turnpike/v1
kind: AlertRule
metadata: {{ name: rush }}
spec:
  type: AbnormalRequestsPerMin
  mode: fixed
  threshold: 20
  severity: severe
  block: {{ for: 20s, what: application }}
"
    )
}

/// The threshold of the rule as the collector has it.
async fn threshold(stack: &Stack) -> f64 {
    let types = stack.turnpike(&["alerts", "types"]).await;
    let types = types["types"].as_array().expect("a list").clone();
    let rule = types.iter().find(|one| one["type"] == "AbnormalRequestsPerMin");
    rule.map_or(0.0, |rule| rule["threshold"].as_f64().expect("a number"))
}

async fn rule_reaches_the_collector(stack: &Stack, expected: f64) {
    eventually("the rule is in force", Duration::from_secs(30), async || {
        ((threshold(stack).await - expected).abs() < 0.5).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_rushes_is_told_of_and_turned_away_for_a_while() {
    let backend = Backend::start("orders").await;
    let mut stack = Stack::start(Engines::Embedded).await;
    let published = [
        tier("Gold", 1000),
        api("orders", &backend.url(), &["Gold"]),
        application("shop", &[]),
        subscription("shop", "orders", "Gold"),
    ];
    stack.apply(&published.concat()).await;
    stack.generate_keys("shop").await;
    let token = stack.token("shop").await;
    let (url, mut told) = webhook().await;
    stack.apply(&alerting(&url)).await;
    rule_reaches_the_collector(&stack, 20.0).await;

    // At least half of them are of one minute.
    let mut app = stack.client().with_token(&token);
    for _ in 0..60 {
        app.get("/orders/1.0.0/items/7").await;
    }
    let hearing = tokio::time::timeout(Duration::from_mins(1), told.recv());
    let (signed, body) = hearing.await.expect("an alert in time").expect("an alert");
    let (time, _) = signed.trim_start_matches("t=").split_once(',').expect("a time");
    let time = time.parse().expect("a number");
    assert_eq!(signed, signature(&Secret::new(SECRET), time, body.as_bytes()));
    let message: Value = serde_json::from_str(&body).expect("JSON");
    let alert = &message["alerts"][0];
    assert_eq!(
        (&alert["type"], &alert["severity"]),
        (&"AbnormalRequestsPerMin".into(), &"severe".into())
    );
    assert_eq!(alert["evidence"]["blocked"], "application shop", "{alert}");
    let lift = alert["evidence"]["lift"].as_str().expect("a text");
    let policy = lift.strip_prefix("turnpike delete DenyPolicy ").expect("how to lift it");

    let answer = eventually("the caller is refused", Duration::from_secs(15), async || {
        let answer = stack.client().with_token(&token).get("/orders/1.0.0/items/7").await;
        (answer.status == 403).then_some(answer)
    })
    .await;
    assert_eq!(answer.verdict(), "403 900805");
    let stored = stack.turnpike(&["get", "DenyPolicy", policy]).await;
    assert_eq!(stored["metadata"]["owner"], "alerts", "{stored}");
    assert_eq!(stored["spec"]["applications"][0], "shop", "{stored}");

    eventually("the caller is let in again", Duration::from_mins(1), async || {
        let answer = stack.client().with_token(&token).get("/orders/1.0.0/items/7").await;
        (answer.status == 200).then_some(())
    })
    .await;

    // Without a control plane the last known rules hold; with it, a rule that goes is gone at once.
    stack.stop("control-plane");
    stack.kill("analytics-collector");
    stack.restart("analytics-collector").await;
    assert!((threshold(&stack).await - 20.0).abs() < 0.5);
    stack.restart("control-plane").await;
    stack.turnpike(&["delete", "AlertRule", "rush"]).await;
    rule_reaches_the_collector(&stack, 1000.0).await;
}
