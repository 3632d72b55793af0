//! Is everything that matters written down, once, in order, and does a change of it show?

use key_manager::accounts;
use key_manager::audit::{Anchor, Verdict};
use key_manager::store::{AuditLine, Store as _};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Row as _};

use crate::browser::{Browser, PASSWORD, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Stand, config, json, said, text};

/// Somebody who can write to the database.
async fn intruder(scratch: &Scratch) -> AnyPool {
    sqlx::any::install_default_drivers();
    let url = scratch.text.replace(' ', "%20");
    AnyPoolOptions::new().max_connections(1).connect(&url).await.expect("the database")
}

impl Stand {
    async fn lines(&self) -> Vec<AuditLine> {
        self.authority.audit.lines(0, 0, 1000).await.expect("the log")
    }

    /// "event outcome" of each line, without those about keys.
    async fn events(&self) -> Vec<String> {
        let lines = self.lines().await.into_iter().map(|line| line.note);
        let lines = lines.filter(|note| !note.event.starts_with("keys."));
        lines.map(|note| format!("{} {}", note.event, note.outcome)).collect()
    }

    async fn verified(&self) -> Verdict {
        self.authority.audit.verify(None).await.expect("a verdict")
    }
}

/// What is wrong, or "whole".
fn verdict(verdict: &Verdict) -> String {
    verdict.broken.as_ref().map_or("whole".to_owned(), ToString::to_string)
}

#[tokio::test]
async fn every_change_and_every_login_has_its_line() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let user = stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&wish(&app, &[])).await;
        let page = browser.log_in(&page, "ann", "wrong password").await;
        let page = browser.log_in(&page, "ann", PASSWORD).await;
        let code = crate::browser::sent(&browser.decide(&page, "allow").await, "code");
        let code = code.expect("a code");
        let tokens = json(&stand.exchange(&app, &code, &[]).await);
        assert_eq!(said(&stand.exchange(&app, &code, &[]).await), "400 invalid_grant");
        let by_admin = stand.authority.by("admin/1");
        accounts::set_password(&by_admin, &user.id, "another password").await.expect("set");
        accounts::disable(&by_admin, &user.id, true).await.expect("disabled");
        accounts::disable(&by_admin, &user.id, false).await.expect("enabled");
        accounts::remove(&by_admin, &user.id).await.expect("removed");
        // Nobody there, so nothing changed.
        accounts::remove(&by_admin, &user.id).await.expect("an answer");
        assert!(accounts::disable(&by_admin, &user.id, true).await.is_err());
        let id = &app.client.id;
        key_manager::registration::remove(&by_admin, id).await.expect("removed");
        let events = [
            "user.created ok",
            "client.registered ok",
            "login.failed refused",
            "login.succeeded ok",
            "consent.given ok",
            "code_reuse ok",
            "user.password_set ok",
            "user.disabled ok",
            "user.enabled ok",
            "user.removed ok",
            "client.removed ok",
        ];
        assert_eq!(stand.events().await, events);
        let lines = stand.lines().await;
        let all = format!("{lines:?}");
        let access = text(&tokens, "access_token");
        for secret in [PASSWORD, "wrong password", "another password", &code, &access] {
            assert!(!all.contains(secret), "{secret} stands in the log");
        }
        let of = |event: &str| {
            let mut lines = lines.iter().filter(|line| line.note.event == event);
            lines.next().expect("a line").note.clone()
        };
        assert_eq!(of("login.failed").who, user.id);
        assert_eq!(of("login.succeeded").who, user.id);
        assert_eq!((of("user.disabled").who.as_str(), of("user.disabled").at), ("admin/1", BEGIN));
        assert_eq!(of("consent.given").client, app.client.id.as_str());
        assert_eq!(verdict(&stand.verified().await), "whole");
    })
    .await;
}

