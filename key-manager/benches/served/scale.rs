//! Is a key manager as fast with 1,000,000 clients and 10,000,000 refresh families as with few?
//!
//! The same questions on two databases of one PostgreSQL, a small one and the full one, filled with
//! generated rows. Both hold more clients than a key manager remembers, and no question comes again
//! before it has forgotten the last: what differs is the database alone. The figures are processor time,
//! of the key manager and of PostgreSQL.
//!
//! `cargo bench -p key-manager --bench served -- scale`: minutes, and 12 GB below `TMPDIR`.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Context as _;
use key_manager::vault::{MasterKey, Pepper, new_refresh_token};
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::load::{Load, Measured, Question};
use crate::postgres::Server;
use crate::program::{Served, registered, token};

/// Clients and families of the small database and of the full one.
const SIZES: [(u32, u32); 2] = [(20_000, 200_000), (1_000_000, 10_000_000)];
/// So many of the clients, spread over all, ask; twice as many as a key manager remembers.
const ASKING: u32 = 20_000;
/// What the server is given beyond its defaults, as somebody with such a database would.
const SETTINGS: &[&str] =
    &["shared_buffers=1GB", "max_wal_size=2GB", "checkpoint_timeout=30min", "max_connections=50"];
/// Secret of every client that asks.
const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
/// The identifier of the client `i`, as long as a real one.
const CLIENT: &str = "'bench' || lpad((i)::text, 23, '0')";
/// That of the family `i`: 16 bytes that are spread as random ones are.
const FAMILY: &str =
    "translate(rtrim(encode(decode(md5((i)::text), 'hex'), 'base64'), '='), '+/', '-_')";

/// Measures both and prints them.
pub(crate) async fn compare() -> anyhow::Result<()> {
    let server = Server::start_with(SETTINGS).await.context("there is no PostgreSQL")?;
    let mut tables = Vec::new();
    for (clients, families) in SIZES {
        let name = format!("of_{clients}");
        server.execute(format!("CREATE DATABASE {name}")).await?;
        tables.push(measured(&server.url(&name), clients, families).await?);
    }
    let [small, full] = tables.as_slice() else { return Ok(()) };
    for ((name, before, _), (_, now, half)) in small.iter().zip(full) {
        eprintln!(
            "{name}: key manager {:.1} and {:.1} us ({:.2}), PostgreSQL {:.1} and {:.1} us ({:.2}), \
             {:.0} and {:.0}/s ({:.2}); at {:.0}/s p50 {} us, p99 {} us",
            before.each_us,
            now.each_us,
            now.each_us / before.each_us,
            before.behind_us,
            now.behind_us,
            now.behind_us / before.behind_us,
            before.pace,
            now.pace,
            now.pace / before.pace,
            half.pace,
            half.latency_us(50),
            half.latency_us(99),
        );
    }
    Ok(())
}

