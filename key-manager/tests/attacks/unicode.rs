//! Attack list, unicode: is there no second way to write a name, and no name that reads as another?
//!
//! Issuers in other letters are in `jose.rs`, addresses in `redirect_uri.rs`, overlong UTF-8 and lone
//! surrogates at every endpoint in `inputs.rs`.

use bytes::Bytes;
use key_manager::accounts::{self, AccountError};
use key_manager::domain::ClientId;
use key_manager::endpoint::Request;
use key_manager::registration::{Access, Application, register};
use serde_json::json;

use crate::browser::{Browser, CALLBACK, PASSWORD, app, encode, step, wish};
use crate::databases::Scratch;
use crate::stand::{BEGIN, Dressed, Stand, config, post, said};

#[tokio::test]
async fn a_name_is_one_name_however_it_is_written() {
    // The name of an account, and others that are the same one.
    const SAME: [(&str, &[&str]); 6] = [
        ("ann", &["ANN", " Ann ", "\u{ff41}\u{ff4e}\u{ff4e}", "\u{1d5ba}nn", "\u{24d0}nn"]),
        ("jos\u{e9}", &["jose\u{301}", "JOS\u{c9}", "JOSE\u{301}"]),
        ("kelvin", &["\u{212a}elvin", "KELVIN"]),
        ("\u{e5}ngstr\u{f6}m", &["\u{212b}ngstr\u{f6}m", "a\u{30a}ngstro\u{308}m"]),
        ("fish", &["\u{fb01}sh"]),
        ("x2", &["x\u{b2}", "x\u{2082}"]),
    ];
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.register(Application { first_party: true, ..app() }).await;
    for (name, others) in SAME {
        accounts::create(&stand.authority, name, PASSWORD, "").await.expect("an account");
        for other in others {
            let again = accounts::create(&stand.authority, other, "another password", "").await;
            assert!(matches!(again, Err(AccountError::Taken)), "{other:?} beside {name:?}");
            let mut browser = Browser::new(&stand);
            let page = browser.authorize(&wish(&client, &[])).await;
            let reply = browser.log_in(&page, other, PASSWORD).await;
            assert_eq!(step(&reply), "code", "{other:?} is {name:?}");
        }
    }
    // What only looks alike is somebody else, with a password of their own.
    for other in ["\u{430}nn", "a\u{578}n", "fi\u{455}h"] {
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&wish(&client, &[])).await;
        assert_eq!(step(&browser.log_in(&page, other, PASSWORD).await), "login", "{other:?}");
    }
    // What nobody sees is in no name.
    for hidden in [
        "an\u{200b}n",
        "an\u{ad}n",
        "ann\u{202e}",
        "\u{2066}ann",
        "an\u{feff}n",
        "an\u{e0041}n",
        "an\u{0}n",
        "an\nn",
        "an n",
        "an\u{a0}n",
    ] {
        let made = accounts::create(&stand.authority, hidden, PASSWORD, "").await;
        assert!(matches!(made, Err(AccountError::Name(_))), "{hidden:?}");
    }
    // A password is one password too.
    accounts::create(&stand.authority, "zoe", "pa\u{301}ss\u{212b}word", "").await.expect("made");
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[])).await;
    let reply = browser.log_in(&page, "zoe", "p\u{e1}ss\u{e5}word".to_uppercase().as_str()).await;
    assert_eq!(step(&reply), "login", "its case counts");
    assert_eq!(step(&browser.log_in(&page, "zoe", "p\u{e1}ss\u{c5}word").await), "code");
}

#[tokio::test]
async fn a_client_has_one_identifier_of_plain_letters() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.app().await;
    let id = client.client.id.as_str();
    let first = id.chars().next().expect("a letter");
    let wide = char::from_u32(u32::from(first) + 0xfee0).expect("a letter");
    for other in [
        id.replacen(first, &wide.to_string(), 1),
        format!("{id}\u{200b}"),
        format!("\u{feff}{id}"),
        format!("{id}\u{301}"),
        format!("{id}\u{0}"),
        format!("{id} "),
        format!(" {id}"),
        format!("{id}\n"),
        id.chars().rev().collect(),
    ] {
        assert_ne!(ClientId::parse(&other).map(|known| known.to_string()), Ok(id.to_owned()));
        let query = wish(&client, &[("client_id", &other)]);
        assert_eq!(step(&Browser::new(&stand).authorize(&query).await), "page 400", "{other:?}");
        let form = encode(&[
            ("grant_type", "refresh_token"),
            ("client_id", &other),
            ("refresh_token", "x"),
        ]);
        let heard = said(&stand.ask(&post("/oauth2/token", &form)).await);
        assert!(
            ["401 invalid_client", "400 invalid_request"].contains(&heard.as_str()),
            "{other:?}: {heard}"
        );
    }
}

#[tokio::test]
async fn a_client_does_not_turn_the_words_of_a_page() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.registration.access = Access::Everybody;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    for (name, fine) in [
        ("Shop", true),
        ("Магазин", true),
        ("متجر", true),
        ("חנות", true),
        ("商店 🏪", true),
        ("\u{202e}knaB ruoY", false),
        ("Shop\u{202d}", false),
        ("\u{2066}Shop\u{2069}", false),
        ("Sh\u{200b}op", false),
        ("Sh\u{ad}op", false),
        ("Shop\u{feff}", false),
        ("Shop\u{2028}Your Bank", false),
        ("Shop\u{e0041}", false),
        ("Shop\nYour Bank", false),
        ("Shop\u{0}", false),
        ("Shop\u{9b}", false),
        ("\u{3000}", false),
        ("", false),
    ] {
        let asked = Application { name: name.to_owned(), ..app() };
        let made = register(&stand.authority, &asked).await;
        assert_eq!(made.is_ok(), fine, "{name:?}");
        let mut request = post("/oauth2/register", "");
        request.headers.clear();
        let metadata = json!({ "client_name": name, "redirect_uris": [CALLBACK] }).to_string();
        let request = request.header("content-type", "application/json");
        let reply = stand.ask(&Request { body: Some(Bytes::from(metadata)), ..request }).await;
        let answer = if fine { "201" } else { "400 invalid_client_metadata" };
        assert_eq!(said(&reply), answer, "{name:?}");
    }
    // What is written right to left stands there as text, and nothing of it is markup.
    let name = "<b>\u{5d0}</b>&\"'";
    let client = stand.register(Application { name: name.to_owned(), ..app() }).await;
    let page = Browser::new(&stand).authorize(&wish(&client, &[])).await;
    let page = String::from_utf8_lossy(page.body()).into_owned();
    assert!(!page.contains("<b>") && page.contains("&lt;b&gt;\u{5d0}&lt;/b&gt;&amp;"), "{page}");
}
