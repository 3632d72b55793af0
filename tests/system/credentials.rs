//! Do API keys, passwords and tokens that say nothing by themselves get calls through, and end?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::resources::{application, subscription};
use harness::{Backend, Engines, Stack, eventually};
use tonic::transport::Channel;
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::users_client::UsersClient;
use turnpike_proto::identity::v1::{CreateUserRequest, RegisterClientRequest, SetPasswordRequest};

/// An API that takes keys, passwords and tokens.
fn api(backend: &str) -> String {
    format!(
        "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: orders, version: 1.0.0 }}\nspec:\n  \
         context: /orders\n  lifecycle: PUBLISHED\n  \
         security: {{ schemes: [oauth2, api_key, basic] }}\n  \
         scopes: [ {{ name: orders.read, roles: [clerk] }} ]\n  \
         endpoints: {{ production: {{ urls: ['{backend}'] }} }}\n  operations:\n    \
         - {{ method: GET, path: '/items/*' }}\n    \
         - {{ method: GET, path: '/read', scopes: [orders.read] }}\n"
    )
}

/// Status and number of a call with one field.
async fn verdict(stack: &Stack, path: &str, field: (&str, &str)) -> String {
    let target = format!("/orders/1.0.0{path}");
    let answer = stack.client().call("GET", &target, &[field], "").await;
    if answer.status == 200 { "200".to_owned() } else { answer.verdict() }
}

fn users(stack: &Stack) -> UsersClient<Channel> {
    UsersClient::new(stack.channel("admin", "key-manager"))
}

/// Makes an account; the answer is the `sub` of its tokens.
async fn person(stack: &Stack, name: &str, password: &str, claims: &str) -> String {
    let [name, password, claims] = [name, password, claims].map(str::to_owned);
    let request = CreateUserRequest { name, password, claims, ..CreateUserRequest::default() };
    users(stack).create(request).await.unwrap().into_inner().user_id
}

/// Waits until a call is judged so.
async fn becomes(stack: &Stack, path: &str, field: (&str, &str), expected: &str) {
    eventually(expected, Duration::from_secs(5), async || {
        let said = verdict(stack, path, field).await;
        println!("{path}: {said}");
        (said == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_is_good_from_its_making_to_its_end() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(Engines::Embedded).await;
    let published = [
        api(&backend.url()),
        application("shop", &[]),
        subscription("shop", "orders", "Unlimited"),
    ];
    stack.apply(&published.concat()).await;
    let made = ["keys", "api-key", "--app", "shop", "--scope", "orders.read", "--expires", "30d"];
    let made = stack.turnpike(&made).await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    becomes(&stack, "/items/1", ("apikey", key), "200").await;
    assert_eq!(verdict(&stack, "/read", ("apikey", key)).await, "200");
    assert_eq!(verdict(&stack, "/items/1", ("apikey", &format!("{key}x"))).await, "401 900901");
    // Whoever keeps the application in a file has never seen the key.
    stack.apply(&application("shop", &[])).await;
    assert_eq!(verdict(&stack, "/items/1", ("apikey", key)).await, "200");
    let shown = stack.turnpike(&["get", "application", "shop"]).await.to_string();
    assert!(!shown.contains(key), "{shown}");
    stack.turnpike(&["keys", "revoke-api-key", "--app", "shop", "--id", id]).await;
    becomes(&stack, "/items/1", ("apikey", key), "401 900901").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_good_until_it_is_changed() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(Engines::Embedded).await;
    stack.apply(&api(&backend.url())).await;
    let ann = person(&stack, "ann", "correct horse", r#"{"roles":["clerk"]}"#).await;
    person(&stack, "ben", "battery staple", "{}").await;
    let basic = |both: &str| format!("Basic {}", STANDARD.encode(both));
    let right = basic("ann:correct horse");
    becomes(&stack, "/items/1", ("authorization", &right), "200").await;
    assert_eq!(verdict(&stack, "/read", ("authorization", &right)).await, "200");
    let other = basic("ben:battery staple");
    assert_eq!(verdict(&stack, "/read", ("authorization", &other)).await, "403 900910");
    for wrong in ["ann:correct hors", "nobody:correct horse", "ann:"] {
        let wrong = basic(wrong);
        assert_eq!(verdict(&stack, "/items/1", ("authorization", &wrong)).await, "401 900901");
    }
    let request = SetPasswordRequest { user_id: ann, password: "another horse".to_owned() };
    users(&stack).set_password(request).await.unwrap();
    becomes(&stack, "/items/1", ("authorization", &right), "401 900901").await;
    let new = basic("ann:another horse");
    assert_eq!(verdict(&stack, "/items/1", ("authorization", &new)).await, "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opaque_token_is_good_until_it_is_revoked() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(Engines::Embedded).await;
    let asked = RegisterClientRequest {
        name: "opaque".to_owned(),
        scopes: vec!["orders.read".to_owned()],
        access_token_format: "opaque".to_owned(),
        ..RegisterClientRequest::default()
    };
    let mut clients = ClientsClient::new(stack.channel("control-plane", "key-manager"));
    let client = clients.register(asked).await.unwrap().into_inner();
    let published = [
        api(&backend.url()),
        application("shop", &[&format!("resident/{}", client.client_id)]),
        subscription("shop", "orders", "Unlimited"),
    ];
    stack.apply(&published.concat()).await;
    let shown = STANDARD.encode(format!("{}:{}", client.client_id, client.client_secret));
    let fields = [
        ("authorization", &*format!("Basic {shown}")),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let form = "grant_type=client_credentials&scope=orders.read";
    let answer = stack.client().call("POST", "/oauth2/token", &fields, form).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("kmat_"), "{token}");
    let bearer = format!("Bearer {token}");
    becomes(&stack, "/read", ("authorization", &bearer), "200").await;
    let cut = bearer.get(..bearer.len() - 1).unwrap();
    assert_eq!(verdict(&stack, "/read", ("authorization", cut)).await, "401 900901");
    stack.turnpike(&["revoke", &token]).await;
    becomes(&stack, "/read", ("authorization", &bearer), "401 900901").await;
}
