//! Does a second factor stand between a stolen password and the tokens? (KM-106)

use key_manager::config::Config;
use key_manager::endpoint::{Mfa, Reply};
use key_manager::vault::Seed;

use crate::browser::{Browser, PASSWORD, encode, sealed, sent, step, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Stand, config, json, part, post, text};

const TWO: &str = "urn:turnpike:acr:mfa";
const ONE: &str = "urn:turnpike:acr:password";

fn with(mfa: Mfa) -> Config {
    let mut config = config();
    config.login.mfa = mfa;
    config
}

async fn stand(scratch: &Scratch, mfa: Mfa) -> Stand {
    Stand::with(scratch, scratch.folder.path(), BEGIN, with(mfa)).await
}

/// What a page shows between two texts.
fn between(page: &Reply, before: &str, after: &str) -> String {
    let body = String::from_utf8_lossy(page.body()).into_owned();
    let rest = body.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {body}"));
    rest.split(after).next().expect("an end").to_owned()
}

/// "code", "enrol", "codes" for the pages of this subject; else as `step`.
pub(crate) fn page(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(reply.body());
    for (head, name) in [
        ("<h1>Enter your code", "code?"),
        ("<h1>Set up a second factor", "enrol"),
        ("<h1>Keep these codes", "codes"),
        ("<h1>Your account", "account"),
    ] {
        if body.contains(head) {
            return name.to_owned();
        }
    }
    step(reply)
}

/// The seed that a page shows to be typed.
pub(crate) fn seed(reply: &Reply) -> Seed {
    let shown = between(reply, "into it: <code>", "</code>").replace(' ', "");
    Seed::from_text(&shown).expect("a seed")
}

/// The recovery codes that a page shows.
pub(crate) fn codes(reply: &Reply) -> Vec<String> {
    let list = between(reply, "<ul>", "</ul>");
    let codes = list.split("<code>").skip(1);
    codes.map(|code| code.split('<').next().expect("a code").to_owned()).collect()
}

impl Browser<'_> {
    pub(crate) async fn show(&mut self, page: &Reply, code: &str) -> Reply {
        let form = encode(&[("request", &sealed(page)), ("code", code)]);
        self.send(post("/oauth2/factor", &form)).await
    }

    pub(crate) async fn go_on(&mut self, page: &Reply) -> Reply {
        let form = encode(&[("request", &sealed(page))]);
        self.send(post("/oauth2/continue", &form)).await
    }
}

impl Stand {
    pub(crate) fn now(&self) -> i64 {
        self.authority.clock.unix_seconds()
    }
}