#[tokio::test]
async fn issuance_costs_no_write_and_is_counted() {
    each(async |scratch| {
        let mut config = config();
        config.audit.counted = 2;
        let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
        let clients = [stand.client(&[]).await, stand.client(&[]).await, stand.client(&[]).await];
        let before = stand.lines().await.len();
        for client in &clients {
            for _ in 0..5 {
                stand.token(client).await;
            }
        }
        assert_eq!(stand.lines().await.len(), before, "KM-123: a token writes nothing");
        assert_eq!(stand.authority.audit.flush().await.expect("written"), 3);
        assert_eq!(stand.authority.audit.flush().await.expect("nothing"), 0);
        let written = stand.lines().await.split_off(before);
        let mut counts: Vec<_> = written
            .iter()
            .map(|line| {
                let details: serde_json::Value =
                    serde_json::from_str(&line.note.details).expect("JSON");
                let client = clients.iter().position(|c| c.client.id.as_str() == line.note.client);
                assert_eq!(text(&details, "kind"), "client_credentials");
                let client = client.map_or("others".to_owned(), |at| at.to_string());
                format!("{client} {} {}", line.note.event, text(&details, "times"))
            })
            .collect();
        counts.sort();
        assert_eq!(counts, ["0 token.issued 5", "1 token.issued 5", "others token.issued 5"]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_written_down_does_not_happen() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let user = stand.person().await;
        let app = stand.app().await;
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&wish(&app, &[])).await;
        let client = stand.client(&[]).await;
        let database = intruder(&scratch).await;
        sqlx::query("ALTER TABLE audit RENAME TO elsewhere")
            .execute(&database)
            .await
            .expect("gone");
        let set = accounts::set_password(&stand.authority, &user.id, "another password").await;
        assert!(set.is_err());
        for password in [PASSWORD, "wrong password"] {
            let reply = browser.log_in(&page, "ann", password).await;
            assert_eq!(reply.status().as_u16(), 500);
        }
        // Tokens are counted, and the counts are kept until they can be written.
        stand.token(&client).await;
        assert!(stand.authority.audit.flush().await.is_err());
        sqlx::query("ALTER TABLE elsewhere RENAME TO audit")
            .execute(&database)
            .await
            .expect("back");
        assert_eq!(stand.authority.audit.flush().await.expect("written"), 1);
        // The password is still the one before.
        let reply = browser.log_in(&page, "ann", PASSWORD).await;
        assert_eq!(crate::browser::step(&reply), "consent");
        assert_eq!(verdict(&stand.verified().await), "whole");
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn several_processes_write_one_chain() {
    each(async |scratch| {
        let one = Stand::on(&scratch).await;
        let two = Stand::on(&scratch).await;
        let make = async |stand: &Stand, name: &str| {
            for number in 0..10 {
                let name = format!("{name}{number}");
                accounts::create(&stand.authority, &name, PASSWORD, "").await.expect("an account");
            }
        };
        tokio::join!(make(&one, "a"), make(&two, "b"), make(&one, "c"));
        let verdict = two.verified().await;
        assert_eq!(verdict.broken, None);
        assert_eq!(verdict.last.sequence, verdict.lines);
        assert_eq!(two.events().await.len(), 30);
    })
    .await;
}

/// Each change of the log, as somebody with the database can make it; what `verify` then says.
const TAMPERING: [(&str, &str); 12] = [
    ("UPDATE audit SET at = at - 1 WHERE sequence = 4", "line 4: it was changed"),
    ("UPDATE audit SET event = 'user.enabled' WHERE sequence = 4", "line 4: it was changed"),
    ("UPDATE audit SET who = 'ben' WHERE sequence = 4", "line 4: it was changed"),
    ("UPDATE audit SET client = 'c' WHERE sequence = 4", "line 4: it was changed"),
    ("UPDATE audit SET address = '192.0.2.1' WHERE sequence = 4", "line 4: it was changed"),
    ("UPDATE audit SET outcome = 'refused' WHERE sequence = 4", "line 4: it was changed"),
    ("UPDATE audit SET details = '{}' WHERE sequence = 4", "line 4: it was changed"),
    ("UPDATE audit SET hash = former WHERE sequence = 4", "line 4: it was changed"),
    ("DELETE FROM audit WHERE sequence = 4", "line 5: the lines before it are gone"),
    (
        "UPDATE audit SET sequence = CASE sequence WHEN 4 THEN 905 ELSE 904 END
         WHERE sequence IN (4, 5);
         UPDATE audit SET sequence = sequence - 900 WHERE sequence > 900",
        "line 4: it does not follow the line before it",
    ),
    (
        "DELETE FROM audit WHERE sequence = (SELECT MAX(sequence) FROM audit)",
        "line 7: the last line is not the one that was written last",
    ),
    (
        "DELETE FROM audit WHERE sequence <= 3",
        "line 3: lines before it are gone, and no checkpoint says so",
    ),
];

#[tokio::test]
async fn a_line_that_was_changed_removed_or_moved_is_found() {
    for (statements, found) in TAMPERING {
        each(async |scratch| {
            let stand = Stand::on(&scratch).await;
            for _ in 0..6 {
                stand.client(&[]).await;
            }
            assert_eq!(stand.lines().await.len(), 7, "six clients and the first keys");
            assert_eq!(verdict(&stand.verified().await), "whole");
            let database = intruder(&scratch).await;
            for statement in statements.split(';') {
                sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&database).await.expect("done");
            }
            assert_eq!(verdict(&stand.verified().await), found, "{statements}");
            database.close().await;
        })
        .await;
    }
}

#[tokio::test]
async fn an_earlier_look_shows_that_the_end_was_cut_off() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let seen = stand.verified().await.last;
        let check = async |anchor: &Anchor, found: &str| {
            let said = stand.authority.audit.verify(Some(anchor)).await.expect("a verdict");
            assert_eq!(verdict(&said), found);
        };
        check(&seen, "whole").await;
        let database = intruder(&scratch).await;
        // Cut off with the head set back: the rest alone says nothing.
        for statement in [
            "DELETE FROM audit WHERE sequence = 2",
            "UPDATE audit_head SET sequence = 1,
                 hash = (SELECT hash FROM audit WHERE sequence = 1)",
        ] {
            sqlx::query(statement).execute(&database).await.expect("done");
        }
        assert_eq!(verdict(&stand.verified().await), "whole");
        check(&seen, "line 2: a line that was there is gone").await;
        stand.client(&[]).await;
        check(&seen, "line 2: it is not the line that was there").await;
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn old_lines_go_and_the_chain_stays_whole() {
    each(async |scratch| {
        let mut config = config();
        config.audit.keep = 100 * 24 * 3600;
        let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
        stand.person().await;
        let day = 24 * 3600;
        stand.pass(60 * day);
        stand.client(&[]).await;
        assert_eq!(stand.authority.audit.prune().await.expect("nothing"), 0);
        stand.pass(50 * day);
        assert_eq!(stand.authority.audit.prune().await.expect("pruned"), 2);
        assert_eq!(stand.authority.audit.prune().await.expect("nothing"), 0);
        let first = stand.lines().await.remove(0);
        assert_eq!((first.sequence, first.note.event.as_str()), (3, "client.registered"));
        assert_eq!(verdict(&stand.verified().await), "whole");
        // Everything is old: the checkpoint stands alone.
        stand.pass(200 * day);
        assert_eq!(stand.authority.audit.prune().await.expect("pruned"), 2);
        assert_eq!(stand.events().await, ["audit.checkpoint ok"]);
        assert_eq!(verdict(&stand.verified().await), "whole");
        let head = stand.store.audit_head().await.expect("a head");
        assert_eq!(head.sequence, 5);
        // A checkpoint that is not ours does not hide what was removed.
        let database = intruder(&scratch).await;
        stand.client(&[]).await;
        sqlx::query("DELETE FROM audit WHERE sequence = 5").execute(&database).await.expect("done");
        let found = "line 5: lines before it are gone, and no checkpoint says so";
        assert_eq!(verdict(&stand.verified().await), found);
        let rows = sqlx::query("SELECT COUNT(*) FROM audit").fetch_one(&database).await;
        assert_eq!(rows.expect("a row").try_get::<i64, _>(0).expect("a number"), 1);
        database.close().await;
    })
    .await;
}
