//! How do the parts come together, and in which order do they start?
//!
//! Store, master key, signing keys, then the ports: nobody is answered before there is something to
//! answer with. A database that is away is waited for; a wrong master key is not.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::readiness::Condition;
use chassis::{Backoff, Host, Tasks, causes, outbound};
use rustix::process::{Resource, Rlimit, setrlimit};
use spool::{Collector, Origin, Recording, Reporting};
use tonic::transport::Channel;

use crate::audit::Audit;
use crate::binding::{Nonces, ProofRules};
use crate::client_auth::{
    AssertionRules, Authenticator, Certificates, Guesses, KnownClients, RemoteKeys,
};
use crate::config::{CollectorConfig, Config, OutboundConfig};
use crate::directory::Directory;
use crate::edge;
use crate::endpoint::{Authority, Farewells, Issuer, PasskeyUse, RemoteObjects, Theme};
use crate::federation::{Disk, Federation, FederationRules, follow};
use crate::fraud::{Fraud, Places};
use crate::grant::{Grants, Trust};
use crate::hsm::Hsm;
use crate::issue::{Keeper, KeyRules, TokenRules, Wish};
use crate::meter::Meter;
use crate::revocation::{Cursor, Follower, Mark, RevocationLog, STALE};
use crate::rpc;
use crate::store::{Failures, SqlStore, Store, StoreError};
use crate::vault::{MasterKey, Passwords};

/// Runs until shutdown is requested.
pub async fn start(config: Config, host: Host) -> anyhow::Result<()> {
    keep_memory().context("core dumps cannot be turned off")?;
    let ready = (host.ready.condition("store"), host.ready.condition("keys"));
    chassis::operations::serve(&host, &config.operations, chassis::operations::loglevel().into())
        .await?;
    let Some(store) = connect(&config, &host, &ready.0).await? else { return Ok(()) };
    let authority = assemble(&config, &host, Arc::new(store)).await?;
    let collector = collector(&host, &config.collector)?;
    report(&host, &authority, collector.clone());
    let reporting = events(&host, &config.collector, collector).await?;
    let recorder = reporting.as_ref().map(|reporting| reporting.recording().recorder());
    let recorder = recorder.unwrap_or_else(|| authority.recorder.clone());
    let _flushing = host.tasks.spawn_guarded("hand events over", recorder.clone().flushing());
    let authority = Authority { recorder: recorder.clone(), ..authority };
    tend(&host, &authority, ready.0, &config);
    federate(&host, &authority, &config)?;
    // Tasks of their own, so that it is known when the last request was answered.
    let mut doors = host.clone();
    doors.tasks = Tasks::default();
    edge::https(&doors, &config.https, &authority).await?;
    edge::https_with_certificates(&doors, &config.https, &config.certificates, &authority).await?;
    edge::rpc(&doors, &config.rpc, config.revocations.watchers, &authority).await?;
    // Not before somebody listens: who sees it green comes at once.
    ready.1.green();
    host.shutdown.wait().await;
    let asked = host.clock.instant();
    doors.tasks.finished().await;
    recorder.flush();
    if let Some(reporting) = reporting {
        let spent = host.clock.instant().saturating_duration_since(asked);
        reporting.finish(host.drain.saturating_sub(spent) / 2).await;
    }
    Ok(())
}

/// Opens the store, however long that takes. `None`: shutdown came first.
async fn connect(
    config: &Config,
    host: &Host,
    ready: &Condition,
) -> anyhow::Result<Option<SqlStore>> {
    let url = config.store.url.clone().under(&host.data);
    let mut backoff = Backoff::default();
    loop {
        match SqlStore::open(&url, &config.store, &host.clock).await {
            Ok(store) => {
                tracing::info!(store = %url, "store open");
                return Ok(Some(store));
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(store = %url, error = causes(&error), "store away, trying again");
                ready.red("the store cannot be reached");
            }
            Err(error) => return Err(error).context("the store cannot be opened"),
        }
        tokio::select! {
            () = host.shutdown.wait() => return Ok(None),
            () = host.clock.sleep(backoff.next()) => {}
        }
    }
}

