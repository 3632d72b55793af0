//! What does a question about the past ask of the use cases, in whichever language it came?

use audit_chain::{Anchor, Line, Verdict};
use chassis::hex;
use plan::{Kind, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::admin::v1::{
    DiffRequest, DiffResponse, GetAsOfRequest, GetAsOfResponse, HistoryChange, HistoryEntry,
    ListHistoryRequest, ListHistoryResponse, ResourceDiff, RollbackRequest, RollbackResponse,
    change,
};
use turnpike_proto::identity::v1::{
    AuditAnchor, AuditBreak, AuditLine, ListAuditRequest, ListAuditResponse, VerifyAuditRequest,
    VerifyAuditResponse,
};

use super::desk::{Desk, field_diff, timestamp};
use crate::history::{Action, Lines, Past};
use crate::manage::{self, Differing, HistoryPage, HistoryQuery, ManageError, PastPage, Rollback};
use crate::people::Caller;

/// So many resources of one transaction are named.
const NAMED: usize = 100;
/// So many resources that differ are told.
const DIFFERING: usize = 1000;
/// The most lines of one answer,
const MOST_LINES: u32 = 1000;
/// and as many as are answered when nobody says how many.
const USUAL_LINES: u32 = 100;

impl Desk {
    pub(super) async fn history(
        &self,
        by: &Caller,
        request: ListHistoryRequest,
    ) -> Result<ListHistoryResponse, ManageError> {
        let query = HistoryQuery {
            key: key_of(&request.key)?,
            kind: kind_of(&request.kind)?,
            by: request.by,
            since_us: request.since.map(|at| micros(&at)),
            until_us: request.until.map(|at| micros(&at)),
            size: usize::try_from(request.page_size).unwrap_or(usize::MAX),
            token: request.page_token,
        };
        let HistoryPage { entries, next, revision } =
            manage::history(by, &self.manager, &query).await?;
        let entries = entries.into_iter().map(entry).collect();
        Ok(ListHistoryResponse { entries, next_page_token: next, revision })
    }

    pub(super) async fn as_of(
        &self,
        by: &Caller,
        request: GetAsOfRequest,
    ) -> Result<GetAsOfResponse, ManageError> {
        let revision = required(request.revision, "revision")?;
        if let Some(key) = key_of(&request.key)? {
            let resources = vec![manage::as_of(by, &self.manager, &key, revision).await?];
            return Ok(GetAsOfResponse { resources, next_page_token: String::new() });
        }
        let size = usize::try_from(request.page_size).unwrap_or(usize::MAX);
        let page =
            manage::all_as_of(by, &self.manager, revision, size, &request.page_token).await?;
        let PastPage { resources, next } = page;
        Ok(GetAsOfResponse { resources, next_page_token: next })
    }

    pub(super) async fn diff(
        &self,
        by: &Caller,
        request: DiffRequest,
    ) -> Result<DiffResponse, ManageError> {
        let from = required(request.from, "from")?;
        let to = (request.to != 0).then_some(request.to);
        let key = key_of(&request.key)?;
        let differing = manage::diff(by, &self.manager, key.as_ref(), from, to).await?;
        let count = u32::try_from(differing.len()).unwrap_or(u32::MAX);
        let resources = differing.into_iter().take(DIFFERING).map(resource_diff).collect();
        Ok(DiffResponse { resources, count })
    }

    /// Problems are an answer here, so that all of them arrive.
    pub(super) async fn rollback(
        &self,
        by: &Caller,
        request: RollbackRequest,
    ) -> Result<RollbackResponse, ManageError> {
        let key = key_of(&request.key)?;
        if key.is_some() == request.all {
            return Err(refused("key", "either a key or `all` is asked for", "name one of both"));
        }
        let wanted = Rollback {
            key,
            revision: required(request.revision, "revision")?,
            dry_run: request.dry_run,
            reason: request.reason,
            keep_secrets: request.keep_secrets,
        };
        match manage::rollback(by, &self.manager, &wanted).await {
            Ok(changed) => {
                let resources =
                    manage::differing(&changed).into_iter().map(resource_diff).collect();
                Ok(RollbackResponse { revision: changed.revision, resources, problems: Vec::new() })
            }
            Err(ManageError::Refused(problems) | ManageError::InUse(problems)) => {
                let revision = self.manager.catalog().current().map_or(0, |state| state.revision);
                Ok(RollbackResponse { revision, problems, ..RollbackResponse::default() })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn audit_lines(
        &self,
        by: &Caller,
        request: ListAuditRequest,
    ) -> Result<ListAuditResponse, ManageError> {
        let ListAuditRequest { since, after, limit } = request;
        let limit = if limit == 0 { USUAL_LINES } else { limit.min(MOST_LINES) };
        let since = since.map_or(i64::MIN, |since| since.seconds);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let Lines { lines, next } =
            manage::audit_lines(by, &self.manager, after, since, most).await?;
        let lines = lines.into_iter().map(line).collect();
        Ok(ListAuditResponse { lines, next_after: next.unwrap_or_default() })
    }

    /// That somebody looked is written down, too.
    pub(super) async fn verify_audit(
        &self,
        by: &Caller,
        request: VerifyAuditRequest,
    ) -> Result<VerifyAuditResponse, ManageError> {
        let known = request.known;
        let known = known.map(|AuditAnchor { sequence, hash }| Anchor { sequence, hash });
        let journal = self.manager.journal();
        let Verdict { lines, last, broken } = journal.verify(known.as_ref()).await?;
        if let Some(broken) = &broken {
            tracing::error!(%broken, "the audit log was changed");
        }
        let outcome = if broken.is_some() { "broken" } else { "ok" };
        let note = audit_chain::Note {
            at: self.clock.unix_seconds(),
            event: "audit.verified".to_owned(),
            who: by.name().to_owned(),
            outcome: outcome.to_owned(),
            details: "{}".to_owned(),
            ..audit_chain::Note::default()
        };
        journal.write(vec![note]).await?;
        let last = Some(AuditAnchor { sequence: last.sequence, hash: last.hash });
        let broken = broken
            .map(|broken| AuditBreak { sequence: broken.sequence, why: broken.why.to_owned() });
        Ok(VerifyAuditResponse { lines, last, broken })
    }
}

fn refused(field: &str, reason: &str, suggestion: &str) -> ManageError {
    ManageError::Refused(vec![plan::Problem {
        field: field.to_owned(),
        reason: reason.to_owned(),
        suggestion: suggestion.to_owned(),
        ..plan::Problem::default()
    }])
}

fn required(revision: u64, field: &str) -> Result<u64, ManageError> {
    if revision == 0 {
        return Err(refused(field, "a revision is required", "see `turnpike history`"));
    }
    Ok(revision)
}

/// None: no resource is named.
fn key_of(text: &str) -> Result<Option<ResourceKey>, ManageError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: plan::UnknownKey| {
        refused("key", &error.to_string(), "write it like `Tier/Gold` or `Api/orders:1.0.0`")
    })
}

fn kind_of(text: &str) -> Result<Option<Kind>, ManageError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error: plan::UnknownKey| refused("kind", &error.to_string(), ""))
}

