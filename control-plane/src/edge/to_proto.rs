//! How is somebody who is known told, in whichever language?

use prost_types::Timestamp;
use turnpike_proto::admin::v1::{Token as WireToken, WhoAmIResponse};

use crate::people::{Caller, Token};

const SECONDS_OF_DAY: i64 = 24 * 3600;

pub(super) fn caller(caller: &Caller) -> WhoAmIResponse {
    let limits = caller.limits();
    WhoAmIResponse {
        name: caller.name().to_owned(),
        shown: caller.shown().name().to_owned(),
        user: caller.user().to_owned(),
        teams: caller.teams().map(str::to_owned).collect(),
        roles: caller.roles().names(),
        tenant: caller.tenant().to_owned(),
        read_only: limits.read_only,
        kinds: limits.kinds.iter().map(|kind| kind.name().to_owned()).collect(),
        objects: limits.objects.iter().map(|object| object.as_str().to_owned()).collect(),
        expires_at: caller.expires_at().map(seconds),
    }
}

/// `used`: the day on which it was last shown, since the Unix epoch.
pub(super) fn token(token: &Token, used: Option<i64>) -> WireToken {
    let token = token.clone();
    WireToken {
        id: token.id,
        name: token.name,
        roles: token.roles,
        owner: token.owner,
        tenant: token.tenant,
        read_only: token.read_only,
        kinds: token.kinds,
        objects: token.objects,
        created_by: token.created_by,
        created_at: Some(seconds(token.created_at)),
        expires_at: Some(seconds(token.expires_at)),
        last_used: used.map(|day| seconds(day.saturating_mul(SECONDS_OF_DAY))),
    }
}

const fn seconds(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}
