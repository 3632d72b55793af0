//! Do people make accounts themselves exactly where they may?

use key_manager::accounts;
use key_manager::config::Config;
use key_manager::endpoint::{Reply, SignUp};

use crate::browser::{Browser, PASSWORD, encode, sealed, wish};
use crate::databases::{Scratch, each};
use crate::factors;
use crate::stand::{BEGIN, Stand, config, json, post};

async fn stand(scratch: &Scratch, signup: SignUp) -> Stand {
    let mut config: Config = config();
    config.login.signup = signup;
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

fn page(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(reply.body());
    if body.contains("<h1>Create an account") {
        let wrong = body.split("id=\"wrong\">").nth(1).map(|rest| rest.split('<').next());
        return wrong.flatten().map_or("create".to_owned(), str::to_owned);
    }
    if body.contains("<h1>Your account is waiting") {
        return "waiting".to_owned();
    }
    factors::page(reply)
}

impl Browser<'_> {
    async fn create(&mut self, shown: &Reply, fields: &[(&str, &str)]) -> Reply {
        let mark = sealed(shown);
        let mut pairs = vec![("request", mark.as_str())];
        pairs.extend(fields);
        self.send(post("/oauth2/signup", &encode(&pairs))).await
    }
}

fn of<'f>(name: &'f str, password: &'f str, again: &'f str) -> [(&'f str, &'f str); 3] {
    [("name", name), ("password", password), ("again", again)]
}

#[tokio::test]
async fn a_new_person_goes_on_to_the_client() {
    each(async |scratch| {
        let stand = stand(&scratch, SignUp::On).await;
        let ann = stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&wish(&app, &[])).await;
        let create = browser.create(&login, &[]).await;
        assert_eq!(page(&create), "create");
        for (fields, said) in [
            (of("ann", PASSWORD, PASSWORD), "This name is taken."),
            (of("a b", PASSWORD, PASSWORD), "A name has 1 to 256 bytes and no spaces."),
            (of("ben", "short", "short"), "A password has 8 to 1024 bytes."),
            (of("ben", PASSWORD, "another"), "The passwords differ."),
        ] {
            assert_eq!(page(&browser.create(&create, &fields).await), said);
        }
        let before = browser.cookie.clone();
        let consent = browser.create(&create, &of("Ben", PASSWORD, PASSWORD)).await;
        assert_eq!(page(&consent), "consent");
        assert_ne!(browser.cookie, before, "a new session has a new cookie");
        let code = crate::browser::sent(&browser.decide(&consent, "allow").await, "code");
        let tokens = json(&stand.exchange(&app, &code.expect("a code"), &[]).await);
        let subject = crate::stand::part(&crate::stand::text(&tokens, "id_token"), 1);
        assert_ne!(subject["sub"], ann.id.as_str());

        // `prompt=create` begins with that page, also where somebody is logged in.
        let asked = browser.authorize(&wish(&app, &[("prompt", "create")])).await;
        assert_eq!(page(&asked), "create");
        let mut fresh = Browser::new(&stand);
        let asked = fresh.authorize(&wish(&app, &[("prompt", "create")])).await;
        let consent = fresh.create(&asked, &of("cleo", PASSWORD, PASSWORD)).await;
        assert_eq!(page(&consent), "consent");
        let both = browser.authorize(&wish(&app, &[("prompt", "create login")])).await;
        assert_eq!(page(&both), "invalid_request");
        let document = json(&stand.get("/.well-known/openid-configuration").await);
        let prompts = document["prompt_values_supported"].as_array().expect("a list");
        assert!(prompts.iter().any(|prompt| prompt == "create"));
        // The mark of another browser, or none.
        let mut stranger = Browser::new(&stand);
        let forged = stranger.create(&asked, &of("dora", PASSWORD, PASSWORD)).await;
        assert_eq!(page(&forged), "page 400");
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_approval_cannot_log_in() {
    each(async |scratch| {
        let stand = stand(&scratch, SignUp::Approval).await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&wish(&app, &[])).await;
        let waiting = browser.create(&login, &of("ann", PASSWORD, PASSWORD)).await;
        assert_eq!(page(&waiting), "waiting");
        assert_eq!(page(&browser.log_in(&login, "ann", PASSWORD).await), "login");
        let users = accounts::pending(&stand.authority).await.expect("a list");
        let [user] = users.as_slice() else { panic!("{users:?}") };
        assert!(accounts::approve(&stand.authority, "nobody").await.is_err());
        accounts::approve(&stand.authority, &user.id).await.expect("approved");
        assert!(accounts::approve(&stand.authority, &user.id).await.is_err(), "once");
        assert!(accounts::pending(&stand.authority).await.expect("a list").is_empty());
        assert_eq!(page(&browser.log_in(&login, "ann", PASSWORD).await), "consent");
        let lines = stand.authority.audit.lines(0, 0, 100).await.expect("the log");
        let events: Vec<_> = lines.iter().map(|line| line.note.event.as_str()).collect();
        assert!(events.contains(&"user.signed_up") && events.contains(&"user.approved"));
        // Who was disabled is not let in by an approval.
        let second = browser.authorize(&wish(&app, &[("prompt", "login")])).await;
        browser.create(&second, &of("ben", PASSWORD, PASSWORD)).await;
        let ben = accounts::pending(&stand.authority).await.expect("a list").remove(0);
        accounts::disable(&stand.authority, &ben.id, true).await.expect("disabled");
        assert!(accounts::approve(&stand.authority, &ben.id).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn one_network_makes_few_accounts() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, SignUp::On).await;
    let app = stand.app().await;
    let mut browser = Browser::new(&stand);
    let create = browser.authorize(&wish(&app, &[("prompt", "create")])).await;
    for number in 0..5 {
        // A name that is taken counts too: the answer says that it is.
        let said = page(&browser.create(&create, &of("a b", PASSWORD, PASSWORD)).await);
        assert!(said.starts_with("A name has"), "{number}: {said}");
    }
    let said = page(&browser.create(&create, &of("ann", PASSWORD, PASSWORD)).await);
    assert_eq!(said, "There are too many new accounts. Try again later.");
    stand.pass(61);
    let said = page(&browser.create(&create, &of("ann", PASSWORD, PASSWORD)).await);
    assert_eq!(said, "consent");
}

#[tokio::test]
async fn by_default_nobody_makes_an_account() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let app = stand.app().await;
    let mut browser = Browser::new(&stand);
    let login = browser.authorize(&wish(&app, &[])).await;
    assert!(!String::from_utf8_lossy(login.body()).contains("signup"));
    let reply = browser.create(&login, &of("ann", PASSWORD, PASSWORD)).await;
    assert_eq!(page(&reply), "page 404");
    let asked = browser.authorize(&wish(&app, &[("prompt", "create")])).await;
    assert_eq!(page(&asked), "invalid_request");
}