/// Private keys are in memory: it is written to no file when the process dies (KM-083).
fn keep_memory() -> rustix::io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
}

/// The parts on an open store.
pub async fn assemble(
    config: &Config,
    host: &Host,
    store: Arc<dyn Store>,
) -> anyhow::Result<Authority> {
    let path = config.keys.master_path(&host.data);
    let master = MasterKey::open(&path, &store.claim_master("").await?)?;
    let sealed_by = store.claim_master(&master.id()?).await?;
    // Another process may have been first with another key.
    let master = MasterKey::open(&path, &sealed_by)?;

    let tokens = &config.tokens;
    store.allow_life(i64::from(tokens.longest)).await?;

    let rules = KeyRules {
        hsm: hsm(config, host).await?,
        leave: config.keys.pkcs11.leave,
        rotate: config.keys.rotate,
        publish: config.keys.publish,
        algorithm: tokens.algorithm,
    };
    let sealer = master.sealer()?;
    let audit = config.audit.rules();
    let audit = Audit::new(store.clone(), master.audit()?, host.clock.clone(), audit);
    let (clock, tasks) = (host.clock.clone(), host.tasks.clone());
    let keeper =
        Keeper::open(store.clone(), audit.clone(), sealer, rules, clock.clone(), tasks).await?;
    let follower = Follower::open(store.clone(), clock.clone(), config.store.poll).await?;
    if let Some(seen) = Mark::in_folder(&host.data).read() {
        follower.compare(&seen).await?;
    }
    let follower = Arc::new(follower);
    let issuer = config.issuer.url.clone();
    let (issuer_text, token_endpoint) = (issuer.as_str().to_owned(), issuer.address("token"));
    let pepper = Arc::new(master.pepper()?);
    let outbound = outbound(config, host)?;
    let farewells = Farewells::new(outbound.clone(), host.tasks.clone(), host.clock.clone());
    let objects = RemoteObjects::new(outbound.clone());
    let remote = Arc::new(RemoteKeys::new(outbound));
    let clients = Authenticator {
        store: store.clone(),
        known: KnownClients::new(store.clone(), Arc::clone(&follower)),
        pepper: pepper.clone(),
        sealer: master.sealer()?,
        rules: AssertionRules {
            audiences: [issuer.as_str().to_owned(), issuer.address("token")],
            longest_seconds: config.clients.assertion,
            skew_seconds: config.clients.skew,
            remembered: config.clients.remembered,
        },
        certificates: certificates(config, host)?,
        remote: Arc::clone(&remote),
        guesses: Guesses::new(Failures {
            free: config.clients.failures,
            ..config.login.rules().network
        }),
    };
    let proofs = proof_rules(config, &master)?;
    let log =
        RevocationLog::new(store.clone(), follower, clock.clone(), issuer.as_str().to_owned());
    let meter = Meter::new(&host.metrics);
    let grants = grants(config, host, &meter)?;
    let places = Places::open(&config.fraud.places);
    let places = places.context("fraud.places cannot be used")?;
    Ok(Authority {
        rules: Arc::new(TokenRules {
            issuer: issuer.as_str().to_owned(),
            audience: tokens.audience.clone(),
            algorithm: tokens.algorithm,
            seconds: tokens.life,
            longest_seconds: tokens.longest,
        }),
        issuer: Arc::new(issuer),
        store,
        pepper,
        sealer: Arc::new(master.short_sealer()?),
        opaque: Arc::new(master.opaque_tokens()?),
        directory: directory(config, host)?,
        federation: Federation::new(federation_rules(config)?, host, meter.clone()),
        theme: Arc::new(Theme::open(&config.pages.theme).context("pages.theme cannot be used")?),
        passwords: Passwords::new(config.login.passwords(), host.tasks.clone())?,
        refresh: config.refresh.rules(),
        login: config.login.rules(),
        passkeys: passkeys(config).map(Arc::new),
        keeper: Arc::new(keeper),
        log: Arc::new(log),
        audit,
        fraud: Fraud::new(config.fraud.rules(), places, clock.clone(), meter.clone()),
        require_pushed: config.clients.require_pushed,
        registration: Arc::new(config.registration.policy()),
        farewells,
        objects,
        grants,
        legacy_response_types: config.clients.legacy_response_types,
        scopes: Arc::new(config.scopes.0.clone()),
        details: Arc::new(config.authorization_details.types()?),
        trust: Arc::new(Trust {
            issuers: config.assertions.issuers()?,
            saml: config.assertions.saml()?,
            audiences: [issuer_text, token_endpoint],
            skew_seconds: config.clients.skew,
            remembered: config.clients.remembered,
            remote,
        }),
        clients: Arc::new(clients),
        proofs: Arc::new(proofs),
        certificate_base: config.certificates.url.clone().map(Arc::new),
        meter,
        recorder: Recording::off().recorder(),
        clock,
    })
}

