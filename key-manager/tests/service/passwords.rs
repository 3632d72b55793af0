//! Do people keep their passwords when they are brought along, and when hashing becomes dearer?
//! (KM-101)

use key_manager::accounts::{self, AccountError};
use key_manager::domain::UserName;

use crate::browser::{Browser, PASSWORD, step, wish};
use crate::databases::each;
use crate::stand::{BEGIN, Stand, config};

const FOREIGN: [&str; 3] = [
    "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS",
    "pbkdf2_sha256$1400$seasalt$cvIeFIuEh5K2guWv/p4lGqXPqM1+PBpdVjXMS4C44GA=",
    "{SSHA}9LaU+1VlmTV23Wj88hte8uWRwZAxMjM0NTY3OA==",
];

async fn stored(stand: &Stand, name: &str) -> String {
    let name = UserName::parse(name).expect("a name");
    let found = stand.authority.store.user_named(&name).await.expect("read");
    found.expect("a person").password
}

#[tokio::test]
async fn people_log_in_with_the_password_that_another_system_knew() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let app = stand.app().await;
        for (number, hash) in FOREIGN.iter().enumerate() {
            let name = format!("p{number}");
            accounts::bring(&stand.authority, &name, hash, "").await.expect(hash);
            let mut browser = Browser::new(&stand);
            let login = browser.authorize(&wish(&app, &[])).await;
            assert_eq!(step(&browser.log_in(&login, &name, "another one").await), "login");
            assert_eq!(stored(&stand, &name).await, *hash, "a wrong password changes nothing");
            assert_eq!(step(&browser.log_in(&login, &name, PASSWORD).await), "consent", "{hash}");
            let renewed = stored(&stand, &name).await;
            assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");
            let mut again = Browser::new(&stand);
            let login = again.authorize(&wish(&app, &[])).await;
            assert_eq!(step(&again.log_in(&login, &name, PASSWORD).await), "consent");
            assert_eq!(stored(&stand, &name).await, renewed, "one of today's stays");
        }
        for hash in ["", "plain", "$2b$31$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS"] {
            let refused = accounts::bring(&stand.authority, "x", hash, "").await;
            assert!(matches!(refused, Err(AccountError::Foreign)), "{hash}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_hash_is_made_anew_when_it_shall_cost_more() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let app = stand.app().await;
        let before = stored(&stand, "ann").await;
        let mut config = config();
        config.login.hash_passes = 3;
        let later = Stand::with(&scratch, scratch.folder.path(), BEGIN + 9, config).await;
        let mut browser = Browser::new(&later);
        let code = browser.code(&wish(&app, &[])).await;
        assert!(!code.is_empty());
        let after = stored(&later, "ann").await;
        assert!(before.contains("t=2,") && after.contains("t=3,"), "{after}");
        // Nothing ends by it: the session goes on.
        assert_eq!(step(&browser.authorize(&wish(&app, &[])).await), "code");
    })
    .await;
}
