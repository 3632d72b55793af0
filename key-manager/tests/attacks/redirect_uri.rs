//! Attack list, `redirect_uri`: is a person ever sent to an address that the client does not have?
//!
//! The answer is a page, 400, whatever else is wrong and however the answer should come back.

use http::header;
use key_manager::endpoint::Reply;
use key_manager::registration::{Application, register};

use crate::browser::{Browser, CALLBACK, app, encode, step, wish};
use crate::databases::Scratch;
use crate::stand::{Dressed, Stand, post, said};

/// The registered one is <https://app.example/cb>.
const WRONG: &[(&str, &str)] = &[
    ("another client's", "https://other.example/cb"),
    ("a subdomain", "https://sub.app.example/cb"),
    ("an appended domain", "https://app.example.evil.example/cb"),
    ("a prefix host", "https://app.example.evil/cb"),
    ("a suffix host", "https://evilapp.example/cb"),
    ("a longer path", "https://app.example/cb/more"),
    ("a slash", "https://app.example/cb/"),
    ("a shorter path", "https://app.example/"),
    ("no path", "https://app.example"),
    ("/../", "https://app.example/cb/../cb"),
    ("/../ to elsewhere", "https://app.example/cb/../evil"),
    ("..;/", "https://app.example/cb/..;/evil"),
    ("%2e%2e", "https://app.example/cb/%2e%2e/evil"),
    ("%2f", "https://app.example/cb%2f..%2fevil"),
    ("a double escape", "https://app.example/cb%252f..%252fevil"),
    ("an escaped letter", "https://app.example/%63b"),
    ("a backslash", "https://app.example\\@evil.example/cb"),
    ("backslashes as slashes", "https:\\\\app.example\\cb"),
    ("a host behind a backslash", "https://evil.example\\.app.example/cb"),
    ("a host as a user", "https://app.example@evil.example/cb"),
    ("a host as a user with a password", "https://app.example:443@evil.example/cb"),
    ("a user", "https://user@app.example/cb"),
    ("a user with a password", "https://user:pass@app.example/cb"),
    ("an empty user", "https://@app.example/cb"),
    ("two users", "https://app.example@evil.example@app.example/cb"),
    ("an escaped user", "https://app.example%40evil.example/cb"),
    ("a fragment", "https://app.example/cb#evil"),
    ("an empty fragment", "https://app.example/cb#"),
    ("an escaped fragment", "https://app.example/cb%23evil"),
    ("a query", "https://app.example/cb?next=evil"),
    ("an empty query", "https://app.example/cb?"),
    ("path parameters", "https://app.example/cb;evil"),
    ("the usual port", "https://app.example:443/cb"),
    ("another port", "https://app.example:8443/cb"),
    ("an empty port", "https://app.example:/cb"),
    ("http", "http://app.example/cb"),
    ("the scheme in capitals", "HTTPS://app.example/cb"),
    ("the host in capitals", "https://APP.example/cb"),
    ("the path in capitals", "https://app.example/CB"),
    ("a dot behind the host", "https://app.example./cb"),
    ("a Cyrillic letter", "https://\u{430}pp.example/cb"),
    ("its Punycode", "https://xn--pp-7ka.example/cb"),
    ("full width", "https://ａpp.example/cb"),
    ("an ideographic dot", "https://app\u{3002}example/cb"),
    ("a soft hyphen", "https://app\u{ad}.example/cb"),
    ("a tab behind it", "https://app.example/cb\t"),
    ("a tab inside", "https://app.exa\tmple/cb"),
    ("a line behind it", "https://app.example/cb\n"),
    ("a header behind it", "https://app.example/cb\r\nSet-Cookie: a=b"),
    ("a blank before it", " https://app.example/cb"),
    ("a blank behind it", "https://app.example/cb "),
    ("localhost", "https://localhost/cb"),
    ("http on localhost", "http://localhost/cb"),
    ("127.0.0.1", "http://127.0.0.1/cb"),
    ("[::1]", "http://[::1]/cb"),
    ("0.0.0.0", "http://0.0.0.0/cb"),
    ("127.1", "http://127.1/cb"),
    ("a name that leads to 127.0.0.1", "http://127.0.0.1.nip.io/cb"),
    ("javascript:", "javascript:alert(1)"),
    ("javascript: in mixed case", "JaVaScRiPt:alert(1)"),
    ("javascript: with the address in it", "javascript://app.example/cb%0aalert(1)"),
    ("data:", "data:text/html,<script>alert(1)</script>"),
    ("data: in mixed case", "DaTa:text/html;base64,PHNjcmlwdD4="),
    ("vbscript:", "vbscript:msgbox(1)"),
    ("file:", "file:///etc/passwd"),
    ("without a scheme", "//app.example/cb"),
    ("a path", "/cb"),
    ("a wildcard", "https://*.example/cb"),
    ("nothing", ""),
];

