//! What is asked, what is never dialled, and what an answer may not do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use url::Url;

use super::{Client, Error, Reach, Rules};
use crate::clock::Clock;
use crate::host::Host;
use crate::https::{Config, serve};
use crate::pki::ClientAuth;

struct Ground {
    _folder: tempfile::TempDir,
    _host: Host,
    address: SocketAddr,
    authority: Vec<u8>,
    asked: Arc<AtomicUsize>,
}

/// A server of ours that counts; `/long` is long, `/away` leads elsewhere.
async fn ground() -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::development("control-plane", folder.path()).unwrap();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        certificate: String::new(),
        key: String::new(),
        connections: 16,
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |request: Request<Incoming>| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let away = request.uri().path() == "/away";
            let body = if request.uri().path() == "/long" { "x".repeat(5000) } else { "ok".into() };
            let response = Response::builder().status(if away { 302 } else { 200 });
            response.header("location", "https://127.0.0.1/").body(Full::from(body)).unwrap()
        }
    };
    let address = serve(&host, &config, ClientAuth::None, answer).await.unwrap();
    let authority = std::fs::read(folder.path().join("pki/ca.pem")).unwrap();
    Ground { _folder: folder, _host: host, address, authority, asked }
}

impl Ground {
    async fn ask(&self, reach: Reach, url: &str) -> Result<Response<Bytes>, Error> {
        let limit = Duration::from_secs(5);
        let rules = Rules { reach, limit, largest: 1000, at_once: 2 };
        let client = Client::new(Clock::system(), rules, &self.authority).unwrap();
        let url = url.replace("PORT", &self.address.port().to_string());
        client.send(&Url::parse(&url).unwrap(), Request::builder(), Bytes::new()).await
    }
}

fn allowed(text: &str) -> Reach {
    Reach::Public(vec![text.parse().unwrap()])
}

#[tokio::test]
async fn a_named_exception_is_asked_and_no_redirect_is_followed() {
    let ground = ground().await;
    for reach in [allowed("127.0.0.0/8"), allowed("localhost"), Reach::Anywhere] {
        let answer = ground.ask(reach, "https://localhost:PORT/").await.unwrap();
        assert_eq!(answer.body(), "ok");
    }
    let away = ground.ask(Reach::Anywhere, "https://localhost:PORT/away").await.unwrap();
    assert_eq!((away.status().as_u16(), ground.asked.load(Ordering::Relaxed)), (302, 4));
}

#[tokio::test]
async fn our_own_addresses_are_not_dialled_in_any_spelling() {
    let ground = ground().await;
    for url in [
        "https://127.0.0.1:PORT/",
        "https://localhost:PORT/",
        "https://127.1:PORT/",
        "https://2130706433:PORT/",
        "https://0x7f.0.0.1:PORT/",
        "https://0177.0.0.1:PORT/",
        "https://[::1]:PORT/",
        "https://[::ffff:127.0.0.1]:PORT/",
        "https://0.0.0.0:PORT/",
        "https://%31%32%37.0.0.1:PORT/",
        "https://１２７.0.0.1:PORT/",
        "https://localhost.:PORT/",
    ] {
        let refused = ground.ask(Reach::Public(Vec::new()), url).await;
        assert!(
            matches!(refused, Err(Error::Forbidden(_) | Error::Connect(_))),
            "{url}: {refused:?}"
        );
    }
    for url in ["http://8.8.8.8/", "ftp://8.8.8.8/", "https://a:b@8.8.8.8/", "https://a@8.8.8.8/"] {
        let refused = ground.ask(Reach::Public(Vec::new()), url).await;
        assert!(matches!(refused, Err(Error::Scheme | Error::Url)), "{url}: {refused:?}");
    }
    assert_eq!(ground.asked.load(Ordering::Relaxed), 0, "nobody was asked");
}

#[tokio::test]
async fn what_is_too_long_or_not_who_it_says_is_no_answer() {
    let ground = ground().await;
    let long = ground.ask(Reach::Anywhere, "https://localhost:PORT/long").await;
    assert!(matches!(long, Err(Error::Body(_))), "{long:?}");
    let rules =
        Rules { reach: Reach::Anywhere, limit: Duration::from_secs(5), largest: 1000, at_once: 2 };
    let stranger = Client::new(Clock::system(), rules, b"").unwrap();
    let url = format!("https://localhost:{}/", ground.address.port());
    let asked = stranger.send(&Url::parse(&url).unwrap(), Request::builder(), Bytes::new()).await;
    assert!(matches!(asked, Err(Error::Tls(_))), "{asked:?}");
}
