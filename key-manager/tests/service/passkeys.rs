//! Is a passkey a second factor, and a login by itself? (KM-106)

use http::header::CONTENT_SECURITY_POLICY;
use key_manager::config::Config;
use key_manager::endpoint::{Issuer, Mfa, PasskeyUse, Reply};
use key_manager::store::Store as _;
use serde_json::json;

use crate::authenticator::{ORIGIN, Passkey, options};
use crate::browser::{Browser, PASSWORD, encode, sealed, sent, wish};
use crate::databases::{Scratch, each};
use crate::factors::{codes, page};
use crate::stand::{BEGIN, Stand, config, json as read, part, post, text};

const TWO: &str = "urn:turnpike:acr:mfa";

fn with(mfa: Mfa, passkeys: PasskeyUse) -> Config {
    let mut config = config();
    config.issuer.url = Issuer::parse(&format!("{ORIGIN}/oauth2")).expect("an issuer");
    config.login.mfa = mfa;
    config.login.passkeys = passkeys;
    config
}

async fn stand(scratch: &Scratch, mfa: Mfa, passkeys: PasskeyUse) -> Stand {
    Stand::with(scratch, scratch.folder.path(), BEGIN, with(mfa, passkeys)).await
}

fn body(page: &Reply) -> String {
    String::from_utf8_lossy(page.body()).into_owned()
}

/// The form of a page that wants a passkey: its own hidden fields, which may differ from those of others.
fn hidden(page: &Reply, name: &str) -> String {
    let body = body(page);
    let form = body.split("data-passkey=").nth(1).expect("a form");
    let rest = form.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("a field");
    rest.split('"').next().expect("a value").to_owned()
}

impl Browser<'_> {
    async fn account_page(&mut self) -> Reply {
        let request = post("/oauth2/account", "");
        self.send(key_manager::endpoint::Request { method: http::Method::GET, ..request }).await
    }

    async fn wants(&mut self, page: &Reply, wish: &str, more: &[(&str, &str)]) -> Reply {
        let request = sealed(page);
        let mut pairs = vec![("request", request.as_str()), ("do", wish), ("password", PASSWORD)];
        pairs.extend(more);
        self.send(post("/oauth2/account", &encode(&pairs))).await
    }

    /// Logs in at the own page and makes a passkey there; what is shown then.
    async fn make(&mut self, passkey: &mut Passkey, title: &str) -> Reply {
        let own = self.account_page().await;
        let asked = self.wants(&own, "add-passkey", &[]).await;
        let answer = passkey.create(&options(&asked));
        self.keep(&asked, &answer, title).await
    }

    async fn keep(&mut self, asked: &Reply, answer: &str, title: &str) -> Reply {
        let (request, sealed) = (hidden(asked, "request"), hidden(asked, "asked"));
        let form = encode(&[
            ("request", &request),
            ("asked", &sealed),
            ("do", "keep-passkey"),
            ("answer", answer),
            ("title", title),
        ]);
        self.send(post("/oauth2/account", &form)).await
    }

    /// Answers the form of a page for passkeys.
    async fn answer(&mut self, path: &str, page: &Reply, answer: &str) -> Reply {
        let form = encode(&[("request", &hidden(page, "request")), ("answer", answer)]);
        self.send(post(path, &form)).await
    }

    /// A new browser in which Ann is logged in at her own page.
    async fn ann(stand: &Stand) -> Browser<'_> {
        let mut browser = Browser::new(stand);
        let login = browser.account_page().await;
        browser.log_in(&login, "ann", PASSWORD).await;
        browser
    }
}

impl Stand {
    async fn store_passkeys(&self, user: &str) -> Vec<String> {
        let all = self.store.passkeys(user).await.expect("passkeys");
        all.into_iter().map(|passkey| passkey.id).collect()
    }

    async fn codes_left(&self, user: &str) -> u64 {
        self.store.recovery_codes_left(user).await.expect("a number")
    }
}

