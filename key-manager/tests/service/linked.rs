//! Which account does somebody get who has logged in at a provider? (KM-095)

use chassis::Secret;
use jose::Algorithm;
use key_manager::accounts::{self, AccountError};
use key_manager::domain::{
    Linking, Profile, Provider, ProviderClient, ProviderKeys, ProviderLogin, SecretValue, User,
};
use key_manager::federation::Person;
use key_manager::store::Store as _;
use serde_json::{Value, json};

use crate::browser::PASSWORD;
use crate::databases::each;
use crate::stand::{BEGIN, Stand};

fn provider(issuer: &str, linking: Linking) -> Provider {
    let secret = SecretValue(Secret::new("s".to_owned()));
    let client = ProviderClient { id: "us".to_owned(), secret, in_form: false };
    let (title, scopes) = ("Corp".to_owned(), vec!["openid".to_owned()]);
    Provider {
        name: "corp".to_owned(),
        issuer: issuer.to_owned(),
        enabled: true,
        algorithms: vec![Algorithm::ES256],
        keys: ProviderKeys::Discovered,
        metadata: None,
        introspection: None,
        registration: None,
        connector: None,
        login: Some(ProviderLogin { title, client, scopes, linking }),
    }
}

fn person(subject: &str, claims: &Value) -> Person {
    let claims = claims.as_object().cloned().unwrap_or_default();
    Person { subject: subject.to_owned(), claims }
}

/// Who logs in at `https://corp` as `subject`, and is let in by `linking`.
async fn arrive(
    stand: &Stand,
    linking: Linking,
    subject: &str,
    claims: &Value,
) -> Result<User, AccountError> {
    let provider = provider("https://corp", linking);
    accounts::of_provider(&stand.authority, &provider, &person(subject, claims)).await
}

#[tokio::test]
async fn issuer_and_subject_are_the_person_and_nothing_else_is() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let said = json!({ "preferred_username": "bea", "given_name": "Bea", "roles": ["admin"] });
        let first = arrive(&stand, Linking::Create, "1", &said).await.expect("an account");
        assert_eq!(first.name.as_str(), "bea@corp");
        assert_eq!(first.profile.to_text(), r#"{"given_name":"Bea"}"#);
        assert!(first.roles().is_empty(), "nobody there says what somebody is here");
        let renamed = json!({ "preferred_username": "b" });
        let again = arrive(&stand, Linking::None, "1", &renamed).await.expect("the same");
        assert_eq!(again.id, first.id);
        let twin = arrive(&stand, Linking::Create, "2", &said).await.expect("another");
        assert_ne!(twin.id, first.id, "a name is no person");
        assert_eq!(twin.name.as_str(), "2@corp");
        let foreign = provider("https://other", Linking::Create);
        let other = accounts::of_provider(&stand.authority, &foreign, &person("1", &said)).await;
        assert_ne!(other.expect("an account").id, first.id, "a subject means nothing elsewhere");
    })
    .await;
}

#[tokio::test]
async fn who_was_never_here_gets_in_only_where_the_resource_says_so() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let refused = arrive(&stand, Linking::None, "1", &json!({})).await;
        assert!(matches!(refused, Err(AccountError::Nobody)), "{refused:?}");
        let silent = arrive(&stand, Linking::Create, "a b\u{202e}", &json!({})).await;
        assert!(silent.expect("an account").name.as_str().ends_with("@corp"));
    })
    .await;
}

#[tokio::test]
async fn a_mail_address_leads_to_an_account_only_where_both_have_verified_it() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let verified = json!({ "email": "ann@x.example", "email_verified": true });
        let hoped = json!({ "email": "ann@x.example", "email_verified": false });
        let known = async |id: &str, claims: &Value| {
            let profile = Profile::parse(&claims.to_string()).expect("a profile");
            assert!(stand.store.set_profile(id, &profile, BEGIN, None).await.expect("set"));
        };
        let by_mail = Linking::VerifiedEmail;
        let ann = accounts::create(&stand.authority, "ann", PASSWORD, "").await.expect("one").id;
        known(&ann, &hoped).await;
        let one = arrive(&stand, by_mail, "1", &verified).await.expect("an account");
        assert_ne!(one.id, ann, "nobody here has verified it");
        // What the provider has verified is verified in the account that was made of it.
        known(&one.id, &json!({})).await;
        known(&ann, &verified).await;
        let two = arrive(&stand, by_mail, "2", &hoped).await.expect("an account");
        assert_ne!(two.id, ann, "the provider has not verified it");
        let three = arrive(&stand, Linking::Create, "3", &verified).await.expect("an account");
        assert_ne!(three.id, ann, "nobody asked for it");
        let four = arrive(&stand, by_mail, "4", &verified).await.expect("an account");
        assert_ne!(four.id, ann, "two accounts have it now");
        for other in [&three.id, &four.id] {
            known(other, &json!({})).await;
        }
        let five = arrive(&stand, by_mail, "5", &verified).await.expect("the account");
        assert_eq!(five.id, ann);
        let again = arrive(&stand, Linking::None, "5", &json!({})).await.expect("the account");
        assert_eq!(again.id, ann, "linked once is linked");
    })
    .await;
}

#[tokio::test]
async fn an_account_there_is_linked_once_and_by_hand_taken_back() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let authority = &stand.authority;
        let ann = accounts::create(authority, "ann", PASSWORD, "").await.expect("one").id;
        let ben = accounts::create(authority, "ben", PASSWORD, "").await.expect("one").id;
        let link = async |who: &str, subject: &str| {
            accounts::link(authority, who, "https://corp", subject).await
        };
        link(&ann, "1").await.expect("linked");
        assert!(matches!(link(&ben, "1").await, Err(AccountError::Linked)), "it is Ann's");
        assert!(matches!(link(&ann, "1").await, Err(AccountError::Linked)), "it is hers already");
        assert!(matches!(link("nobody", "2").await, Err(AccountError::Nobody)));
        for wrong in [String::new(), "a\n".to_owned(), "s".repeat(256)] {
            assert!(matches!(link(&ann, &wrong).await, Err(AccountError::Subject)), "{wrong:?}");
        }
        let arrived = arrive(&stand, Linking::None, "1", &json!({})).await.expect("Ann");
        assert_eq!(arrived.id, ann);
        accounts::unlink(authority, "https://corp", "1").await.expect("unlinked");
        let gone = accounts::unlink(authority, "https://corp", "1").await;
        assert!(matches!(gone, Err(AccountError::Nobody)), "it is nobody's");
        let refused = arrive(&stand, Linking::None, "1", &json!({})).await;
        assert!(matches!(refused, Err(AccountError::Nobody)), "{refused:?}");

        link(&ben, "1").await.expect("linked");
        accounts::remove(authority, &ben).await.expect("removed");
        let refused = arrive(&stand, Linking::None, "1", &json!({})).await;
        assert!(matches!(refused, Err(AccountError::Nobody)), "links go with the account");
    })
    .await;
}
