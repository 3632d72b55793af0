//! What does a backend see of who calls it, and who got the token?

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::stand::{Answer, LIMIT, Stand};

const SECRETS: &str = "
---
{ apiVersion: turnpike/v1, kind: Secret, metadata: { name: pass }, spec: { value: s3cret } }
---
{ apiVersion: turnpike/v1, kind: Secret, metadata: { name: key }, spec: { value: k-1 } }
";

/// An API at `/NAME` for each "name url security", and the secrets.
fn apis(lines: &str) -> String {
    let mut yaml = String::new();
    for line in lines.lines() {
        let (name, rest) = line.split_once(' ').unwrap();
        let (url, security) = rest.split_once(' ').unwrap();
        write!(
            yaml,
            "---\n{{ apiVersion: turnpike/v1, kind: Api, metadata: {{ name: {name}, version: \"1\" }}, \
             spec: {{ context: /{name}, lifecycle: PUBLISHED, security: {{ schemes: [none] }}, \
             endpoints: {{ production: {{ urls: [\"{url}\"], timeout: 5s, \
             security: {{ {security} }} }} }}, \
             policies: {{ request: [{{ setHeader: {{ name: Authorization, value: policy }} }}] }} }} }}\n"
        )
        .unwrap();
    }
    yaml + SECRETS
}

