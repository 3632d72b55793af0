//! How many tokens and answers does one core of a key manager serve, over gRPC as gateways ask for them?
//!
//! The real program on one core, and a load beside it that is not counted: the figure is the processor time of
//! the program. Then the latency at half of what one core can do. Goals: 10,000 tokens and 20,000 answers to introspection a second and
//! core; p99 below 2 ms.
//!
//! `cargo bench -p key-manager --bench served`: on SQLite; `TURNPIKE_BENCH_STORE` names a PostgreSQL
//! instead. With `-- scale` on one of its own that is full, see `scale`.
#![expect(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "it measures: it reads the clock and divides counts"
)]

mod load;
#[path = "../../tests/service/postgres.rs"]
#[expect(dead_code, clippy::expect_used, clippy::panic, reason = "the tests use more of it")]
mod postgres;
mod program;
mod scale;

use std::sync::Arc;

use load::{Load, Question};
use program::{Served, registered, token};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    if std::env::args().any(|argument| argument == "scale") {
        return scale::compare().await;
    }
    let folder = tempfile::tempdir()?;
    let store = std::env::var("TURNPIKE_BENCH_STORE").unwrap_or_default();
    let served = Served::start(folder.path(), &store).await?;
    let gateway = served.channel("gateway")?;
    let (signed, opaque) = (served.register("").await?, served.register("opaque").await?);
    let [signed, opaque] = [signed, opaque].map(|client| {
        registered(&client.client_id, &client.client_secret, "grant_type=client_credentials")
    });
    let (jwt, sealed) = (token(&gateway, &signed).await?, token(&gateway, &opaque).await?);
    let table = [
        ("token, ES256", Question::Token(signed)),
        ("token, opaque", Question::Token(opaque)),
        ("introspection of a JWT", Question::introspect(jwt)),
        ("introspection of an opaque token", Question::introspect(sealed)),
    ];
    let load = Load::new(&served, 0)?;
    for (name, question) in table {
        let (full, half) = load.full_and_half(&Arc::from([question])).await?;
        eprintln!(
            "{name}: {:.1} us of processor time, {:.0}/s and core; at {:.0}/s p50 {} us, p99 {} us",
            full.each_us,
            1e6 / full.each_us,
            half.pace,
            half.latency_us(50),
            half.latency_us(99),
        );
    }
    Ok(())
}