fn micros(at: &Timestamp) -> i64 {
    at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos) / 1000)
}

fn action(action: Action) -> i32 {
    match action {
        Action::Created => change::Action::Created,
        Action::Updated => change::Action::Updated,
        Action::Deleted => change::Action::Deleted,
    }
    .into()
}

fn entry(past: Past) -> HistoryEntry {
    let Past { revision, note, touched, .. } = past;
    let count = u32::try_from(touched.len()).unwrap_or(u32::MAX);
    let changes = touched.into_iter().take(NAMED).map(|one| HistoryChange {
        key: one.key.to_string(),
        action: action(one.action),
        digest: hex(&one.digest),
        former_revision: one.former_revision,
    });
    HistoryEntry {
        revision,
        at: Some(timestamp(note.committed_at_us)),
        by: note.by,
        reason: note.reason,
        traceparent: note.traceparent,
        changes: changes.collect(),
        count,
    }
}

fn resource_diff(differing: Differing) -> ResourceDiff {
    let Differing { key, action: what, fields } = differing;
    let fields = fields.into_iter().map(field_diff).collect();
    ResourceDiff { key: key.to_string(), action: action(what), fields }
}

fn line(line: Line) -> AuditLine {
    let Line { sequence, note, hash, .. } = line;
    // What somebody changed may be no JSON any more; the rest of the line is shown all the same.
    let details = serde_json::from_str(&note.details).unwrap_or_default();
    AuditLine {
        sequence,
        at: Some(Timestamp { seconds: note.at, nanos: 0 }),
        event: note.event,
        who: note.who,
        client: note.client,
        address: note.address,
        outcome: note.outcome,
        details,
        hash,
    }
}
