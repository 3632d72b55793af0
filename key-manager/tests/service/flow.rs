//! Does the whole way work as a stranger sees it: a process, TLS, and a browser's requests?

use turnpike_proto::identity::v1::RegisterClientRequest;
use turnpike_proto::identity::v1::clients_client::ClientsClient;

use crate::browser::{CALLBACK, encode};
use crate::databases::each;
use crate::process::Process;
use crate::visits::{account, get, log_in, post};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_logs_in_over_https_and_a_stolen_refresh_token_is_noticed() {
    each(async |scratch| {
        let data = scratch.folder.path();
        let process = Process::start(&scratch).await;
        let account = account(&process, data).await;
        let asked = RegisterClientRequest {
            name: "app".to_owned(),
            grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            redirect_uris: vec![CALLBACK.to_owned()],
            public: true,
            ..RegisterClientRequest::default()
        };
        let mut clients = ClientsClient::new(process.channel(data, "control-plane"));
        let client = clients.register(asked).await.expect("a client").into_inner();
        assert_eq!(client.client_secret, "", "a public client keeps no secret");

        let tokens = log_in(&process, data, &client.client_id, "openid profile").await;
        let access = tokens.text("access_token");
        let bearer = format!("Authorization: Bearer {access}\r\n");
        let told = get(&process, data, "/oauth2/userinfo", &bearer).await;
        assert_eq!(told.json()["sub"], account.as_str());
        assert_eq!(told.json()["preferred_username"], "ann");

        let refresh = async |token: &str| {
            let form = encode(&[
                ("grant_type", "refresh_token"),
                ("client_id", &client.client_id),
                ("refresh_token", token),
            ]);
            post(&process, data, "/oauth2/token", "", &form).await
        };
        let first = tokens.text("refresh_token");
        let second = refresh(&first).await.text("refresh_token");
        let third = refresh(&second).await;
        assert!(process.active(data, &third.text("access_token")).await);
        // Two generations old: somebody else holds it.
        let stolen = refresh(&first).await;
        assert_eq!((stolen.status(), stolen.text("error").as_str()), ("400", "invalid_grant"));
        assert!(!process.active(data, &access).await);
        assert!(!process.active(data, &third.text("access_token")).await);
        assert_eq!(refresh(&third.text("refresh_token")).await.status(), "400");
        assert_eq!(get(&process, data, "/oauth2/userinfo", &bearer).await.status(), "401");
    })
    .await;
}
