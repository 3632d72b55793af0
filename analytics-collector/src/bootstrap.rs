//! How does the collector start?
//!
//! First the store as the last stop left it, then what alerts knew, then the port.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::Host;
use chassis::outbound::{self, Reach};
use chassis::rpc::Services;
use detect::span::{DAY_US, MINUTE_US};
use tokio::sync::{Notify, Semaphore};
use turnpike_proto::usage::v1::alerts_server::AlertsServer;
use turnpike_proto::usage::v1::analytics_server::AnalyticsServer;
use turnpike_proto::usage::v1::collector_server::CollectorServer;
use turnpike_proto::usage::v1::reports_server::ReportsServer;
use turnpike_proto::usage::v1::signals_server::SignalsServer;

use crate::alert::channel::{Channel, Switchboard};
use crate::alert::respond::Blocks;
use crate::alert::rules::Configured;
use crate::alert::sources::PATIENCE_US;
use crate::alert::state::Kept;
use crate::alert::{Alarm, Controls, History, Lookout, Responses, Sources, Wanted};
use crate::clickhouse::{self, Writers};
use crate::config::{Alerts, Config, Engine};
use crate::edge::from_event::Desk;
use crate::edge::{
    AlertsService, AnalyticsService, CollectorService, ReportsService, SignalsService, allowed,
};
use crate::enrich::{Addresses, Agents, Geo, Keep};
use crate::live::{Series, Tail};
use crate::metrics::Metrics;
use crate::question::Window;
use crate::report::Bounds;
use crate::report::heard::heard;
use crate::report::minutes::minutes;
use crate::rpc::{ControlPlaneBlocks, Disk, Following};
use crate::store::clickhouse::Shipper;
use crate::store::{Committer, Intake, Levels, Limits, Probe, QueryError, Reader, Settings, Store};
use crate::upkeep::Upkeep;

/// 4 MiB of events and some for the rest.
const LARGEST_BATCH: usize = (4 << 20) + (64 << 10);

/// How long a start waits for a ClickHouse to have everything.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Minutes before this one of which calls are counted again at the start.
const COUNTED_MINUTES: i64 = 9;

/// How long a webhook may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Runs until the process is asked to stop.
pub async fn start(config: Config, host: Host) -> anyhow::Result<()> {
    let (writable, listening) = (host.ready.condition("store"), host.ready.condition("ports"));
    chassis::operations::serve(&host, &config.operations, vec![]).await?;
    let metrics = Metrics::default();
    let series = Series::new(config.series.apis.0);
    host.metrics.register(|registry| {
        metrics.register(registry);
        series.register(registry);
    });

    let folder = folder(&config, &host);
    let store = Arc::new(open_store(&config, &host, folder.clone()).await?);
    let (reader, mut writers) = start_reader(&config, &host, &store)?;
    let alarm = open_alarm(&config, &folder, &metrics)?;
    let stored = last_minutes(&host, &reader, writers.as_mut().map(|it| &mut it.shipper)).await?;
    let sources = Arc::new(last_heard(&host, &reader).await?);
    let lookout = start_alerts(&config, &host, &folder, &alarm, &sources, &metrics)?;
    let since_us = host.clock.unix_us().saturating_sub(DAY_US);
    let told = alarm.list(&Wanted { since_us, ..Wanted::default() }, usize::MAX);
    let goes_on = lookout.clone();
    host.tasks.blocking(move || goes_on.recall(&told, &stored)).await?;
    let desk = Arc::new(Desk {
        geo: Geo::open(config.geo.clone()),
        addresses: Addresses::open(config.address.keep, &folder.join("address.key"))?,
        agents: Agents::default(),
        config: config.collect,
    });

    let flush = Arc::new(Notify::new());
    let seeing = lookout.clone();
    let tail = Arc::new(Tail::default());
    let shown = Arc::clone(&tail);
    let committer = Committer {
        store: Arc::clone(&store),
        gather: config.store.group.0,
        on_stored: Arc::new(move |batch| {
            seeing.see(batch);
            shown.offer(&batch.calls);
            series.count(&batch.calls);
        }),
        flush: Arc::clone(&flush),
        writable,
        metrics: metrics.clone(),
        clock: host.clock.clone(),
    };
    let (intake, committing) = committer.start();
    host.tasks.spawn("commit", committing);
    start_upkeep(&host, &config, (store, writers), &metrics, &desk, flush);
    let bounds =
        Bounds { kept: config.store.kept(), smallest_group: config.query.smallest_group.0 };
    let answering = answering(&host, &metrics, &desk, reader, tail, bounds);
    let services = services(&host, metrics, desk, (alarm, lookout), (sources, intake), answering);
    chassis::rpc::serve(&host, &config.rpc, services).await?;
    // Who sees this process ready comes at once.
    listening.green();
    host.shutdown.wait().await;
    Ok(())
}

