//! What can people do with their own account, and can nobody else? (KM-104, KM-107)

use http::Method;
use key_manager::endpoint::{Reply, Request};

use crate::browser::{Browser, PASSWORD, encode, sealed, wish};
use crate::databases::each;
use crate::factors::{codes, page, seed};
use crate::stand::{Dressed, Stand, json, post, said, text};

const PATH: &str = "/oauth2/account";

impl Browser<'_> {
    /// The page, with a query.
    async fn account(&mut self, query: &str) -> Reply {
        let query = Some(query.to_owned()).filter(|query| !query.is_empty());
        let request = Request { method: Method::GET, query, ..post(PATH, "") };
        self.send(request.header("user-agent", "<Browser> 1")).await
    }

    /// Logs in for the page itself.
    async fn own_page(&mut self, password: &str) -> Reply {
        let login = self.account("").await;
        let back = self.log_in(&login, "ann", password).await;
        assert_eq!(back.headers()["location"], PATH, "{}", page(&back));
        self.account("").await
    }

    /// Sends one of its forms; what the page says then.
    async fn wishes(&mut self, shown: &Reply, fields: &[(&str, &str)]) -> String {
        let reply = self.wishes_as(shown, fields).await;
        match reply.headers().get("location") {
            Some(location) => {
                let location = location.to_str().expect("text");
                location.strip_prefix("/oauth2/account?said=").expect("the page").to_owned()
            }
            None => page(&reply),
        }
    }
}

fn body(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.body()).into_owned()
}

/// The session that the page can end at `index`.
fn session(reply: &Reply, index: usize) -> String {
    let body = body(reply);
    let rest = body.split("name=\"session\" value=\"").nth(index + 1).expect("a session");
    rest.split('"').next().expect("a value").to_owned()
}

#[tokio::test]
async fn a_person_ends_a_login_elsewhere_with_what_came_from_it() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let app = stand.app().await;
        let mut lost = Browser::new(&stand);
        let code = lost.code(&wish(&app, &[])).await;
        let tokens = json(&stand.exchange(&app, &code, &[]).await);
        let unused = lost.code(&wish(&app, &[])).await;
        stand.pass(5);
        let mut here = Browser::new(&stand);
        let shown = here.own_page(PASSWORD).await;
        assert_eq!(page(&shown), "account");
        assert_eq!(body(&shown).matches("End it").count(), 2);
        assert!(body(&shown).contains("2026-01-01 00:00 UTC"));
        let other = session(&shown, 1);
        assert_eq!(
            here.wishes(&shown, &[("do", "end-session"), ("session", &other)]).await,
            "session"
        );
        assert!(body(&here.account("said=session").await).contains("The login has ended."));
        assert!(!stand.lives(&text(&tokens, "access_token")).await);
        let refreshed = stand.refresh(&app, &text(&tokens, "refresh_token"), "").await;
        assert_eq!(said(&refreshed), "400 invalid_grant");
        assert_eq!(said(&stand.exchange(&app, &unused, &[]).await), "400 invalid_grant");
        assert_eq!(page(&lost.authorize(&wish(&app, &[])).await), "login");
        // Again, and one of somebody else: nothing happens.
        for id in [other.as_str(), "", "s"] {
            let wish = [("do", "end-session"), ("session", id)];
            assert_eq!(here.wishes(&shown, &wish).await, "session");
        }
        assert_eq!(page(&here.account("").await), "account");
        let own = session(&here.account("").await, 0);
        here.wishes(&shown, &[("do", "end-session"), ("session", &own)]).await;
        assert_eq!(page(&here.account("").await), "login");
    })
    .await;
}

