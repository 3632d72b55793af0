//! Does a gateway tell how the servers behind it are, and what it shows to clients?

use std::fs;
use std::time::Duration;

use chassis::Clock;
use serde_json::{Value, json};

use crate::ground::{PATIENCE, Place, ask, backend};

const SICK: &str = "
apiVersion: turnpike/v1
kind: Api
metadata: { name: sick, version: '1.0' }
spec:
  context: /sick
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints:
    production:
      urls: ['http://127.0.0.1:1/base', 'http://localhost:1']
      healthCheck: { interval: 0.1s, timeout: 5s, unhealthy: 1 }
      breaker: { minCalls: 1, percent: 50, open: 60s }
      ejection: { failures: 1, base: 60s }
  variants:
    choices:
      - { name: next, weight: 1, sandbox: { urls: ['http://127.0.0.1:1'] } }
  mirror: { endpoint: { urls: ['http://127.0.0.1:1/all'] } }
  operations:
    - { method: GET, path: /x }
    - { method: GET, path: /y }
    - { method: POST, path: /z, mirror: { endpoint: { urls: ['http://127.0.0.1:1/own'] } } }
";

async fn dump(place: &Place, query: &str) -> Value {
    let (status, text) = place.ask(&format!("/config_dump{query}")).await;
    assert_eq!(status, 200, "{text}");
    assert!(!text.contains("PRIVATE KEY"), "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dump_tells_of_the_servers_and_of_the_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("one").await;
    let place = Place::new(folder.path(), backend.address, "workers = 1\n");
    fs::write(folder.path().join("resources/sick.yaml"), SICK).unwrap();
    let _gateway = place.start(&[]).await;
    assert_eq!(ask(place.http, "GET /sick/1.0/x").await.unwrap().0, 503);
    assert_eq!(ask(place.http, "GET /open/1.0/x").await.unwrap().0, 200);
    let shown = async {
        loop {
            let dump = dump(&place, "?api=sick:1.0").await;
            let addresses = dump.pointer("/backends/0/servers/0/addresses/0");
            let named = dump.pointer("/backends/0/servers/1/addresses/0/address");
            let checked = addresses.is_some_and(|one| one["lastCheckError"].is_string());
            if checked && named.is_some_and(Value::is_string) {
                return dump;
            }
            Clock::system().sleep(Duration::from_millis(10)).await;
        }
    };
    let sick = Clock::system().timeout(PATIENCE, shown).await.unwrap();
    let backends = sick["backends"].as_array().unwrap();
    assert_eq!((backends.len(), &sick["certificates"]), (4, &json!([])), "{sick:#}");
    assert_eq!(backends[0]["api"], "sick:1.0");
    assert_eq!(
        (&backends[0]["endpoint"], &backends[0]["breaker"]),
        (&json!("production"), &json!("open"))
    );
    assert_eq!(backends[0]["servers"][0]["url"], "http://127.0.0.1:1/base");
    let address = &backends[0]["servers"][0]["addresses"][0];
    assert_eq!((&address["healthy"], &address["failsChecks"]), (&json!(false), &json!(true)));
    let trouble = address["lastCheckError"].as_str().unwrap();
    assert!(trouble.contains("refused"), "{trouble}");
    assert_eq!(
        (&backends[1]["variant"], &backends[1]["endpoint"]),
        (&json!("next"), &json!("sandbox"))
    );
    assert_eq!(backends[1]["servers"][0]["addresses"], json!([]), "nobody has asked for it");

    let mirrors: Vec<_> = backends.iter().filter(|one| one["endpoint"] == "mirror").collect();
    let of = |mirror: &Value| (mirror["operation"].clone(), mirror["servers"][0]["url"].clone());
    let mirrors: Vec<_> = mirrors.into_iter().map(of).collect();
    let (all, own) = (json!("http://127.0.0.1:1/all"), json!("http://127.0.0.1:1/own"));
    assert_eq!(mirrors, [(Value::Null, all), (json!("POST /z"), own)]);

    let all = dump(&place, "").await;
    let open = all["backends"].as_array().unwrap().iter().find(|one| one["api"] == "open:1.0");
    let address = open.unwrap()["servers"][0]["addresses"][0].clone();
    let well = json!({ "address": null, "healthy": true, "ejected": false, "failsChecks": false });
    assert_eq!(address, well);
    let own = &all["certificates"][0];
    assert_eq!(own["hosts"], json!(["*"]));
    assert!(own["notAfter"].as_str().unwrap().ends_with('Z'), "{own}");
    assert!(own["names"].as_array().unwrap().contains(&json!("localhost")), "{own}");
    assert_eq!(dump(&place, "?kind=Tier").await["backends"], json!([]));
}
