//! Do people of a directory log in with the password that it knows, and does a directory that is
//! down hold up nobody else? (KM-100)

use std::path::PathBuf;
use std::time::Duration;

use key_manager::config::{Config, LdapConfig};
use key_manager::directory::{DirectoryRules, GroupRules};
use key_manager::endpoint::{Authenticated, authenticate_for_gateway};
use key_manager::store::Store as _;

use crate::browser::{Browser, PASSWORD, encode, step, wish};
use crate::databases::{Scratch, each};
use crate::slapd::{SERVICE, SERVICE_PASSWORD, Slapd};
use crate::stand::{BEGIN, Stand, config, json, post, text};

const THEIRS: &str = "directory password";

fn with(slapd: &Slapd, address: &str, start_tls: bool, filter: &str) -> Config {
    with_groups(slapd, address, start_tls, filter, GroupRules::default())
}

fn with_groups(
    slapd: &Slapd,
    address: &str,
    start_tls: bool,
    filter: &str,
    groups: GroupRules,
) -> Config {
    let secret = slapd.folder.path().join("service.txt");
    std::fs::write(&secret, format!("{SERVICE_PASSWORD}\n")).expect("written");
    let ca = if start_tls { slapd.folder.path().join("ca.pem") } else { PathBuf::new() };
    let rules = DirectoryRules::new(
        &format!("ldap://{address}:{}", slapd.port),
        start_tls,
        ca,
        SERVICE.to_owned(),
        secret,
        "ou=people,dc=example,dc=com".to_owned(),
        filter.to_owned(),
        2,
        Duration::from_secs(2),
        groups,
    );
    let mut config = config();
    config.ldap = LdapConfig(Some(Box::new(rules.expect("rules"))));
    config
}

const BY_UID: &str = "(&(objectClass=inetOrgPerson)(uid={name}))";

async fn stand(scratch: &Scratch, slapd: &Slapd) -> Stand {
    let config = with(slapd, "127.0.0.1", false, BY_UID);
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

/// What a new browser sees after a login.
async fn log_in(stand: &Stand, client: &str, name: &str, password: &str) -> String {
    let mut browser = Browser::new(stand);
    let login = browser.authorize(client).await;
    step(&browser.log_in(&login, name, password).await)
}

#[tokio::test]
async fn people_of_the_directory_are_known_from_their_first_login() {
    let Some(slapd) = Slapd::start().await else { return };
    each(async |scratch| {
        let stand = stand(&scratch, &slapd).await;
        stand.person().await;
        let app = stand.app().await;
        let asks = wish(&app, &[("scope", "openid profile")]);
        assert_eq!(log_in(&stand, &asks, "eve", "wrong password").await, "login");
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&asks).await;
        let consent = browser.log_in(&login, " EVE ", THEIRS).await;
        assert_eq!(step(&consent), "consent");
        let code = crate::browser::sent(&browser.decide(&consent, "allow").await, "code");
        let tokens = json(&stand.exchange(&app, &code.expect("a code"), &[]).await);
        let bearer = format!("Bearer {}", text(&tokens, "access_token"));
        let request =
            crate::stand::Dressed::header(post("/oauth2/userinfo", ""), "authorization", &bearer);
        let known = json(&stand.ask(&request).await);
        assert_eq!(known["name"], "Eve Example");
        assert_eq!(known["family_name"], "Example");
        // The same person the next time.
        let mut again = Browser::new(&stand);
        let login = again.authorize(&asks).await;
        let code = crate::browser::sent(&again.log_in(&login, "eve", THEIRS).await, "code");
        let second = json(&stand.exchange(&app, &code.expect("a code"), &[]).await);
        let subject = |tokens: &serde_json::Value| {
            crate::stand::part(&text(tokens, "id_token"), 1)["sub"].clone()
        };
        assert_eq!(subject(&tokens), subject(&second));
        // Nothing of the password is kept, and it is not changed here.
        let name = key_manager::domain::UserName::parse("eve").expect("a name");
        let stored = stand.authority.store.user_named(&name).await.expect("read").expect("eve");
        assert!(stored.is_in_directory());
        let mut page = post("/oauth2/account", "");
        page.method = http::Method::GET;
        let shown = again.send(page).await;
        let form = encode(&[
            ("request", &crate::browser::sealed(&shown)),
            ("do", "change-password"),
            ("password", THEIRS),
            ("new", "a new password"),
        ]);
        let said = again.send(post("/oauth2/account", &form)).await;
        assert_eq!(said.headers()["location"], "/oauth2/account?said=elsewhere");
        // An account here is not one there, whatever the directory says.
        assert_eq!(log_in(&stand, &asks, "ann", PASSWORD).await, "consent");
        assert_eq!(log_in(&stand, &asks, "ann", THEIRS).await, "login");
    })
    .await;
}