fn folder(config: &Config, host: &Host) -> PathBuf {
    let configured = &config.store.directory;
    if configured.as_os_str().is_empty() { host.data.clone() } else { configured.clone() }
}

/// Reading a long log again takes its time, so it is done on a thread of its own.
async fn open_store(config: &Config, host: &Host, folder: PathBuf) -> anyhow::Result<Store> {
    let rollups = &config.store.rollups;
    let settings = Settings {
        folder,
        levels: Levels::new(
            micros(config.store.retention.0),
            [rollups.minute, rollups.hour, rollups.day].map(micros),
        ),
        flush_after_us: micros(config.store.flush_after.0),
        flush_rows: config.store.flush_rows.0,
        hand_on: None,
    };
    let settings = match config.store.engine {
        Engine::Embedded => settings,
        Engine::ClickHouse => clickhouse::settings(settings, &config.store.clickhouse),
    };
    let now_us = host.clock.unix_us();
    let opening = move || Store::open(settings, Probe::default(), now_us);
    let opened = host.tasks.blocking(opening).await?;
    opened.context("cannot open the store (store.directory)")
}

/// Who answers, and who hands on and counts what is stored, if somebody does.
fn start_reader(
    config: &Config,
    host: &Host,
    store: &Arc<Store>,
) -> anyhow::Result<(Arc<Reader>, Option<Writers>)> {
    let limits = Limits {
        concurrency: config.query.concurrency.0,
        threads: config.query.threads.0,
        memory_mb: config.query.memory_mb.0,
        timeout: config.query.timeout.0,
    };
    if config.store.engine == Engine::ClickHouse {
        let made = clickhouse::start(&config.store, limits, store, &host.clock);
        let (reader, writers) = made.context("[store.clickhouse] cannot be")?;
        return Ok((Arc::new(reader), Some(writers)));
    }
    let reader = Reader::start(Arc::clone(store), &limits, host.clock.clone());
    Ok((Arc::new(reader.context("cannot start the query engine")?), None))
}

fn open_alarm(
    config: &Config,
    folder: &std::path::Path,
    metrics: &Metrics,
) -> anyhow::Result<Arc<Alarm>> {
    let history = History::open(&folder.join("alerts.jsonl"), config.alerts.history.0)?;
    Ok(Arc::new(Alarm::new(history, metrics.clone())))
}