/// The word by which the own page says what was done.
fn said(reply: &Reply) -> String {
    let location = reply.headers()[http::header::LOCATION].to_str().expect("text").to_owned();
    location.split("said=").nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_that_answers_once() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Optional, PasskeyUse::Second).await;
        stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::ann(&stand).await;
        let mut passkey = Passkey::new();
        let shown = browser.make(&mut passkey, "blue key").await;
        assert_eq!(page(&shown), "codes", "who loses it gets in all the same");
        let recovery = codes(&shown);

        let mut other = Browser::new(&stand);
        let login = other.authorize(&wish(&app, &[])).await;
        assert!(!body(&login).contains("data-passkey"), "not without a password");
        let asked = other.log_in(&login, "ann", PASSWORD).await;
        assert_eq!(page(&asked), "code?");
        let options = options(&asked);
        assert_eq!(options["allowCredentials"].as_array().expect("a list").len(), 1);
        let policy = asked.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("script-src 'sha256-"), "{policy}");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");

        let answer = passkey.get(&options);
        let mut thief = Browser::new(&stand);
        thief.authorize(&wish(&app, &[])).await;
        assert_eq!(page(&thief.answer("/oauth2/factor", &asked, &answer).await), "page 400");
        let consent = other.answer("/oauth2/factor", &asked, &answer).await;
        let code = sent(&other.decide(&consent, "allow").await, "code").expect("a code");
        let tokens = read(&stand.exchange(&app, &code, &[]).await);
        let claims = part(&text(&tokens, "access_token"), 1);
        assert_eq!(
            (&claims["acr"], &claims["amr"]),
            (&json!(TWO), &json!(["pwd", "hwk", "user", "mfa"]))
        );

        // The same answer again, in the browser that it was given to.
        let login = other.authorize(&wish(&app, &[("prompt", "login")])).await;
        let again = other.log_in(&login, "ann", PASSWORD).await;
        let old = other.answer("/oauth2/factor", &again, &answer).await;
        assert_eq!(page(&old), "code?", "it answers another challenge");
        // Of somebody else.
        let mut strange = Passkey::new();
        strange.user = passkey.user.clone();
        let strange = strange.get(&crate::authenticator::options(&again));
        assert_eq!(page(&other.answer("/oauth2/factor", &again, &strange).await), "code?");

        let mut third = Browser::new(&stand);
        let login = third.authorize(&wish(&app, &[])).await;
        let asked = third.log_in(&login, "ann", PASSWORD).await;
        assert_eq!(page(&third.show(&asked, &recovery[0]).await), "code");
    })
    .await;
}

#[tokio::test]
async fn a_passkey_that_knows_its_person_needs_no_password() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Required, PasskeyUse::Login).await;
        let ann = stand.person().await;
        let app = stand.app().await;
        // Required: the first login sets up an app.
        let mut browser = Browser::new(&stand);
        let login = browser.account_page().await;
        let enrol = browser.log_in(&login, "ann", PASSWORD).await;
        let good = crate::factors::seed(&enrol).shown_at(stand.now());
        let shown = browser.show(&enrol, &good).await;
        browser.go_on(&shown).await;
        let mut passkey = Passkey { synced: true, counter: 0, ..Passkey::new() };
        assert_eq!(said(&browser.make(&mut passkey, "phone").await), "passkey");

        let mut other = Browser::new(&stand);
        let login = other.authorize(&wish(&app, &[("acr_values", TWO)])).await;
        let asked = options(&login);
        assert_eq!(asked["userVerification"], "required");
        assert_eq!(asked["allowCredentials"], json!([]));
        let before = other.cookie.clone();
        // Without its person, from another page, for somebody else.
        for wrong in [
            Passkey { verifies: false, ..passkey.twin() },
            Passkey { origin: "https://evil.example".to_owned(), ..passkey.twin() },
            Passkey { user: "bm9ib2R5".to_owned(), ..passkey.twin() },
            Passkey { synced: false, ..passkey.twin() },
        ] {
            let answer = wrong.get_again(&asked);
            let refused = other.answer("/oauth2/passkey", &login, &answer).await;
            assert_eq!(page(&refused), "page 400");
        }
        let login = other.authorize(&wish(&app, &[("acr_values", TWO)])).await;
        let answer = passkey.get(&options(&login));
        let consent = other.answer("/oauth2/passkey", &login, &answer).await;
        assert_ne!(other.cookie, before, "the cookie was not rotated at login (KM-107)");
        let code = sent(&other.decide(&consent, "allow").await, "code").expect("a code");
        let tokens = read(&stand.exchange(&app, &code, &[]).await);
        let claims = part(&text(&tokens, "access_token"), 1);
        assert_eq!(claims["sub"], ann.id.as_str());
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!(TWO), &json!(["swk", "user", "mfa"])));
        assert!(body(&other.account_page().await).contains("with a passkey"));

        // A disabled person has no passkey either.
        key_manager::accounts::disable(&stand.authority, &ann.id, true).await.expect("disabled");
        let mut third = Browser::new(&stand);
        let login = third.authorize(&wish(&app, &[])).await;
        let answer = passkey.get(&options(&login));
        assert_eq!(page(&third.answer("/oauth2/passkey", &login, &answer).await), "page 400");
    })
    .await;
}