type Line = (&'static str, Measured, Measured);

async fn measured(store: &str, clients: u32, families: u32) -> anyhow::Result<Vec<Line>> {
    let folder = tempfile::tempdir()?;
    // Its first start makes the tables and the master key.
    let first = Served::start(folder.path(), store).await?;
    let (signed, opaque) = (first.register("").await?, first.register("opaque").await?);
    let master = MasterKey::open(&folder.path().join("data/master.key"), "")?;
    let mut filler = Filler::new(store, master.pepper()?).await?;
    let begun = Instant::now();
    filler.fill(&signed.client_id, clients, families).await?;
    eprintln!("{clients} clients and {families} families, made in {:?}", begun.elapsed());
    let asking = filler.clients(clients).await?;
    let refreshing = filler.families(families).await?;
    drop(first);

    let served = Served::start(folder.path(), store).await?;
    eprintln!("started on them in {:?}", served.started_in);
    let of = |id: &str| registered(id, SECRET, "grant_type=client_credentials");
    let known = of(asking.first().context("a client")?);
    let opaque =
        registered(&opaque.client_id, &opaque.client_secret, "grant_type=client_credentials");
    let sealed = token(&served.channel("gateway")?, &opaque).await?;
    let refresh = |(client, token): (String, String)| {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        Question::Refresh(Mutex::new(registered(&client, SECRET, &form)))
    };
    let table: [(_, Arc<[Question]>); 4] = [
        ("token of a client that is remembered", Arc::from([Question::Token(known)])),
        (
            "token of a client that is not",
            asking.iter().map(|id| Question::Token(of(id))).collect(),
        ),
        ("introspection of an opaque token", Arc::from([Question::introspect(sealed)])),
        ("refresh with rotation", refreshing.into_iter().map(refresh).collect()),
    ];
    let load = Load::new(&served, filler.server().await?)?;
    let mut lines = Vec::new();
    for (name, questions) in table {
        let (full, half) = load.full_and_half(&questions).await?;
        lines.push((name, full, half));
    }
    Ok(lines)
}

/// Fills a database.
struct Filler {
    connection: AnyConnection,
    pepper: Pepper,
}

impl Filler {
    async fn new(store: &str, pepper: Pepper) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        Ok(Self { connection: AnyConnection::connect(store).await?, pepper })
    }

    async fn run(&mut self, statement: String) -> anyhow::Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// The same client again and again, a tenth as many people as families, and families of both.
    async fn fill(&mut self, client: &str, clients: u32, families: u32) -> anyhow::Result<()> {
        // Fast, as long as nobody measures. Foreign keys are kept by the way the rows are made.
        for setting in ["fsync = off", "autovacuum = off"] {
            self.run(format!("ALTER SYSTEM SET {setting}")).await?;
        }
        self.run("SELECT pg_reload_conf()".to_owned()).await?;
        let indexes = self.indexes().await?;
        for (name, _) in &indexes {
            self.run(format!("DROP INDEX {name}")).await?;
        }
        self.run(format!(
            "SET session_replication_role = replica;
             SET maintenance_work_mem = '1GB';
             INSERT INTO client SELECT made.* FROM client c CROSS JOIN generate_series(1, {clients}) i
                 CROSS JOIN LATERAL jsonb_populate_record(c, jsonb_build_object(
                     'client_id', {CLIENT}, 'refresh_policy', 'rotate',
                     'grant_types', 'client_credentials refresh_token')) made
                 WHERE c.client_id = '{client}';
             INSERT INTO client_secret (client_id, secret_id, digest, created_at, expires_at)
                 SELECT {CLIENT}, 'bench', rpad(md5(i::text), 43, 'A'), 0, 0
                 FROM generate_series(1, {clients}) i;
             INSERT INTO person (user_id, name, password, disabled, ended_until, created_at)
                 SELECT 'u' || md5(i::text), 'person-' || i, '!', 0, 0, 0
                 FROM generate_series(1, {families} / 10) i;
             INSERT INTO family (family_id, client_id, user_id, session_id, scopes, audience,
                     logged_in_at, generation, digest, former_digest, former_until, successor,
                     idle_until, ends_at, revoked, key_thumbprint, methods)
                 SELECT {FAMILY}, 'bench' || lpad((1 + i % {clients})::text, 23, '0'),
                     'u' || md5((1 + i % ({families} / 10))::text), left(md5('s' || i), 22),
                     'orders.read', '[\"turnpike\"]', now.s, 1, rpad(md5(i::text), 43, 'A'), '', 0,
                     '', now.s + 86400 + i % 518400, now.s + 86400 + i % 2505600, 0, '', 'pwd'
                 FROM generate_series(1, {families}) i,
                     (SELECT extract(epoch FROM now())::bigint AS s) now"
        ))
        .await?;
        for (_, definition) in indexes {
            self.run(definition).await?;
        }
        self.run("SET session_replication_role = origin".to_owned()).await?;
        self.run("ALTER SYSTEM RESET ALL".to_owned()).await?;
        self.run("SELECT pg_reload_conf()".to_owned()).await?;
        self.run("VACUUM ANALYZE".to_owned()).await
    }

    /// Those that are made faster at the end, with their definitions.
    async fn indexes(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        let rows = sqlx::query(
            "SELECT indexname::text, indexdef FROM pg_indexes
             WHERE tablename IN ('client', 'client_secret', 'person', 'family')
                 AND schemaname = 'public' AND indexdef LIKE 'CREATE INDEX%'",
        );
        let rows = rows.fetch_all(&mut self.connection).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// The clients that ask, with secrets that are theirs.
    async fn clients(&mut self, clients: u32) -> anyhow::Result<Vec<String>> {
        let of =
            format!("SELECT {CLIENT} FROM generate_series(1, {clients}, {}) i", clients / ASKING);
        let rows = sqlx::query(sqlx::AssertSqlSafe(of)).fetch_all(&mut self.connection).await?;
        let ids: Vec<String> =
            rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>()?;
        let digests = ids.iter().map(|id| (id.clone(), self.pepper.digest(id, SECRET))).collect();
        self.set("client_secret", "client_id", digests).await?;
        Ok(ids)
    }

    /// The families that are refreshed, spread over all: their clients and their tokens.
    async fn families(&mut self, families: u32) -> anyhow::Result<Vec<(String, String)>> {
        let of = format!(
            "SELECT family_id, client_id FROM family WHERE family_id IN
                 (SELECT {FAMILY} FROM generate_series(0, {families} - 1, {}) i)",
            families / ASKING
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(of)).fetch_all(&mut self.connection).await?;
        let (mut tokens, mut digests) = (Vec::new(), Vec::new());
        for row in rows {
            let (family, client): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let token = new_refresh_token(&family).context("a token")?;
            digests.push((family.clone(), self.pepper.digest(&family, &token)));
            tokens.push((client, token.to_string()));
        }
        self.set("family", "family_id", digests).await?;
        Ok(tokens)
    }

    async fn set(
        &mut self,
        table: &str,
        key: &str,
        digests: Vec<(String, String)>,
    ) -> anyhow::Result<()> {
        for some in digests.chunks(1_000) {
            let mut values = String::new();
            for (id, digest) in some {
                let comma = if values.is_empty() { "" } else { ", " };
                write!(values, "{comma}('{id}', '{digest}')")?;
            }
            self.run(format!(
                "UPDATE {table} SET digest = given.digest FROM (VALUES {values}) AS given (id, digest)
                 WHERE {key} = given.id"
            ))
            .await?;
        }
        Ok(())
    }

    /// The first process of PostgreSQL, with everything that was written on the disk.
    async fn server(&mut self) -> anyhow::Result<u32> {
        self.run("CHECKPOINT".to_owned()).await?;
        let row = sqlx::query("SELECT pg_read_file('postmaster.pid')");
        let text: String = row.fetch_one(&mut self.connection).await?.try_get(0)?;
        Ok(text.lines().next().context("a process")?.parse()?)
    }
}
