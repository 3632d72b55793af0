//! Does a client have several secrets, and does nobody guess one? (KM-050, KM-102)

use std::net::IpAddr;

use key_manager::endpoint::Peer;
use key_manager::registration::{
    Registered, RegistrationError, add_secret, list_secrets, remove_secret,
};

use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, post, said};

impl Stand {
    /// What a client hears that asks for a token with this secret from a network.
    async fn asks(&self, client: &Registered, secret: &str, from: u8) -> String {
        let mut request = post("/oauth2/token", "grant_type=client_credentials");
        let address = Some(IpAddr::from([192, 0, 2, from]));
        request.peer = Peer { address, ..request.peer };
        said(&self.ask(&request.basic(client.client.id.as_str(), secret)).await)
    }
}

const WRONG: &str = "401 invalid_client";

#[tokio::test]
async fn a_secret_is_replaced_without_a_gap() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let by = &stand.authority;
        let client = stand.client(&[]).await;
        let id = &client.client.id;
        let (new, plain) = add_secret(by, id, " next ", Some(BEGIN + 100)).await.expect("made");
        for secret in [client.secret.as_str(), plain.as_str()] {
            assert_eq!(stand.asks(&client, secret, 1).await, "200");
        }
        let listed = list_secrets(by, id).await.expect("secrets");
        let old = listed.iter().find(|secret| secret.id != new.id).expect("the first one");
        assert_eq!((listed.len(), new.label.as_str()), (2, "next"));
        assert!(!format!("{listed:?}").contains(plain.as_str()));
        remove_secret(by, id, &old.id).await.expect("removed");
        assert_eq!(stand.asks(&client, &client.secret, 1).await, WRONG);
        assert_eq!(stand.asks(&client, &plain, 1).await, "200");
        let again = remove_secret(by, id, &old.id).await;
        assert!(matches!(again, Err(RegistrationError::Gone)), "{again:?}");
        stand.pass(100);
        assert_eq!(stand.asks(&client, &plain, 1).await, WRONG, "it has ended");

        // There is a bound, and no nonsense.
        for _ in 0..9 {
            add_secret(by, id, "", None).await.expect("made");
        }
        let full = add_secret(by, id, "", None).await;
        assert!(matches!(full, Err(RegistrationError::Secrets)), "{full:?}");
        let past = add_secret(by, id, "", Some(BEGIN)).await;
        assert!(matches!(past, Err(RegistrationError::Past)), "{past:?}");
        let long = add_secret(by, id, &"x".repeat(101), None).await;
        assert!(matches!(long, Err(RegistrationError::Label)), "{long:?}");
        let public = stand.app().await;
        let none = add_secret(by, &public.client.id, "", None).await;
        assert!(matches!(none, Err(RegistrationError::Secretless { .. })), "{none:?}");
        let lines = by.audit.lines(0, 0, 1000).await.expect("the log");
        let all = format!("{lines:?}");
        assert!(all.contains("client.secret_added") && all.contains("client.secret_removed"));
    })
    .await;
}

#[tokio::test]
async fn who_guesses_waits_and_keeps_nobody_else_waiting() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    let other = stand.client(&[]).await;
    for _ in 0..30 {
        assert_eq!(stand.asks(&client, "wrong", 66).await, WRONG);
    }
    assert_eq!(stand.asks(&client, &client.secret, 66).await, WRONG, "also what is right now");
    let inspect = post("/oauth2/introspect", "token=x");
    let mut inspect = inspect.basic(client.client.id.as_str(), &client.secret);
    inspect.peer.address = Some(IpAddr::from([192, 0, 2, 66]));
    assert_eq!(said(&stand.ask(&inspect).await), WRONG, "at every endpoint");
    // The client itself, and others from there.
    assert_eq!(stand.asks(&client, &client.secret, 1).await, "200");
    assert_eq!(stand.asks(&other, &other.secret, 66).await, "200");
    stand.pass(60);
    assert_eq!(stand.asks(&client, &client.secret, 66).await, "200");
    for _ in 0..100 {
        assert_eq!(stand.asks(&client, &client.secret, 66).await, "200");
    }
}
