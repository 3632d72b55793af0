//! Under which names is that known which a call is about?
//!
//! Names lie scattered over memory, and so does what is known of them. Where each thing lies is found for several calls
//! at once, before the first of them is looked at: memory answers several questions in the time of one.

use super::call::Call;
use super::finding::Alarm;
use super::keyed::Key;
use super::kinds::Kinds;

/// Where one of these is in force, operations are known,
const OF_OPERATIONS: Kinds = Kinds::of(&[
    Alarm::AbnormalResponseTime,
    Alarm::AbnormalBackendTime,
    Alarm::RequestPatternChanged,
]);
/// versions of APIs,
const OF_VERSIONS: Kinds =
    Kinds::of(&[Alarm::AbnormalErrorRate, Alarm::ApiHealthMonitor, Alarm::ApiAvailability]);
/// uses,
const OF_USES: Kinds = Kinds::of(&[Alarm::AbnormalRequestsPerMin, Alarm::AbnormalTierUsage]);
/// callers,
const OF_CALLERS: Kinds =
    Kinds::of(&[Alarm::RequestPatternChanged, Alarm::UnusualIpAccess, Alarm::KeySharing]);
/// and what each of them asks for.
const OF_OBJECTS: Kinds = Kinds::of(&[Alarm::ObjectEnumeration]);

/// What is to be known of a call; none: nothing that is in force for anybody needs it, or the call does not say it.
#[derive(Clone, Debug)]
pub(super) struct Subjects<'c> {
    /// An operation of a version of an API.
    pub(super) operation: Option<Key<'c, 3>>,
    /// A version of an API.
    pub(super) version: Option<Key<'c, 2>>,
    /// An application, or else a client, at a version of an API.
    pub(super) usage: Option<Key<'c, 4>>,
    /// A person with a client.
    pub(super) caller: Option<Key<'c, 2>>,
    /// The caller at the operation.
    pub(super) objects: Option<Key<'c, 5>>,
}

impl<'c> Subjects<'c> {
    pub(super) fn of(call: &Call<'c>, on: Kinds) -> Self {
        let Call { api, api_version, operation, application, user, client, .. } = *call;
        let wants = |kinds: Kinds| on.has_any(kinds);
        let (calls_api, is_known) = (!api.is_empty(), !(client.is_empty() && user.is_empty()));
        let asks = calls_api && is_known && !call.path.is_empty();
        let whose = [application, call.client_alone(), api, api_version];
        let asked = [user, client, api, api_version, operation];
        Self {
            operation: (calls_api && wants(OF_OPERATIONS))
                .then(|| Key::of([api, api_version, operation])),
            version: (calls_api && wants(OF_VERSIONS)).then(|| Key::of([api, api_version])),
            usage: (calls_api && wants(OF_USES)).then(|| Key::of(whose)),
            caller: (is_known && wants(OF_CALLERS)).then(|| Key::of([user, client])),
            objects: (asks && wants(OF_OBJECTS)).then(|| Key::of(asked)),
        }
    }
}
