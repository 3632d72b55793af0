//! `turnpike audit …`: what happened at a service, and is the record of it whole?
//!
//! The key manager and the control plane keep logs of the same form, each of its own.

use std::str::FromStr;
use std::time::Duration;

use chassis::clock::Clock;
use clap::{Args, Subcommand, ValueEnum};
use turnpike_proto::admin::v1::audit_client::AuditClient as ChangesClient;
use turnpike_proto::identity::v1::audit_client::AuditClient;
use turnpike_proto::identity::v1::{
    AuditAnchor, AuditLine, ListAuditRequest, ListAuditResponse, VerifyAuditRequest,
    VerifyAuditResponse,
};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, Wire, of_message};
use crate::span;

/// The most lines that a service answers at a time.
const PAGE: u32 = 1000;

#[derive(Args, Clone, Debug)]
pub(crate) struct Audit {
    /// Whose log
    #[arg(long, value_name = "SERVICE", default_value = "key-manager", global = true)]
    service: Service,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Service {
    /// Logins, tokens, accounts, keys
    KeyManager,
    /// Changes of resources, and attempts that were refused
    ControlPlane,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// What happened, oldest first
    List(List),
    /// Say whether a line was changed, removed or moved
    Verify {
        /// The last line that an earlier `verify` named
        #[arg(long, value_name = "SEQUENCE:HASH")]
        known: Option<Known>,
    },
}

#[derive(Args, Clone, Copy, Debug)]
struct List {
    /// Only what was written so long ago at most
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = span::parse)]
    since: Duration,
    /// At most so many lines
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// A line that somebody noted down.
#[derive(Clone, Debug)]
struct Known(AuditAnchor);

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a sequence and a hash, parted by a colon, as `turnpike audit verify` prints them")]
struct NotKnown;

impl FromStr for Known {
    type Err = NotKnown;

    fn from_str(text: &str) -> Result<Self, NotKnown> {
        let (sequence, hash) = text.split_once(':').ok_or(NotKnown)?;
        let sequence = sequence.parse().map_err(|_| NotKnown)?;
        Ok(Self(AuditAnchor { sequence, hash: hash.to_owned() }))
    }
}

pub(crate) async fn run(
    connection: &rpc::Options,
    clock: &Clock,
    asked: &Audit,
) -> Result<Report, Failure> {
    match &asked.command {
        Command::List(list) => lines(connection, clock, asked.service, *list).await,
        Command::Verify { known } => verify(connection, asked.service, known.as_ref()).await,
    }
}

impl Service {
    fn wire(self, connection: &rpc::Options) -> Result<Wire, Failure> {
        Ok(match self {
            Self::KeyManager => connection.key_manager()?,
            Self::ControlPlane => connection.control_plane()?,
        })
    }

    async fn list(
        self,
        wire: &Wire,
        request: ListAuditRequest,
    ) -> Result<ListAuditResponse, Failure> {
        let answer = match self {
            Self::KeyManager => AuditClient::new(wire.channel()).list(request).await,
            Self::ControlPlane => ChangesClient::new(wire.channel()).list(request).await,
        };
        Ok(answer.map_err(|status| wire.error(status))?.into_inner())
    }

    async fn verify(
        self,
        wire: &Wire,
        request: VerifyAuditRequest,
    ) -> Result<VerifyAuditResponse, Failure> {
        let answer = match self {
            Self::KeyManager => AuditClient::new(wire.channel()).verify(request).await,
            Self::ControlPlane => ChangesClient::new(wire.channel()).verify(request).await,
        };
        Ok(answer.map_err(|status| wire.error(status))?.into_inner())
    }
}

async fn lines(
    connection: &rpc::Options,
    clock: &Clock,
    service: Service,
    asked: List,
) -> Result<Report, Failure> {
    let wire = service.wire(connection)?;
    let since = clock.now().checked_sub(asked.since).map(Into::into);
    let mut lines: Vec<AuditLine> = Vec::new();
    let (mut rest, mut after) = (asked.limit, 0);
    while rest > 0 {
        let limit = rest.min(PAGE);
        let answer = service.list(&wire, ListAuditRequest { since, after, limit }).await?;
        let found = u32::try_from(answer.lines.len()).unwrap_or(u32::MAX);
        let last = answer.lines.last().map(|line| line.sequence).filter(|_| found >= limit);
        lines.extend(answer.lines);
        rest = rest.saturating_sub(found);
        // Behind the last line, or further where many were of no matter.
        match last.max(Some(answer.next_after)).filter(|next| *next > after) {
            Some(next) => after = next,
            None => break,
        }
    }
    let mut table = Table::new(
        "nothing happened",
        &["LINE", "AT", "EVENT", "WHO", "CLIENT", "ADDRESS", "OUTCOME", "DETAILS"],
    );
    for line in &lines {
        let details: Vec<_> =
            line.details.iter().map(|(name, value)| format!("{name}={value}")).collect();
        table.row(vec![
            line.sequence.into(),
            time(line.at.as_ref()).into(),
            line.event.as_str().into(),
            Cell::text_or_dash(&line.who),
            Cell::text_or_dash(&line.client),
            Cell::text_or_dash(&line.address),
            line.outcome.as_str().into(),
            Cell::text_or_dash(&details.join(" ")),
        ]);
    }
    let answer = ListAuditResponse { lines, ..ListAuditResponse::default() };
    Ok(Report::new(of_message("turnpike.identity.v1.ListAuditResponse", &answer)).table(table))
}

/// A log that is not whole is a failure of the command, so that scripts notice.
async fn verify(
    connection: &rpc::Options,
    service: Service,
    known: Option<&Known>,
) -> Result<Report, Failure> {
    let wire = service.wire(connection)?;
    let known = known.map(|known| known.0.clone());
    let answer = service.verify(&wire, VerifyAuditRequest { known }).await?;
    if let Some(broken) = answer.broken {
        return Err(Failure::AuditBroken { sequence: broken.sequence, why: broken.why });
    }
    let last = answer.last.clone().unwrap_or_default();
    let said = format!(
        "{} lines, none changed, removed or moved; the last one is {}:{}",
        answer.lines, last.sequence, last.hash
    );
    Ok(Report::new(of_message("turnpike.identity.v1.VerifyAuditResponse", &answer)).text(said))
}