#[tokio::test]
async fn a_name_cannot_change_the_question() {
    let Some(slapd) = Slapd::start().await else { return };
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, &slapd).await;
    let app = stand.app().await;
    let asks = wish(&app, &[]);
    for name in
        ["*", "e*", "eve)(uid=*", "*)(objectClass=*", "eve)(|(uid=*)", "e\\76e", "twin", "eve\\00"]
    {
        assert_eq!(log_in(&stand, &asks, name, THEIRS).await, "login", "{name}");
    }
    // A bind without a password proves nothing.
    for password in ["", " "] {
        assert_eq!(log_in(&stand, &asks, "eve", password).await, "login", "{password:?}");
    }
    assert_eq!(log_in(&stand, &asks, "eve", THEIRS).await, "consent");
}

/// What the directory says of its people: their entry names a group, and a group names them.
fn groups(attribute: &str, base: &str, roles: &[(&str, &str)]) -> GroupRules {
    let filter = "(&(objectClass=groupOfNames)(member={dn}))".to_owned();
    let owned = |&(group, role): &(&str, &str)| (group.to_owned(), role.to_owned());
    let roles = roles.iter().map(owned).collect();
    GroupRules::new(attribute.to_owned(), base.to_owned(), filter, roles).expect("rules")
}

const ADMINS: (&str, &str) = ("CN=Admins, ou=groups, dc=example, dc=com", "admin");
const STAFF: (&str, &str) = ("cn=staff,ou=groups,dc=example,dc=com", "employee");

#[tokio::test]
async fn groups_of_the_directory_say_what_somebody_is() {
    let Some(slapd) = Slapd::start().await else { return };
    each(async |scratch| {
        // The key manager with these groups, a while after the last one.
        let mut times = 0;
        let mut with = async |groups: GroupRules| {
            times += 60;
            let config = with_groups(&slapd, "127.0.0.1", false, BY_UID, groups);
            Stand::with(&scratch, scratch.folder.path(), BEGIN + times, config).await
        };
        let roles = async |stand: &Stand, name: &str, password: &str| {
            let shown = authenticate_for_gateway(&stand.authority, None, name, password).await;
            match shown.expect("an answer") {
                Authenticated::Person { user, .. } => {
                    user.roles().iter().collect::<Vec<_>>().join(" ")
                }
                other => format!("{other:?}"),
            }
        };
        let none = with(groups("seeAlso", "", &[])).await;
        assert_eq!(roles(&none, "eve", THEIRS).await, "");
        let both = with(groups("seeAlso", "ou=groups,dc=example,dc=com", &[ADMINS, STAFF])).await;
        assert_eq!(roles(&both, "eve", THEIRS).await, "admin employee");
        assert_eq!(roles(&both, "max", THEIRS).await, "", "he is in none of them");
        assert_eq!(roles(&both, "eve", "wrong").await, "Nobody");
        // Who is in too many of them is nobody, and says nothing about the directory.
        for _ in 0..4 {
            assert_eq!(roles(&both, "moritz", THEIRS).await, "Nobody");
        }
        assert_eq!(roles(&both, "eve", THEIRS).await, "admin employee");
        let by_entry = with(groups("SEEALSO", "", &[ADMINS, STAFF])).await;
        // Tokens that name what she is no more have ended, and this answer comes after them.
        let before = by_entry.authority.log.follower().ledger().head;
        assert_eq!(roles(&by_entry, "eve", THEIRS).await, "employee");
        let shown = authenticate_for_gateway(&by_entry.authority, None, "eve", THEIRS).await;
        let Ok(Authenticated::Person { user, at }) = shown else { panic!("{shown:?}") };
        assert!(user.ended_until >= BEGIN + 180 && at > user.ended_until, "{user:?} {at}");
        let ledger = by_entry.store.ledger().await.expect("an answer");
        assert_eq!(ledger.head, before + 1, "one line in the log, and no more");
        // What an account here says that somebody is counts besides.
        let claims = r#"{"roles":["auditor"]}"#;
        key_manager::accounts::set_claims(&by_entry.authority, &user.id, claims)
            .await
            .expect("set");
        assert_eq!(roles(&by_entry, "eve", THEIRS).await, "auditor employee");
    })
    .await;
}

