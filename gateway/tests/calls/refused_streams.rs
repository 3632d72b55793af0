//! Is a request that a server of HTTP/2 has not looked at made once more?

use std::sync::Arc;
use std::sync::Mutex;

use bytes::{Bytes, BytesMut};
use chassis::task::Tasks;
use h2::{Reason, RecvStream};
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::frames::{GOAWAY, HEADERS, SETTINGS, frame};
use crate::stand::Stand;

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: h2, version: "1.0" }
spec:
  context: /h2
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://127.0.0.1:PORT"], protocol: h2, retries: { RETRIES } } }
"#;

/// What a backend has done, one letter for each request.
type Done = Arc<Mutex<String>>;

/// A backend that does with its requests, one after the other, what the letters of `plan` say: `r`
/// refuses the stream when its body has come, `e` resets it as an error, `g` says goodbye with a
/// GOAWAY that the stream is beyond (as the first), `a` answers with the body. The last letter holds on.
async fn backend(tasks: &Tasks, plan: &'static str, done: Done) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let each = tasks.clone();
    tasks.spawn("backend", async move {
        while let Ok((stream, _)) = listener.accept().await {
            each.spawn("backend-connection", serve(stream, plan, Arc::clone(&done)));
        }
    });
    port
}

fn next(plan: &str, done: &Done) -> char {
    let mut done = done.lock().unwrap();
    let letter = plan.chars().nth(done.len()).or(plan.chars().last()).unwrap();
    done.push(letter);
    letter
}

async fn serve(mut stream: TcpStream, plan: &'static str, done: Done) {
    if plan.chars().nth(done.lock().unwrap().len()) == Some('g') {
        next(plan, &done);
        return goodbye(&mut stream).await;
    }
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut answering))) = connection.accept().await {
        let letter = next(plan, &done);
        let work = async move {
            let body = whole(request.into_body()).await;
            match letter {
                'r' => answering.send_reset(Reason::REFUSED_STREAM),
                'e' => answering.send_reset(Reason::INTERNAL_ERROR),
                _ => {
                    let mut sending = answering.send_response(Response::new(()), false).unwrap();
                    sending.send_data(body, true).unwrap();
                }
            }
        };
        tokio::select! {
            () = work => {}
            // The connection has to be driven for the body to come; it does not end by itself.
            _ = std::future::poll_fn(|cx| connection.poll_closed(cx)) => return,
        }
    }
}

async fn whole(mut body: RecvStream) -> Bytes {
    let mut all = BytesMut::new();
    while let Some(Ok(part)) = body.data().await {
        let _ = body.flow_control().release_capacity(part.len());
        all.extend_from_slice(&part);
    }
    all.freeze()
}

/// Reads up to the first request and says that it was not looked at.
async fn goodbye(stream: &mut TcpStream) {
    let mut read = vec![0; 24];
    stream.read_exact(&mut read).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let [l0, l1, l2, kind, ..] = head;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        read.resize(length, 0);
        stream.read_exact(&mut read).await.unwrap();
        if kind == HEADERS {
            break;
        }
    }
    let none_and_no_error = [0; 8];
    stream.write_all(&frame(GOAWAY, 0, 0, &none_and_no_error)).await.unwrap();
    // What was said is heard before the end throws it away.
    let _ = stream.read_to_end(&mut read).await;
}

/// Makes a call with a body under `retries`; the answer is what it hears, and what the backend did.
async fn check(line: &str, retries: &str, plan: &'static str, expected: &str) {
    let (tasks, done) = (Tasks::default(), Done::default());
    let port = backend(&tasks, plan, Arc::clone(&done)).await;
    let resources = RESOURCES.replace("PORT", &port.to_string()).replace("RETRIES", retries);
    let stand = Stand::start(&resources).await;
    let answer = stand.call(line, "", "all of it").await;
    let heard = if answer.status == 200 { answer.body } else { answer.fault() };
    let done = done.lock().unwrap();
    assert_eq!(format!("{heard}: {done}"), expected, "{line} {retries} {plan}");
}

#[tokio::test]
async fn a_request_with_a_body_is_made_again_whatever_its_method() {
    check("POST /h2/1.0/x", "", "ra", "all of it: ra").await;
    check("POST /h2/1.0/x", "", "ga", "all of it: ga").await;
    check("PUT /h2/1.0/x", "", "ra", "all of it: ra").await;
    check("POST /h2/1.0/x", "attempts: 3", "grra", "all of it: grra").await;
}

#[tokio::test]
async fn further_tries_end_with_their_number_and_their_budget() {
    check("POST /h2/1.0/x", "", "r", "502 101505: rr").await;
    check("GET /h2/1.0/x", "attempts: 2", "r", "502 101505: rrr").await;
    check("POST /h2/1.0/x", "off: true", "ra", "502 101505: r").await;
    // Ten further tries are there from the start.
    let many = "attempts: 10, budgetPercent: 1, backoff: 0.001s";
    check("POST /h2/1.0/x", many, "r", "502 101505: rrrrrrrrrrr").await;
}

#[tokio::test]
async fn what_is_no_refusal_or_is_not_kept_is_not_made_again() {
    check("POST /h2/1.0/x", "", "ea", "502 101505: e").await;
    check("POST /h2/1.0/x", "maxBodyBytes: 3", "ra", "502 101505: r").await;
}