#[tokio::test]
async fn a_double_of_a_passkey_is_noticed() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Off, PasskeyUse::Login).await;
        stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::ann(&stand).await;
        let mut passkey = Passkey::new();
        assert_eq!(said(&browser.make(&mut passkey, "key").await), "passkey");
        let mut double = passkey.twin();
        let log_in = async |passkey: &mut Passkey| {
            let mut browser = Browser::new(&stand);
            let login = browser.authorize(&wish(&app, &[])).await;
            let answer = passkey.get(&options(&login));
            let reply = browser.answer("/oauth2/passkey", &login, &answer).await;
            (page(&reply), browser.answer("/oauth2/passkey", &login, &answer).await)
        };
        let (first, again) = log_in(&mut passkey).await;
        assert_eq!((first.as_str(), page(&again).as_str()), ("consent", "page 400"));
        assert_eq!(log_in(&mut passkey).await.0, "consent");
        assert_eq!(log_in(&mut double).await.0, "page 400");
        let lines = stand.authority.audit.lines(0, 0, 1000).await.expect("the log");
        assert!(format!("{lines:?}").contains("passkey.doubled"));
        assert_eq!(log_in(&mut passkey).await.0, "consent", "its owner counts on");
    })
    .await;
}

#[tokio::test]
async fn a_person_has_several_under_names_and_removes_them() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Optional, PasskeyUse::Login).await;
        let ann = stand.person().await;
        let mut browser = Browser::ann(&stand).await;
        let mut one = Passkey::new();
        let shown = browser.make(&mut one, "<b>one</b>").await;
        assert_eq!(page(&shown), "codes");
        // From now on the own page wants it.
        let asked = browser.account_page().await;
        let answer = one.get(&options(&asked));
        browser.answer("/oauth2/factor", &asked, &answer).await;
        let mut two = Passkey::new();
        assert_eq!(said(&browser.make(&mut two, "two").await), "passkey");
        let own = browser.account_page().await;
        assert!(body(&own).contains("&lt;b&gt;one&lt;/b&gt;") && body(&own).contains("two"));

        // One that is known already, whosever it is; and an answer twice.
        let asked = browser.wants(&own, "add-passkey", &[]).await;
        assert_eq!(options(&asked)["excludeCredentials"].as_array().expect("a list").len(), 2);
        let answer = two.create(&options(&asked));
        assert_eq!(said(&browser.keep(&asked, &answer, "again").await), "passkey-known");
        assert_eq!(page(&browser.keep(&asked, &answer, "again").await), "page 400");

        let stored = stand.store_passkeys(&ann.id).await;
        assert_eq!(stored.len(), 2);
        let id = stored[0].as_str();
        let wrong = [("passkey", id), ("password", "wrong")];
        let request = sealed(&own);
        let mut form = vec![("request", request.as_str()), ("do", "remove-passkey")];
        form.extend(wrong);
        let refused = browser.send(post("/oauth2/account", &encode(&form))).await;
        assert_eq!(said(&refused), "wrong");
        for (place, id) in stored.iter().enumerate() {
            assert_eq!(stand.codes_left(&ann.id).await, 10, "{place}");
            let removed = browser.wants(&own, "remove-passkey", &[("passkey", id)]).await;
            assert_eq!(said(&removed), "passkey-gone");
        }
        assert_eq!(stand.codes_left(&ann.id).await, 0, "they go with the last factor");
        assert_eq!(page(&Browser::ann(&stand).await.account_page().await), "account");
    })
    .await;
}

#[tokio::test]
async fn where_there_are_none_nobody_is_offered_one() {
    let scratch = Scratch::sqlite();
    // The host of the default issuer is an address.
    let plain = Stand::on(&scratch).await;
    plain.person().await;
    let app = plain.app().await;
    for stand in [plain, stand(&scratch, Mfa::Optional, PasskeyUse::Off).await] {
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&wish(&app, &[])).await;
        assert!(!body(&login).contains("<script") && !body(&login).contains("passkey"));
        let policy = login.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(!policy.contains("script-src"), "{policy}");
        let mut browser = Browser::ann(&stand).await;
        let own = browser.account_page().await;
        assert!(!body(&own).contains("asskey"));
        assert_eq!(page(&browser.wants(&own, "add-passkey", &[]).await), "page 400");
        let form = encode(&[("request", &sealed(&login)), ("answer", "{}")]);
        let nothing = browser.send(post("/oauth2/passkey", &form)).await;
        assert!(nothing.status().is_client_error(), "{}", nothing.status());
    }
}