/// The grants of ours, and those of the operator's programs.
fn grants(config: &Config, host: &Host, meter: &Meter) -> anyhow::Result<Grants> {
    let mut handlers = Vec::new();
    for (address, rules) in config.plugins.handlers()? {
        let channel = chassis::rpc::channel(&host.tls, address, &rules.name);
        let channel =
            channel.with_context(|| format!("plugins.grants: {}: `address`", rules.name))?;
        let (issuer, clock) = (config.issuer.url.as_str().to_owned(), host.clock.clone());
        handlers.push(Arc::new(rpc::Handler::new(rules, channel, issuer, meter.clone(), clock)));
    }
    let grants = Grants::new(handlers, config.login.password_grant);
    for name in &config.registration.grants {
        grants.find(name).context("registration.grants")?;
    }
    Ok(grants)
}

/// The device that signs, if there is one.
async fn hsm(config: &Config, host: &Host) -> anyhow::Result<Option<Hsm>> {
    let Some(rules) = config.keys.pkcs11.hsm.clone() else { return Ok(None) };
    let opened = Hsm::open(rules, host.clock.clone(), host.tasks.clone()).await;
    opened.map(Some).context("keys.pkcs11 cannot be used")
}

/// PEM of authorities that are believed beside those of the operating system.
fn authorities(config: &OutboundConfig) -> anyhow::Result<Vec<u8>> {
    let path = &config.authorities;
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    std::fs::read(path).with_context(|| format!("{} is unreadable", path.display()))
}

fn federation_rules(config: &Config) -> anyhow::Result<FederationRules> {
    Ok(FederationRules {
        every: config.federation.refresh,
        pause: config.federation.pause,
        allow: config.outbound.allow.clone(),
        authorities: authorities(&config.outbound)?,
        timeout: config.outbound.timeout,
        largest: config.outbound.largest,
    })
}

/// Follows what the control plane says of third-party providers, if there is one.
fn federate(host: &Host, authority: &Authority, config: &Config) -> anyhow::Result<()> {
    let channels = config.control_plane.channels(&host.tls);
    let channels = channels.context("control_plane.address cannot be used")?;
    if channels.is_empty() {
        return Ok(());
    }
    let master = MasterKey::open(&config.keys.master_path(&host.data), "")?;
    let disk = Disk::new(&host.data, master.sealer()?);
    let following = follow(authority.federation.clone(), channels, disk, host.clone());
    host.tasks.spawn("follow the providers", following);
    Ok(())
}

/// Who asks servers that clients name.
fn outbound(config: &Config, host: &Host) -> anyhow::Result<outbound::Client> {
    let config = &config.outbound;
    let authorities = authorities(config)?;
    let rules = outbound::Rules {
        reach: outbound::Reach::Public(config.allow.clone()),
        limit: config.timeout,
        largest: config.largest,
        at_once: 2,
    };
    Ok(outbound::Client::new(host.clock.clone(), rules, &authorities)?)
}

fn directory(config: &Config, host: &Host) -> anyhow::Result<Option<Directory>> {
    let Some(rules) = config.ldap.0.clone() else { return Ok(None) };
    let opened = Directory::new(*rules, host.clock.clone(), host.tasks.clone());
    opened.map(Some).context("ldap cannot be used")
}

