//! External authorization: does Open Policy Agent understand what it is asked, and the gateway what
//! it answers?

use std::process::Command;
use std::time::Duration;

use harness::process::Process;
use harness::{Alone, Backend, Client, eventually, free_port};

/// Rules that look at each category of a question.
const RULES: &str = r#"
package orders

allow if input.resource.operation == "/prices"

allow if {
	input.action.name == "GET"
	input.environment.headers["x-tenant"] == "t1"
	net.cidr_contains("127.0.0.0/8", input.environment.client_address)
	time.parse_rfc3339_ns(input.environment.time) > 0
	input.subject.type == "anonymous"
	input.context.realm == "eu"
}

decision := {"allow": allow, "headers": {"x-decided": "by opa"}}
"#;

/// An API whose calls are decided about by `rule`.
fn api(name: &str, rule: &str, backend: &str, port: u16) -> String {
    format!(
        "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {name}, version: '1' }}\nspec:\n  \
         context: /{name}\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
         endpoints: {{ production: {{ urls: ['{backend}'] }} }}\n  \
         externalAuthorization:\n    protocol: opa\n    path: {rule}\n    timeout: 5s\n    \
         requestHeaders: [x-tenant]\n    context: {{ realm: eu }}\n    \
         endpoint: {{ urls: ['http://127.0.0.1:{port}'], retries: {{ off: true }} }}\n  \
         operations:\n    - {{ method: GET, path: /prices }}\n    - {{ method: '*', path: '/*' }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opa_decides_about_calls() {
    let program = std::env::var("TURNPIKE_OPA").unwrap_or_default();
    if program.is_empty() {
        println!("left out: Open Policy Agent (TURNPIKE_OPA names none)");
        return;
    }
    let (port, backend) = (free_port(), Backend::start("b").await);
    let resources = [
        ("rule", "/v1/data/orders/allow"),
        ("object", "/v1/data/orders/decision"),
        ("none", "/v1/data/orders/nothing"),
    ];
    let resources = resources.map(|(name, rule)| api(name, rule, &backend.url(), port)).concat();
    let gateway = Alone::start(&resources, "").await;
    let mut client = Client::new(gateway.http());
    assert_eq!(client.get("/rule/1/prices").await.verdict(), "403 700711");

    std::fs::write(gateway.folder().join("orders.rego"), RULES).expect("a file");
    let mut opa = Command::new(program);
    opa.args(["run", "--server", "--disable-telemetry", "--addr"]).arg(format!("127.0.0.1:{port}"));
    opa.arg(gateway.folder().join("orders.rego"));
    let _opa = Process::start("opa", &mut opa, &gateway.folder().join("opa.log"));
    eventually("OPA listens", Duration::from_secs(30), || async move {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;

    for (method, target, tenant, expected) in [
        ("GET", "/rule/1/prices", "", "200 -"),
        ("GET", "/rule/1/orders", "t1", "200 -"),
        ("GET", "/rule/1/orders", "t2", "403 700710"),
        ("DELETE", "/rule/1/orders", "t1", "403 700710"),
        ("GET", "/object/1/orders", "t1", "200 -"),
        // `decision` needs `allow`, and is not defined without it.
        ("GET", "/object/1/orders", "t2", "403 700710"),
        ("GET", "/none/1/prices", "", "403 700710"),
    ] {
        let answer = client.call(method, target, &[("x-tenant", tenant)], "").await;
        assert_eq!(answer.verdict(), expected, "{method} {target} of {tenant}: {answer:?}");
    }
}