fn check(name: &str, reply: &Reply) {
    assert_eq!(step(reply), "page 400", "{name}");
    assert!(!reply.headers().contains_key(header::LOCATION), "{name}");
    let page = String::from_utf8_lossy(reply.body()).into_owned();
    assert!(!page.contains("<form") && !page.contains("evil"), "{name}: {page}");
    let policy = reply.headers()["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("form-action 'self';"), "{name}: {policy}");
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered_byte_for_byte() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.register(Application { first_party: true, ..app() }).await;
    let mut browser = Browser::new(&stand);
    // Somebody who is logged in and would not be asked anything.
    browser.code(&wish(&client, &[])).await;
    for (name, wrong) in WRONG {
        for mode in ["", "query", "fragment", "form_post", "jwt", "query.jwt", "form_post.jwt"] {
            for more in [("max_age", ""), ("prompt", "none"), ("response_type", "token")] {
                let changes = [("redirect_uri", *wrong), ("response_mode", mode), more];
                let reply = browser.authorize(&wish(&client, &changes)).await;
                check(&format!("{name}, {mode}, {more:?}"), &reply);
            }
        }
        let pushed = post("/oauth2/par", &wish(&client, &[("redirect_uri", wrong)]));
        assert_eq!(said(&stand.ask(&pushed).await), "400 invalid_request", "pushed: {name}");
    }
}

#[tokio::test]
async fn of_two_addresses_none_counts() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let evil = encode(&[("redirect_uri", "https://evil.example/cb")]);
    let good = wish(&client, &[]);
    for query in [
        format!("{good}&{evil}"),
        format!("{evil}&{good}"),
        format!("{good}&redirect%5Furi=https%3A%2F%2Fevil.example"),
        format!("{good}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"),
        format!("{good}&redirect_uri"),
        format!("{good}%00&redirect_uri%00=x"),
    ] {
        check(&query, &browser.authorize(&query).await);
    }
    // What is called otherwise is another parameter, and none that is known.
    for other in ["redirect_uri[]", "Redirect_uri", "redirect_uri.", "redirecturi"] {
        let query = format!("{good}&{}", encode(&[(other, "https://evil.example/cb")]));
        let reply = browser.authorize(&query).await;
        assert_eq!(step(&reply), "login", "{other}");
        let policy = reply.headers()["content-security-policy"].to_str().expect("text");
        assert!(!policy.contains("evil"), "{other}: {policy}");
    }
}

#[tokio::test]
async fn an_address_that_could_lead_elsewhere_is_not_registered() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    // Those of the table that another client could rightly have.
    let fine = [
        "another client's",
        "a subdomain",
        "an appended domain",
        "a prefix host",
        "a suffix host",
        "a longer path",
        "a slash",
        "a shorter path",
        "no path",
        "an escaped letter",
        "%2f",
        "a double escape",
        "an escaped fragment",
        "a query",
        "an empty query",
        "path parameters",
        "the usual port",
        "an empty port",
        "another port",
        "the host in capitals",
        "the path in capitals",
        "a dot behind the host",
        "its Punycode",
        "localhost",
        "127.0.0.1",
        "[::1]",
    ];
    for (name, wrong) in WRONG.iter().filter(|(name, _)| !fine.contains(name)) {
        let asked = Application { redirect_uris: vec![(*wrong).to_owned()], ..app() };
        let made = register(&stand.authority, &asked).await;
        assert!(made.is_err(), "{name} was registered");
        let logout = Application { logout_uris: vec![(*wrong).to_owned()], ..app() };
        assert!(register(&stand.authority, &logout).await.is_err(), "after a logout: {name}");
    }
}

#[tokio::test]
async fn a_code_is_good_with_the_address_only_that_it_was_sent_to() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let uris = [CALLBACK, "https://app.example/other"].map(str::to_owned).to_vec();
    let client = stand.register(Application { redirect_uris: uris, ..app() }).await;
    let mut browser = Browser::new(&stand);
    for (redirect, answer) in [
        ("", "400 invalid_request"),
        ("https://app.example/other", "400 invalid_grant"),
        ("https://app.example/cb/", "400 invalid_grant"),
        (CALLBACK, "200"),
    ] {
        let code = browser.code(&wish(&client, &[])).await;
        let reply = stand.exchange(&client, &code, &[("redirect_uri", redirect)]).await;
        assert_eq!(said(&reply), answer, "{redirect}");
    }
    let poisoned = post("/oauth2/authorize", &wish(&client, &[])).header("host", "evil.example");
    let location = stand.ask(&poisoned).await.headers()["location"].clone();
    assert!(location.to_str().expect("text").starts_with("/oauth2/authorize?"), "{location:?}");
}