/// Where passkeys are for: a host that has a name, with our pages under it.
fn passkeys(config: &Config) -> Option<webauthn::Site> {
    if config.login.passkeys == PasskeyUse::Off {
        return None;
    }
    let url = |issuer: &Issuer| url::Url::parse(issuer.as_str()).ok();
    let own = url(&config.issuer.url)?;
    let Some(id) = own.domain().map(str::to_owned) else {
        tracing::info!("no passkeys: the host of issuer.url has no name");
        return None;
    };
    let below = format!(".{id}");
    let bases = config.clients.addresses.iter().chain([&config.issuer.url]).filter_map(url);
    let ours = bases.filter(|base| {
        base.domain().is_some_and(|domain| domain == id || domain.ends_with(&below))
    });
    let origins = ours.map(|base| base.origin().ascii_serialization()).collect();
    Some(webauthn::Site { id, origins })
}

fn certificates(config: &Config, host: &Host) -> anyhow::Result<Certificates> {
    let config = &config.certificates;
    if !config.accept {
        return Ok(Certificates::default());
    }
    let authority = Some(config.ca.as_str()).filter(|ca| !ca.is_empty());
    let authority = authority.map(|ca| host.identity("", "", ca)).transpose();
    Ok(Certificates::accepted(authority.context("certificates.ca cannot be used")?))
}

fn proof_rules(config: &Config, master: &MasterKey) -> anyhow::Result<ProofRules> {
    let (clients, dpop) = (&config.clients, config.dpop);
    let elsewhere = config.certificates.url.iter().chain(&clients.addresses);
    let bases = std::iter::once(&config.issuer.url).chain(elsewhere);
    let nonces = dpop.nonces.then(|| master.nonces()).transpose()?;
    Ok(ProofRules {
        bases: bases.map(|base| base.as_str().to_owned()).collect(),
        window_seconds: dpop.window,
        skew_seconds: clients.skew,
        remembered: clients.remembered,
        nonces: nonces.map(|key| Nonces::new(key, dpop.nonce_life)),
    })
}

/// The way to the collector, if there is one.
fn collector(host: &Host, config: &CollectorConfig) -> anyhow::Result<Option<Channel>> {
    let address = Some(config.address.as_str()).filter(|address| !address.is_empty());
    let channel = |address| chassis::rpc::channel(&host.tls, address, "analytics-collector");
    address.map(channel).transpose().context("collector.address cannot be used")
}

/// Tells the collector what looks like fraud, if there is one.
fn report(host: &Host, authority: &Authority, collector: Option<Channel>) {
    let Some(signals) = authority.fraud.signals() else { return };
    let (clock, shutdown) = (host.clock.clone(), host.shutdown.clone());
    host.tasks.spawn("report signals", rpc::deliver(signals, collector, clock, shutdown));
}

/// Tells it of requests for tokens, if it wants to know.
async fn events(
    host: &Host,
    config: &CollectorConfig,
    collector: Option<Channel>,
) -> anyhow::Result<Option<Reporting>> {
    let Some(collector) = collector.filter(|_| config.events) else { return Ok(None) };
    // Apart from a gateway of the same name.
    let source = format!("key-manager/{}", host.instance);
    let origin = Origin { gateway: source.clone(), region: config.region.clone() };
    let (bounds, collector) = (config.spool_limit, Collector::new(collector, source));
    // The process before may still answer its last requests.
    let started = Reporting::start(&host.data, true, bounds, origin, collector, host).await;
    started.map(Some).context("events for the collector cannot be kept in service.data")
}