#[tokio::test]
async fn while_the_directory_is_away_a_gateway_hears_that_nobody_can_say() {
    let Some(mut slapd) = Slapd::start().await else { return };
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, &slapd).await;
    stand.person().await;
    let ask = async |name: &str, password: &str| {
        crate::credentials::ask(&stand, "192.0.2.7", name, password).await
    };
    assert_eq!(ask("eve", THEIRS).await, "eve 0");
    assert_eq!(ask("eve", "wrong").await, "nobody");
    slapd.kill();
    for _ in 0..4 {
        assert_eq!(ask("eve", THEIRS).await, "away");
        assert_eq!(ask("nobody-here", THEIRS).await, "away");
        assert_eq!(ask("ann", PASSWORD).await, "ann 0");
    }
    slapd.restart().await;
    stand.pass(11);
    assert_eq!(ask("eve", THEIRS).await, "eve 11", "and nobody was locked out");
}

#[tokio::test]
async fn a_directory_that_is_down_holds_up_nobody_else() {
    let Some(mut slapd) = Slapd::start().await else { return };
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, &slapd).await;
    stand.person().await;
    let app = stand.app().await;
    let asks = wish(&app, &[]);
    assert_eq!(log_in(&stand, &asks, "eve", THEIRS).await, "consent");
    slapd.kill();
    for _ in 0..8 {
        assert_eq!(log_in(&stand, &asks, "eve", THEIRS).await, "page 503");
        assert_eq!(log_in(&stand, &asks, "ann", PASSWORD).await, "consent");
    }
    slapd.restart().await;
    assert_eq!(log_in(&stand, &asks, "eve", THEIRS).await, "page 503", "nobody asks for a while");
    stand.pass(11);
    assert_eq!(log_in(&stand, &asks, "eve", THEIRS).await, "consent", "and nobody was locked out");
    // A connection that was kept and died is replaced without anybody noticing.
    slapd.kill();
    slapd.restart().await;
    assert_eq!(log_in(&stand, &asks, "eve", THEIRS).await, "consent");
}

#[tokio::test]
async fn passwords_travel_under_tls_to_whom_the_authority_names() {
    let Some(slapd) = Slapd::start().await else { return };
    let scratch = Scratch::sqlite();
    let app = |stand: Stand| async move {
        let app = stand.app().await;
        log_in(&stand, &wish(&app, &[]), "eve", THEIRS).await
    };
    let by_name = with(&slapd, "localhost", true, BY_UID);
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, by_name).await;
    assert_eq!(app(stand).await, "consent");
    // Its certificate names `localhost` only.
    let by_address = with(&slapd, "127.0.0.1", true, BY_UID);
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, by_address).await;
    assert_eq!(app(stand).await, "page 503");
}

#[test]
fn what_would_send_passwords_in_the_clear_is_no_configuration() {
    let said = |url: &str, start_tls: bool, filter: &str| {
        let none = String::new;
        let base = "dc=example".to_owned();
        let second = Duration::from_secs(1);
        let (filter, file) = (filter.to_owned(), PathBuf::new);
        let groups = GroupRules::default();
        let rules = DirectoryRules::new(
            url,
            start_tls,
            file(),
            none(),
            file(),
            base,
            filter,
            1,
            second,
            groups,
        );
        rules.err().map_or_else(|| "ok".to_owned(), |error| format!("{error:?}"))
    };
    for (url, start_tls, filter, expected) in [
        ("ldaps://ldap.example", false, BY_UID, "ok"),
        ("ldap://ldap.example", true, BY_UID, "ok"),
        ("ldap://ldap.example", false, BY_UID, "Clear"),
        ("ldap://127.0.0.1:389", false, BY_UID, "ok"),
        ("ldap://127.0.0.1.evil.example", false, BY_UID, "Clear"),
        ("http://ldap.example", true, BY_UID, "Url"),
        ("ldaps://ldap.example", false, "(uid=ann)", "Filter"),
    ] {
        assert_eq!(said(url, start_tls, filter), expected, "{url} {start_tls} {filter}");
    }
}
