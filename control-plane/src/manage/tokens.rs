//! How do programs get tokens of their own, and how do these end?
//!
//! What is stored is a digest, beside the resources and in transactions like theirs: a token that was
//! ended is refused by every control plane as soon as it has heard of it.

use std::time::Duration;

use chassis::{Host, Secret};
use plan::Problem;
use prost::Message as _;

use super::change::Manager;
use super::error::ManageError;
use super::read::current;
use crate::catalog::{Catalog, State};
use crate::people::{
    Caller, MOST_TOKENS, NewToken, NotMade, People, Token, Use, new_token, token_key, tokens,
    use_key,
};
use crate::store::{Change, PEOPLE};

/// Tokens that have ended are shown so long, in seconds.
const SHOWN_AFTER: i64 = 30 * 24 * 3600;
/// How often it is written down which tokens were used.
const NOTED_EVERY: Duration = Duration::from_mins(1);
/// The most uses that are written down at once.
const NOTED_AT_ONCE: usize = 500;

/// Makes a token; its text is nowhere else.
pub async fn create_token(
    by: &Caller,
    manager: &Manager,
    wanted: NewToken,
) -> Result<(Token, Secret), ManageError> {
    let now = manager.clock.unix_seconds();
    let named = format!("token {}", wanted.name);
    let not_made = |error| match error {
        NotMade::Field(field, reason) => problem(field, reason, ""),
        NotMade::Forbidden(why) => manager.forbidden(by, &named, why),
    };
    let (token, text) = new_token(by, wanted, now).map_err(not_made)?;
    let decide = |state: &State| {
        let mut changes = Vec::new();
        let (mut count, mut taken) = (0, false);
        for (known, _) in tokens(state) {
            if known.expires_at.saturating_add(SHOWN_AFTER) <= now {
                changes.extend(forgotten(&known.id));
                continue;
            }
            count += 1;
            // Who else has tokens is nothing that another tenant gets to know.
            taken |= known.name == token.name && known.tenant == token.tenant;
        }
        if taken {
            return Err(problem("name", "the name is taken".to_owned(), "choose another one"));
        }
        if count >= MOST_TOKENS {
            let reason = format!("there are {MOST_TOKENS} already");
            return Err(problem("name", reason, "revoke those that nobody needs"));
        }
        let key = format!("{PEOPLE}{}", token_key(&token.id));
        // What is left of old ones goes another time, where there are very many.
        changes.truncate(NOTED_AT_ONCE);
        changes.push(Change::Put { key, value: token.encode_to_vec().into() });
        Ok(changes)
    };
    manager.keep(by, &format!("token {} made", token.name), decide).await?;
    tracing::info!(%by, token = token.name, id = token.id, "token made");
    Ok((token, Secret::new(text)))
}

/// The tokens that `by` may see, by name, each with the day of its last use.
pub fn list_tokens(
    by: &Caller,
    catalog: &Catalog,
) -> Result<Vec<(Token, Option<i64>)>, ManageError> {
    let state = current(catalog)?;
    let mut found: Vec<_> = tokens(&state).filter(|(token, _)| token.is_of(by)).collect();
    found.sort_by(|(one, _), (other, _)| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    Ok(found)
}

/// Ends the token of this name or identifier.
pub async fn revoke_token(by: &Caller, manager: &Manager, named: &str) -> Result<(), ManageError> {
    let decide = |state: &State| {
        let mut theirs = tokens(state)
            .map(|(token, _)| token)
            .filter(|token| (token.id == named || token.name == named) && token.is_of(by));
        let token = theirs.next();
        if theirs.next().is_some() {
            let reason = format!("several tokens are called `{named}`");
            return Err(problem("token", reason, "name it by its identifier"));
        }
        let token = token.ok_or_else(|| ManageError::NoToken(named.to_owned()))?;
        Ok(forgotten(&token.id))
    };
    manager.keep(by, &format!("token {named} revoked"), decide).await?;
    tracing::info!(%by, token = named, "token revoked");
    Ok(())
}

/// Writes down on which day tokens were used, once for each day, until the process drains.
pub async fn note_uses(
    host: Host,
    manager: std::sync::Arc<Manager>,
    people: std::sync::Arc<People>,
) {
    loop {
        tokio::select! {
            () = host.clock.sleep(NOTED_EVERY) => {}
            () = host.shutdown.wait() => return,
        }
        let used = people.take_used();
        if used.is_empty() {
            continue;
        }
        let decide = |state: &State| {
            let there = |id: &String| state.people.contains_key(token_key(id).as_str());
            let known = used.iter().filter(|(id, _)| there(id)).take(NOTED_AT_ONCE);
            Ok(known
                .map(|(id, day)| Change::Put {
                    key: format!("{PEOPLE}{}", use_key(id)),
                    value: Use { day: *day }.encode_to_vec().into(),
                })
                .collect())
        };
        let by = Caller::of_service("control-plane");
        if let Err(error) = manager.keep(&by, "tokens used", decide).await {
            // It is said again with the next use.
            tracing::debug!(error = &error as &dyn std::error::Error, "uses of tokens not noted");
        }
    }
}

fn forgotten(id: &str) -> Vec<Change> {
    let gone = |key: String| Change::Delete { key: format!("{PEOPLE}{key}") };
    vec![gone(token_key(id)), gone(use_key(id))]
}

fn problem(field: &str, reason: String, suggestion: &str) -> ManageError {
    ManageError::Refused(vec![Problem {
        field: field.to_owned(),
        reason,
        suggestion: suggestion.to_owned(),
        ..Problem::default()
    }])
}