/// What goes on beside the requests.
pub fn tend(host: &Host, authority: &Authority, ready: Condition, config: &Config) {
    let (rotate, flush) = (config.keys.rotate, config.audit.flush);
    let (follower, shutdown) = (authority.log.follower().clone(), host.shutdown.clone());
    host.tasks.spawn("follow the store", async move {
        let seen = |looked: Result<(), &StoreError>| match looked {
            Ok(()) => ready.green(),
            Err(error) if follower.age() > STALE => {
                tracing::warn!(error = causes(error), "store away");
                ready.red("the store cannot be reached");
            }
            Err(error) => tracing::debug!(error = causes(error), "store not read"),
        };
        follower.run(&shutdown, seen).await;
    });
    let (log, shutdown) = (Arc::clone(&authority.log), host.shutdown.clone());
    host.tasks.spawn("remember what has ended", async move { log.remember(&shutdown).await });
    for handler in authority.grants.handlers() {
        let (handler, shutdown) = (Arc::clone(handler), host.shutdown.clone());
        host.tasks.spawn("follow a grant handler", async move { handler.follow(&shutdown).await });
    }
    let (to, parts) = (host.clone(), authority.clone());
    host.tasks.spawn("follow the keys", async move { follow_keys(&to, &parts).await });
    let (to, parts) = (host.clone(), authority.clone());
    host.tasks.spawn("mark the log", async move { mark(&to, &parts).await });
    let (to, parts) = (host.clone(), authority.clone());
    host.tasks.spawn("tend keys and log", async move { by_time(&to, &parts, rotate).await });
    let (to, parts) = (host.clone(), authority.clone());
    host.tasks
        .spawn("write what was counted", async move { write_counts(&to, &parts, flush).await });
}

/// Takes over what other processes made of the keys.
async fn follow_keys(host: &Host, authority: &Authority) {
    let mut changes = authority.log.follower().watch();
    loop {
        let ledger = Arc::clone(&changes.borrow_and_update());
        authority.meter.head(ledger.head);
        let mut again = Duration::MAX;
        if ledger.key_version != authority.keeper.ring().version()
            && let Err(error) = authority.keeper.reload().await
        {
            tracing::warn!(error = causes(&error), "keys not loaded");
            again = Duration::from_secs(1);
        }
        authority.meter.keys(&authority.keeper.ring());
        tokio::select! {
            () = host.shutdown.wait() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = host.clock.sleep(again), if again < Duration::MAX => {}
        }
    }
}

/// Notes how far the log was seen.
async fn mark(host: &Host, authority: &Authority) {
    let mut changes = authority.log.follower().watch();
    loop {
        let ledger = Arc::clone(&changes.borrow_and_update());
        let (mark, epoch) = (Mark::in_folder(&host.data), ledger.epoch.clone());
        let seen = Cursor { epoch, sequence: ledger.head };
        if let Ok(Err(error)) = host.tasks.blocking(move || mark.write(&seen)).await {
            tracing::warn!(error = causes(&error), "revocations.mark not written");
        }
        tokio::select! {
            () = host.shutdown.wait() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// Rotates keys that are due, drops keys and revocations that can matter no more.
async fn by_time(host: &Host, authority: &Authority, rotate: Duration) {
    let pause = (rotate / 4).clamp(Duration::from_secs(1), Duration::from_mins(1));
    loop {
        if let Err(error) = authority.keeper.change(Wish::Tend).await {
            tracing::warn!(error = causes(&error), "keys not tended");
        }
        match authority.log.forget().await {
            Ok(0) => {}
            Ok(lines) => tracing::debug!(lines, "revocations forgotten"),
            Err(error) => tracing::warn!(error = causes(&error), "revocations not forgotten"),
        }
        match authority.audit.prune().await {
            Ok(0) => {}
            Ok(lines) => tracing::info!(lines, "old lines of the audit log dropped"),
            Err(error) => tracing::warn!(error = causes(&error), "audit log not shortened"),
        }
        match authority.store.sweep(authority.clock.unix_seconds()).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "what had ended was swept out"),
            Err(error) => tracing::warn!(error = causes(&error), "nothing was swept out"),
        }
        tokio::select! {
            () = host.shutdown.wait() => return,
            () = host.clock.sleep(pause) => {}
        }
    }
}

/// Writes what was counted for the audit log, every so often and at the end.
async fn write_counts(host: &Host, authority: &Authority, pause: Duration) {
    loop {
        let last = tokio::select! {
            () = host.shutdown.wait() => true,
            () = host.clock.sleep(pause) => false,
        };
        if let Err(error) = authority.audit.flush().await {
            tracing::warn!(error = causes(&error), "counts not written to the audit log");
        }
        if last {
            return;
        }
    }
}