/// What the backend read of a call with fields of the client's own.
async fn read(stand: &Stand, line: &str, body: &str) -> String {
    let fields = "authorization: Bearer client\r\nx-key: client\r\nx-amz-date: client\r\n";
    let answer = stand.call(line, fields, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn a_backend_sees_the_gateways_credential_and_not_the_clients() {
    let stand = Stand::start(&apis(
        "basic http://BACKEND basic: { username: ann, secret: pass }\n\
         header http://BACKEND apiKey: { header: X-Key, secret: key }\n\
         query http://BACKEND apiKey: { query: key, secret: key }\n\
         aws http://BACKEND aws: { accessKey: AKID, secret: pass, region: eu-west-1, service: s3 }",
    ))
    .await;
    // How often a line that starts like this was read.
    let count = |head: &str, start: &str| head.lines().filter(|it| it.starts_with(start)).count();
    let head = read(&stand, "GET /basic/1/echo", "").await;
    assert_eq!(count(&head, "authorization: "), 1, "{head}");
    assert_eq!(count(&head, "authorization: Basic YW5uOnMzY3JldA=="), 1, "{head}");
    let head = read(&stand, "GET /header/1/echo", "").await;
    assert_eq!((count(&head, "x-key: "), count(&head, "x-key: k-1")), (1, 1), "{head}");
    assert_eq!(count(&head, "authorization: policy"), 1, "{head}");
    for (target, sent) in [
        ("/query/1/echo", "/echo?key=k-1"),
        ("/query/1/echo?a=b&key=forged&k%65y=forged&c", "/echo?a=b&c&key=k-1"),
    ] {
        let head = read(&stand, &format!("GET {target}"), "").await;
        assert!(head.starts_with(&format!("GET {sent} HTTP/1.1")), "{head}");
    }
    let head = read(&stand, "POST /aws/1/echo?b=2&a=1", "hello").await;
    let signed = "authorization: AWS4-HMAC-SHA256 Credential=AKID/";
    assert_eq!((count(&head, "authorization: "), count(&head, signed)), (1, 1), "{head}");
    assert_eq!((count(&head, "x-amz-date: "), count(&head, "x-amz-date: 2")), (1, 1), "{head}");
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(count(&head, &format!("x-amz-content-sha256: {hello}")), 1, "{head}");
    assert!(head.ends_with("\r\n\r\nhello"), "{head}");
}

/// A token endpoint that gives `token-1`, `token-2`, … and a backend that takes only the tokens
/// from a certain one on.
struct Idp {
    issued: AtomicUsize,
    asked: AtomicUsize,
    /// The first token that the backend takes.
    takes: AtomicUsize,
    /// Answers 500 to token requests.
    broken: AtomicUsize,
    forms: std::sync::Mutex<Vec<String>>,
    /// Seconds that tokens are good.
    life: AtomicUsize,
}

impl Idp {
    async fn start(tasks: &Tasks) -> (Arc<Self>, String) {
        let idp = Arc::new(Self {
            issued: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            takes: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            forms: std::sync::Mutex::default(),
            life: AtomicUsize::new(3600),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (here, each) = (Arc::clone(&idp), tasks.clone());
        tasks.spawn("idp", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let here = Arc::clone(&here);
                each.spawn("idp-connection", async move {
                    let mut input = Vec::new();
                    while let Some(request) = read_request(&mut stream, &mut input).await {
                        if stream.write_all(here.answer(&request).as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (idp, address)
    }

    fn answer(&self, request: &str) -> String {
        let (status, body) = if request.starts_with("POST /token ") {
            let form = request.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
            self.forms.lock().unwrap().push(form);
            if self.broken.load(Ordering::SeqCst) > 0 {
                ("500 Broken", "{}".to_owned())
            } else {
                let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
                let life = self.life.load(Ordering::SeqCst);
                let token = format!(
                    "{{\"access_token\":\"token-{number}\",\"token_type\":\"Bearer\",\
                     \"expires_in\":{life},\"refresh_token\":\"refresh-{number}\"}}"
                );
                ("200 OK", token)
            }
        } else {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let number: Option<usize> = request.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("authorization: bearer token-")?.parse().ok()
            });
            let takes = self.takes.load(Ordering::SeqCst);
            match number {
                Some(number) if number >= takes.max(1) => ("200 OK", request.to_owned()),
                _ => ("401 No", "who?".to_owned()),
            }
        };
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    fn takes(&self, first: usize) {
        self.takes.store(first, Ordering::SeqCst);
    }
}

async fn read_request(stream: &mut tokio::net::TcpStream, input: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(input).into_owned();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = text.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            let whole = head + 4 + length.unwrap_or(0);
            if input.len() >= whole {
                let rest = input.split_off(whole);
                let request = std::mem::replace(input, rest);
                return Some(String::from_utf8_lossy(&request).into_owned());
            }
        }
        if stream.read_buf(input).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// A stand with an API at `/a` whose backend asks for tokens.
async fn guarded(more: &str) -> (Stand, Arc<Idp>) {
    let stand = Stand::start("").await;
    let (idp, address) = Idp::start(&stand.host.tasks).await;
    stand.publish(&apis(&format!(
        "a http://{address} oauth2: {{ tokenUrl: \"http://{address}/token\", clientId: c, \
         secret: pass{more} }}"
    )));
    (stand, idp)
}

async fn get(stand: &Stand) -> Answer {
    stand.call("GET /a/1/x", "authorization: Bearer client\r\n", "").await
}

#[tokio::test]
async fn one_token_serves_all_calls() {
    let (stand, idp) = guarded("").await;
    let all = (0..20).map(|_| get(&stand));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("authorization: Bearer token-1"), "{answer:?}");
        assert_eq!(answer.body.matches("authorization:").count(), 1, "{answer:?}");
    }
    assert_eq!((idp.issued(), idp.asked()), (1, 20));
    assert_eq!(idp.forms.lock().unwrap()[0], "grant_type=client_credentials");
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_call_made_once_more() {
    let (stand, idp) = guarded("").await;
    assert_eq!(get(&stand).await.status, 200);
    idp.takes(2);
    idp.asked();
    let answer = stand.call("POST /a/1/x", "", "hello").await;
    assert!(answer.body.contains("Bearer token-2") && answer.body.ends_with("hello"), "{answer:?}");
    assert_eq!((idp.issued(), idp.asked()), (2, 2));
}

#[tokio::test]
async fn a_backend_that_refuses_every_token_is_told_as_such_and_left_alone() {
    let (stand, idp) = guarded("").await;
    idp.takes(1000);
    let answer = get(&stand).await;
    assert_eq!(answer.fault(), "401 900424", "{answer:?}");
    assert_eq!((idp.issued(), idp.asked()), (2, 2));
    // The new token is not replaced for each further call.
    for _ in 0..3 {
        assert_eq!(get(&stand).await.fault(), "401 900424");
    }
    assert_eq!((idp.issued(), idp.asked()), (2, 3));
}

#[tokio::test]
async fn without_a_token_no_call_reaches_the_backend() {
    let (stand, idp) = guarded("").await;
    idp.broken.store(1, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(get(&stand).await.fault(), "502 700703");
    }
    // While it pauses, nobody asks again.
    assert_eq!((idp.asked(), idp.forms.lock().unwrap().len()), (0, 1));
    idp.broken.store(0, Ordering::SeqCst);
    let healed = async { while get(&stand).await.status != 200 {} };
    assert!(stand.host.clock.timeout(LIMIT, healed).await.is_ok());
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_by_its_refresh_token() {
    let (stand, idp) = guarded(", grant: password, username: ann, passwordSecret: key").await;
    idp.life.store(2, Ordering::SeqCst);
    assert_eq!(get(&stand).await.status, 200);
    let renewed = async {
        while idp.issued() < 3 {
            // Calls go on all the time, and none meets an expired token or waits for one.
            assert_eq!(get(&stand).await.status, 200);
            Clock::system().sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(stand.host.clock.timeout(LIMIT, renewed).await.is_ok());
    let forms = idp.forms.lock().unwrap();
    assert_eq!(forms[0], "grant_type=password&username=ann&password=k-1");
    assert_eq!(forms[1], "grant_type=refresh_token&refresh_token=refresh-1");
    assert_eq!(forms[2], "grant_type=refresh_token&refresh_token=refresh-2");
}

#[tokio::test]
async fn a_configuration_that_says_the_same_keeps_its_token() {
    let (stand, idp) = guarded("").await;
    let (other, address) = Idp::start(&stand.host.tasks).await;
    let one = |secret: &str| {
        apis(&format!(
            "a http://{address} oauth2: {{ tokenUrl: \"http://{address}/token\", clientId: c, \
             secret: {secret} }}"
        ))
    };
    assert_eq!(get(&stand).await.status, 200);
    stand.publish(&one("pass"));
    assert_eq!(get(&stand).await.status, 200);
    stand.publish(&one("pass").replace("timeout: 5s", "timeout: 6s"));
    assert_eq!(get(&stand).await.status, 200);
    assert_eq!((idp.issued(), other.issued()), (1, 1));
    stand.publish(&one("key"));
    assert_eq!(get(&stand).await.status, 200);
    assert_eq!(other.issued(), 2);
}