/// Shows stored calls to the engines of what is unusual, tells people, and follows what somebody applies.
fn start_alerts(
    config: &Config,
    host: &Host,
    folder: &std::path::Path,
    alarm: &Arc<Alarm>,
    sources: &Arc<Sources>,
    metrics: &Metrics,
) -> anyhow::Result<Lookout> {
    let control_planes = config.control_plane.channels(&host.tls);
    let control_planes = control_planes.context("control_plane.address cannot be used")?;
    let blocks = (!control_planes.is_empty()).then(|| {
        let blocks = ControlPlaneBlocks { control_planes: control_planes.clone() };
        Arc::new(blocks) as Arc<dyn Blocks>
    });
    let truncated = config.address.keep == Keep::Truncated;
    let (clock, shutdown) = (host.clock.clone(), host.shutdown.clone());
    let (responses, blocking) =
        Responses::new(Arc::clone(alarm), truncated, blocks, clock.clone(), shutdown.clone());
    let responses = Arc::new(responses);
    host.tasks.spawn("blocks", blocking.run());

    let configured = configured(&config.alerts);
    let rules = configured.rules(&[]).context("[alerts.rules] cannot be")?;
    let kept = Kept::new(folder.join("alerts.state"));
    let (watch, answers) = (kept.resume(rules), Arc::clone(&responses));
    let (seen, counts) = (Arc::clone(sources), metrics.clone());
    let (lookout, watching) = Lookout::new(watch, kept, answers, seen, counts, clock, shutdown);

    let client = start_channels(config, host, alarm, metrics)?;
    let (mail, told) = (config.alerts.mail.clone(), Arc::clone(alarm));
    let switchboard = Switchboard::new(told, client, mail, metrics.clone(), host.clone());
    let controls = Controls { configured, lookout: lookout.clone(), responses, switchboard };
    let following = Following::new(control_planes, controls, Disk::new(folder), host.clone());
    // What was applied is in force before the first call is looked at.
    host.tasks.spawn("lookout", watching.run());
    host.tasks.spawn("follow the control plane", following.run());
    Ok(lookout)
}

fn configured(alerts: &Alerts) -> Configured {
    Configured {
        settings: alerts.rules.clone(),
        overrides: alerts.overrides.clone(),
        quiet: alerts.suppression.0,
        series: alerts.series.0,
    }
}

/// The channels of the configuration; who sends, for those that are applied.
fn start_channels(
    config: &Config,
    host: &Host,
    alarm: &Arc<Alarm>,
    metrics: &Metrics,
) -> anyhow::Result<outbound::Client> {
    let authorities = match &config.alerts.authorities {
        file if file.as_os_str().is_empty() => Vec::new(),
        file => std::fs::read(file).context("cannot read alerts.authorities")?,
    };
    let rules =
        outbound::Rules { reach: Reach::Anywhere, limit: ANSWER, largest: 64 << 10, at_once: 4 };
    let client = outbound::Client::new(host.clock.clone(), rules, &authorities);
    let client = client.context("no webhook can be told")?;
    for channel in &config.alerts.channels {
        let name = channel.name.clone();
        let made = Channel::new(channel.clone(), &client, host.clock.clone(), metrics.clone());
        let made = made.with_context(|| format!("[[alerts.channels]] `{name}` cannot be"))?;
        let (alerts, stop) = (alarm.watch(), host.shutdown.clone());
        host.tasks.spawn("channel", async move {
            tokio::select! {
                () = made.run(alerts) => {}
                () = stop.wait() => {}
            }
        });
    }
    Ok(client)
}

/// The calls of the last minutes that were stored by an earlier life of this process: some alerts count
/// exactly.
async fn last_minutes(
    host: &Host,
    reader: &Arc<Reader>,
    shipper: Option<&mut Shipper>,
) -> anyhow::Result<Vec<crate::event::Tally>> {
    let minute = host.clock.unix_us().div_euclid(MINUTE_US);
    let since_us = minute.saturating_sub(COUNTED_MINUTES).saturating_mul(MINUTE_US);
    let window = Window { since_us, until_us: i64::MAX };
    let Some(shipper) = shipper else {
        return minutes(reader, window).await.context("cannot count the calls of the last minutes");
    };
    // They are there once everything is. A server that is away keeps nobody from starting.
    let counted = async {
        shipper.catch_up().await?;
        anyhow::Ok(minutes(reader, window).await?)
    };
    let counted = host.clock.timeout(CATCH_UP, counted).await.map_err(anyhow::Error::from);
    Ok(counted.flatten().unwrap_or_else(|error| {
        let error = format!("{error:#}");
        tracing::warn!(error, "the calls of the last minutes are not known; alerts count anew");
        Vec::new()
    }))
}