#[tokio::test]
async fn who_has_an_app_is_asked_for_a_code_that_is_good_once() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Optional).await;
        stand.person().await;
        let app = stand.app().await;
        let asks = wish(&app, &[("acr_values", &format!("unknown {TWO} {ONE}"))]);

        // The first time it is set up on the way.
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&asks).await;
        let enrol = browser.log_in(&login, "ann", PASSWORD).await;
        assert_eq!(page(&enrol), "enrol");
        let seed = seed(&enrol);
        let wrong = browser.show(&enrol, "000000").await;
        assert_eq!(page(&wrong), "enrol", "a wrong code sets nothing up");
        assert!(String::from_utf8_lossy(wrong.body()).contains("aria-describedby=\"wrong\""));
        let first = seed.shown_at(stand.now());
        let shown = browser.show(&wrong, &first).await;
        assert_eq!(page(&shown), "codes");
        let recovery = codes(&shown);
        assert_eq!(recovery.len(), 10);
        let consent = browser.go_on(&shown).await;
        let code = sent(&browser.decide(&consent, "allow").await, "code").expect("a code");
        let tokens = json(&stand.exchange(&app, &code, &[]).await);
        for token in ["access_token", "id_token"] {
            let claims = part(&text(&tokens, token), 1);
            assert_eq!(claims["acr"], TWO);
            assert_eq!(claims["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
            assert_eq!(claims["auth_time"], BEGIN);
        }
        let refreshed = stand.refresh(&app, &text(&tokens, "refresh_token"), "").await;
        assert_eq!(part(&text(&json(&refreshed), "access_token"), 1)["acr"], TWO);
        // The session that is there has both factors.
        assert_eq!(page(&browser.authorize(&asks).await), "code");

        // From then on at every login, whatever the client asks.
        let mut other = Browser::new(&stand);
        let login = other.authorize(&wish(&app, &[])).await;
        let asked = other.log_in(&login, "ann", PASSWORD).await;
        assert_eq!(page(&asked), "code?");
        assert_eq!(page(&other.show(&asked, &first).await), "code?", "a code is good once");
        stand.pass(30);
        let next = seed.shown_at(stand.now());
        assert_eq!(page(&other.show(&asked, &next).await), "code");
        let lines = stand.authority.audit.lines(0, 0, 1000).await.expect("the log");
        let all = format!("{lines:?}");
        assert!(all.contains("factor.added") && !all.contains(&*seed.text()));

        // Without the app, each recovery code once.
        for (typed, then) in [(recovery[0].to_uppercase(), "code"), (recovery[0].clone(), "code?")]
        {
            let mut third = Browser::new(&stand);
            let login = third.authorize(&wish(&app, &[])).await;
            let asked = third.log_in(&login, "ann", PASSWORD).await;
            assert_eq!(page(&third.show(&asked, &typed).await), then);
        }
    })
    .await;
}

#[tokio::test]
async fn half_a_login_is_no_session() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Required).await;
        let user = stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&wish(&app, &[])).await;
        let enrol = browser.log_in(&login, "ann", PASSWORD).await;
        assert_eq!(page(&enrol), "enrol");
        // Other doors with what the browser has now.
        assert_eq!(page(&browser.authorize(&wish(&app, &[])).await), "login");
        let silent = browser.authorize(&wish(&app, &[("prompt", "none")])).await;
        assert_eq!(page(&silent), "login_required");
        assert_eq!(page(&browser.decide(&login, "allow").await), "login");
        assert_eq!(page(&browser.go_on(&login).await), "login");
        let half = encode(&[("request", &sealed(&enrol)), ("answer", "allow")]);
        for path in ["/oauth2/consent", "/oauth2/continue", "/oauth2/account"] {
            let reply = browser.send(post(path, &half)).await;
            assert_eq!(page(&reply), "page 400", "{path}");
        }
        let good = seed(&enrol).shown_at(stand.now());
        // Another browser has another cookie, or none.
        let mut thief = Browser::new(&stand);
        assert_eq!(page(&thief.show(&enrol, &good).await), "page 400");
        thief.authorize(&wish(&app, &[])).await;
        assert_eq!(page(&thief.show(&enrol, &good).await), "page 400");
        // Too late.
        stand.pass(601);
        let late = seed(&enrol).shown_at(stand.now());
        assert_eq!(page(&browser.show(&enrol, &late).await), "page 400");
        // A person whose logins were ended meanwhile begins anew.
        let login = browser.authorize(&wish(&app, &[])).await;
        let enrol = browser.log_in(&login, "ann", PASSWORD).await;
        let by = &stand.authority;
        key_manager::accounts::set_password(by, &user.id, "another one").await.expect("set");
        let good = seed(&enrol).shown_at(stand.now());
        assert_eq!(page(&browser.show(&enrol, &good).await), "page 400");
    })
    .await;
}