#[tokio::test]
async fn access_that_is_taken_back_ends_at_once() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let user = stand.person().await;
        let (app, other) = (stand.app().await, stand.app().await);
        let mut browser = Browser::new(&stand);
        let code = browser.code(&wish(&app, &[])).await;
        let tokens = json(&stand.exchange(&app, &code, &[]).await);
        let code = browser.code(&wish(&other, &[])).await;
        let others = json(&stand.exchange(&other, &code, &[]).await);
        let shown = browser.account("").await;
        assert!(body(&shown).contains("orders &lt;app&gt;"), "{}", body(&shown));
        assert!(!body(&shown).contains("<app>"));
        let id = app.client.id.as_str();
        assert_eq!(browser.wishes(&shown, &[("do", "withdraw"), ("client", id)]).await, "consent");
        assert!(!stand.lives(&text(&tokens, "access_token")).await);
        let refreshed = stand.refresh(&app, &text(&tokens, "refresh_token"), "").await;
        assert_eq!(said(&refreshed), "400 invalid_grant");
        assert_eq!(page(&browser.authorize(&wish(&app, &[])).await), "consent");
        assert!(stand.lives(&text(&others, "access_token")).await, "the other client goes on");
        let refreshed = stand.refresh(&other, &text(&others, "refresh_token"), "").await;
        assert_eq!(said(&refreshed), "200");
        let left = stand.authority.store.consents(&user.id, 9).await.expect("consents");
        assert_eq!(left.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_everything_but_this_login() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let app = stand.app().await;
        let mut lost = Browser::new(&stand);
        let code = lost.code(&wish(&app, &[])).await;
        let tokens = json(&stand.exchange(&app, &code, &[]).await);
        let mut here = Browser::new(&stand);
        let shown = here.own_page(PASSWORD).await;
        let mut change = async |password: &str, new: &str| {
            let wish = [("do", "change-password"), ("password", password), ("new", new)];
            here.wishes(&shown, &wish).await
        };
        assert_eq!(change("wrong password", "a new password").await, "wrong");
        assert_eq!(change(PASSWORD, "short").await, "unfit");
        assert!(stand.lives(&text(&tokens, "access_token")).await);
        assert_eq!(change(PASSWORD, "a new password").await, "password");
        assert!(!stand.lives(&text(&tokens, "access_token")).await);
        let refreshed = stand.refresh(&app, &text(&tokens, "refresh_token"), "").await;
        assert_eq!(said(&refreshed), "400 invalid_grant");
        assert_eq!(page(&lost.account("").await), "login");
        assert_eq!(page(&here.account("").await), "account");
        let login = lost.account("").await;
        assert_eq!(page(&lost.log_in(&login, "ann", PASSWORD).await), "login");
        assert_eq!(page(&lost.own_page("a new password").await), "account");
        let lines = stand.authority.audit.lines(0, 0, 1000).await.expect("the log");
        assert!(lines.iter().any(|line| line.note.event == "user.password_changed"));
        assert!(!format!("{lines:?}").contains("a new password"));
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_removed_with_the_password() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let mut browser = Browser::new(&stand);
        let shown = browser.own_page(PASSWORD).await;
        let wrong = [("do", "add-app"), ("password", "wrong password")];
        assert_eq!(browser.wishes(&shown, &wrong).await, "wrong");
        let mut before = Browser::new(&stand);
        before.own_page(PASSWORD).await;
        let add =
            encode(&[("request", &sealed(&shown)), ("do", "add-app"), ("password", PASSWORD)]);
        let enrol = browser.send(post(PATH, &add)).await;
        assert_eq!(page(&enrol), "enrol");
        let kept = browser.show(&enrol, &seed(&enrol).shown_at(stand.now())).await;
        let first = codes(&kept);
        let back = browser.go_on(&kept).await;
        assert_eq!(back.headers()["location"], PATH);
        let shown = browser.account("").await;
        assert!(body(&shown).contains("10 recovery codes are left"));
        let renew =
            encode(&[("request", &sealed(&shown)), ("do", "new-codes"), ("password", PASSWORD)]);
        let renewed = codes(&browser.send(post(PATH, &renew)).await);
        assert!(renewed.iter().all(|code| !first.contains(code)));
        let mut other = Browser::new(&stand);
        let login = other.account("").await;
        let asked = other.log_in(&login, "ann", PASSWORD).await;
        assert_eq!(page(&asked), "code?");
        assert_eq!(page(&other.show(&asked, &first[0]).await), "code?", "replaced");
        let back = other.show(&asked, &renewed[0]).await;
        assert_eq!(back.headers()["location"], PATH);
        assert_eq!(page(&before.account("").await), "code?", "a login with a password alone");
        let remove = [("do", "remove-app"), ("password", PASSWORD)];
        assert_eq!(browser.wishes(&shown, &remove).await, "app");
        let mut third = Browser::new(&stand);
        assert_eq!(page(&third.own_page(PASSWORD).await), "account");
    })
    .await;
}

#[tokio::test]
async fn nobody_else_sends_its_forms() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let shown = browser.own_page(PASSWORD).await;
        let own = session(&shown, 0);
        let wish_to_end = [("do", "end-session"), ("session", own.as_str())];
        // The mark of another browser, of another page, or none.
        let mut stranger = Browser::new(&stand);
        let foreign = stranger.account("").await;
        let consent = browser.authorize(&wish(&app, &[])).await;
        assert_eq!(page(&consent), "consent");
        for other in [&foreign, &consent] {
            assert_eq!(browser.wishes(other, &wish_to_end).await, "page 400");
        }
        let bare = encode(&wish_to_end);
        assert_eq!(page(&browser.send(post(PATH, &bare)).await), "page 400");
        assert_eq!(page(&stranger.wishes_as(&shown, &wish_to_end).await), "page 400");
        assert_eq!(browser.wishes(&shown, &[("do", "anything")]).await, "page 400");
        assert_eq!(page(&browser.account("").await), "account");
        let hostile = browser.account("said=%3Cscript%3E").await;
        assert!(!body(&hostile).contains("script"));
    })
    .await;
}

impl Browser<'_> {
    async fn wishes_as(&mut self, shown: &Reply, fields: &[(&str, &str)]) -> Reply {
        let mark = sealed(shown);
        let mut pairs = vec![("request", mark.as_str())];
        pairs.extend(fields);
        self.send(post(PATH, &encode(&pairs))).await
    }
}