/// The gateways that may have something to tell of the time before this start.
async fn last_heard(host: &Host, reader: &Arc<Reader>) -> anyhow::Result<Sources> {
    let since_us = host.clock.unix_us().saturating_sub(PATIENCE_US);
    let window = Window { since_us, until_us: i64::MAX };
    let heard = match heard(reader, window).await {
        // A server that is away, or does not let us in, keeps nobody from starting.
        Err(error @ (QueryError::Away(_) | QueryError::Server(_))) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "which gateways there were is not known");
            Vec::new()
        }
        heard => heard.context("cannot ask which gateways there were")?,
    };
    let sources = Sources::default();
    for (name, newest_us) in &heard {
        sources.remember(name, *newest_us);
    }
    Ok(sources)
}

fn start_upkeep(
    host: &Host,
    config: &Config,
    (store, writers): (Arc<Store>, Option<Writers>),
    metrics: &Metrics,
    desk: &Arc<Desk>,
    flush: Arc<Notify>,
) {
    let upkeep = Upkeep {
        store,
        metrics: metrics.clone(),
        clock: host.clock.clone(),
        shutdown: host.shutdown.clone(),
    };
    host.tasks.spawn("flush", upkeep.clone().flush(flush));
    host.tasks.spawn("tidy", upkeep.clone().tidy());
    if let Some(Writers { shipper, roller }) = writers {
        host.tasks.spawn("ship", upkeep.clone().ship(shipper));
        host.tasks.spawn("roll up", upkeep.clone().roll_up_elsewhere(roller));
    }
    let every = config.geo.check.max(Duration::from_secs(1));
    host.tasks.spawn("geo", upkeep.geo(Arc::clone(desk), every));
}

/// Who answers questions about what is stored.
fn answering(
    host: &Host,
    metrics: &Metrics,
    desk: &Arc<Desk>,
    reader: Arc<Reader>,
    tail: Arc<Tail>,
    bounds: Bounds,
) -> (AnalyticsService, ReportsService) {
    let (clock, shutdown) = (host.clock.clone(), host.shutdown.clone());
    let reports = ReportsService { reader: Arc::clone(&reader), bounds, clock: clock.clone() };
    let (desk, metrics) = (Arc::clone(desk), metrics.clone());
    let analytics = AnalyticsService { reader, desk, tail, bounds, metrics, clock, shutdown };
    (analytics, reports)
}

fn services(
    host: &Host,
    metrics: Metrics,
    desk: Arc<Desk>,
    (alarm, lookout): (Arc<Alarm>, Lookout),
    (sources, intake): (Arc<Sources>, Intake),
    (analytics, reports): (AnalyticsService, ReportsService),
) -> Services {
    let (clock, shutdown) = (host.clock.clone(), host.shutdown.clone());
    let signals = SignalsService { alarm: Arc::clone(&alarm) };
    let alerts = AlertsService {
        alarm,
        lookout,
        reader: Arc::clone(&reports.reader),
        turn: Arc::new(Semaphore::new(1)),
        clock: clock.clone(),
        shutdown: shutdown.clone(),
    };
    let collector = CollectorService { desk, intake, sources, metrics, clock, shutdown };
    let collector = CollectorServer::new(collector).max_decoding_message_size(LARGEST_BATCH);
    Services::new(turnpike_proto::DESCRIPTORS)
        .add(allowed("Collector"), collector)
        .add(allowed("Signals"), SignalsServer::new(signals))
        .add(allowed("Analytics"), AnalyticsServer::new(analytics))
        .add(allowed("Reports"), ReportsServer::new(reports))
        .add(allowed("Alerts"), AlertsServer::new(alerts))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