#[tokio::test]
async fn an_app_cannot_be_replaced_by_half_a_login_from_before() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Required).await;
        stand.person().await;
        let app = stand.app().await;
        let mut browsers = [Browser::new(&stand), Browser::new(&stand)];
        let mut enrols = Vec::new();
        for browser in &mut browsers {
            let login = browser.authorize(&wish(&app, &[])).await;
            enrols.push(browser.log_in(&login, "ann", PASSWORD).await);
        }
        let [one, two] = &mut browsers;
        let good = |enrol: &Reply| seed(enrol).shown_at(stand.now());
        assert_eq!(page(&one.show(&enrols[0], &good(&enrols[0])).await), "codes");
        assert_eq!(page(&two.show(&enrols[1], &good(&enrols[1])).await), "page 400");
    })
    .await;
}

#[tokio::test]
async fn guesses_of_a_code_are_few() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Required).await;
        stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&wish(&app, &[])).await;
        let enrol = browser.log_in(&login, "ann", PASSWORD).await;
        let seed = seed(&enrol);
        browser.show(&enrol, &seed.shown_at(stand.now())).await;
        let mut thief = Browser::new(&stand);
        let login = thief.authorize(&wish(&app, &[])).await;
        stand.pass(60);
        let asked = thief.log_in(&login, "ann", PASSWORD).await;
        for _ in 0..6 {
            assert_eq!(page(&thief.show(&asked, "000000").await), "code?");
        }
        let good = seed.shown_at(stand.now());
        assert_eq!(page(&thief.show(&asked, &good).await), "code?", "locked out");
        // A right password does not make the guesses forgotten.
        let login = thief.authorize(&wish(&app, &[("prompt", "login")])).await;
        let asked = thief.log_in(&login, "ann", PASSWORD).await;
        assert_eq!(page(&thief.show(&asked, &good).await), "code?");
        stand.pass(61);
        let good = seed.shown_at(stand.now());
        assert_eq!(page(&thief.show(&asked, &good).await), "consent");
    })
    .await;
}

#[tokio::test]
async fn parallel_uses_of_one_code_let_one_in() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Required).await;
        let user = stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&wish(&app, &[])).await;
        let enrol = browser.log_in(&login, "ann", PASSWORD).await;
        let seed = seed(&enrol);
        browser.show(&enrol, &seed.shown_at(stand.now())).await;
        let store = &stand.authority.store;
        let uses = (0..8).map(|_| store.use_step(&user.id, BEGIN));
        let uses = futures_util::future::join_all(uses).await;
        let first = uses.into_iter().filter(|used| matches!(used, Ok(true))).count();
        assert_eq!(first, 1);
    })
    .await;
}

#[tokio::test]
async fn a_wish_for_two_factors_asks_who_is_logged_in_already() {
    each(async |scratch| {
        let stand = stand(&scratch, Mfa::Optional).await;
        stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let code = browser.code(&wish(&app, &[])).await;
        let tokens = json(&stand.exchange(&app, &code, &[]).await);
        assert_eq!(part(&text(&tokens, "id_token"), 1)["acr"], ONE);
        let two = [("acr_values", TWO)];
        let silent = [("acr_values", TWO), ("prompt", "none")];
        assert_eq!(page(&browser.authorize(&wish(&app, &silent)).await), "interaction_required");
        let enrol = browser.authorize(&wish(&app, &two)).await;
        assert_eq!(page(&enrol), "enrol");
        let one = format!("{ONE} {TWO}");
        assert_eq!(page(&browser.authorize(&wish(&app, &[("acr_values", &one)])).await), "code");
        let shown = browser.show(&enrol, &seed(&enrol).shown_at(stand.now())).await;
        assert_eq!(page(&browser.go_on(&shown).await), "code");
        assert_eq!(page(&browser.authorize(&wish(&app, &silent)).await), "code");
    })
    .await;
}

#[tokio::test]
async fn without_second_factors_nobody_is_asked() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, Mfa::Off).await;
    stand.person().await;
    let app = stand.app().await;
    let mut browser = Browser::new(&stand);
    browser.code(&wish(&app, &[("acr_values", TWO)])).await;
    let document = json(&stand.get("/.well-known/openid-configuration").await);
    assert_eq!(document["acr_values_supported"], serde_json::json!([ONE]));
}
