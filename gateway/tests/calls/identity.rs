//! What happens to the key manager's own calls?

use crate::stand::Stand;

#[tokio::test]
async fn token_requests_are_refused_while_the_key_manager_is_away() {
    let stand = Stand::start("").await;
    for line in ["POST /oauth2/token", "POST /token", "GET /.well-known/openid-configuration"] {
        assert_eq!(stand.call(line, "", "").await.fault(), "503 101503", "{line}");
    }
}

#[tokio::test]
async fn a_token_request_that_is_too_long_is_refused() {
    let stand = Stand::start("").await;
    let mut client = stand.client().await;
    let fields = "content-length: 1048577\r\n";
    client.say(&crate::stand::request("POST /oauth2/token", fields, "")).await;
    assert_eq!(client.hear().await.fault(), "413 413");
}
