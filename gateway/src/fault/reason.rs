//! Why did the gateway, and not the backend, answer a call?

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use plan::{ClaimRule, EvaluationError};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The reason for an answer of the gateway's own.
///
/// A variant is a promise to the client and is worded for the client. What went wrong inside
/// travels as `source`: it reaches the log and never the wire.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing is served here.
    #[error("The requested resource is not available.")]
    NoApi,
    /// The API has no such path.
    #[error("No matching resource found for given API Request")]
    NoOperation,
    /// The path exists for other methods; they are listed as `Allow` wants them.
    #[error("Method not allowed for given API resource")]
    MethodNotAllowed { allow: String },
    /// The request is not what HTTP asks for.
    #[error("The request is malformed: {0}")]
    BadRequest(BadRequest),
    /// A WebSocket is asked for in another version than 13.
    #[error("Only version 13 of WebSocket is spoken here")]
    WebSocketVersion,
    /// The request target is longer than configured.
    #[error("The request target is too long")]
    TargetTooLong,
    /// The head has more fields or more bytes than configured.
    #[error("The request head is too large")]
    HeadTooLarge,
    /// The body is longer than what may be held.
    #[error("The request body is too large")]
    BodyTooLarge,
    /// The request does not come, or comes too slowly.
    #[error("The request did not come in time")]
    RequestTimeout,
    /// The body that was announced did not come whole.
    #[error("The request body is incomplete")]
    IncompleteBody(#[source] Cause),
    /// The API is in the life-cycle state BLOCKED.
    #[error(
        "This API has been blocked temporarily. Please try again later or contact the system administrators."
    )]
    ApiBlocked,
    /// The API could not be loaded as it is configured.
    #[error("This API is not ready to serve calls")]
    ApiNotReady,
    /// The page that opens a WebSocket is of an origin that may not.
    #[error("The origin of the web page is not allowed")]
    OriginRefused,
    /// No credential was shown.
    #[error(
        "Invalid Credentials. Make sure your API invocation call has a header: 'Authorization: Bearer ACCESS_TOKEN'"
    )]
    MissingCredentials,
    /// The credential is not good.
    #[error("Invalid Credentials. Make sure you have provided the correct security credentials")]
    InvalidToken(#[source] TokenRefused),
    /// Another credential than a token is not good.
    #[error("Invalid Credentials. Make sure you have provided the correct security credentials")]
    InvalidCredential(#[source] CredentialRefused),
    /// The operation is for applications, or for people.
    #[error("Incorrect Access Token Type is provided")]
    WrongTokenType,
    /// The token is for others than the API.
    #[error("The access token is not meant for this API")]
    WrongAudience,
    /// The credential may not be used from there.
    #[error("The credential may not be used from this address or page")]
    Restricted(#[source] NotThere),
    /// The API has no backend for keys of this type.
    #[error("{} key offered to the API with no {} endpoint", capital(.key_type), .key_type)]
    NoEndpoint { key_type: &'static str },
    /// The caller has no subscription to the API.
    #[error("User is NOT authorized to access the Resource. API Subscription validation failed.")]
    NotSubscribed,
    /// The subscription is blocked.
    #[error("The requested API is temporarily blocked")]
    SubscriptionBlocked,
    /// The subscription waits for approval or was not approved.
    #[error("The subscription to the API is inactive")]
    SubscriptionInactive,
    /// A `DenyPolicy` turns the call away. Which one is nobody's business but the log's.
    #[error("You have been blocked from accessing the resource")]
    Denied { policy: std::sync::Arc<str> },
    /// Who decides about the call outside does not permit it; with words of theirs, if they have some.
    #[error("You are not permitted to make this call")]
    NotPermitted(Option<Box<Worded>>),
    /// Nobody could decide about the call.
    #[error("It could not be decided whether you may make this call")]
    Undecided(#[source] Cause),
    /// The same, where the call may be made later.
    #[error("It cannot be decided at the moment whether you may make this call")]
    DecisionPointAway(#[source] Cause),
    /// The token lacks every one of these scopes, separated by spaces.
    #[error("The access token does not allow you to access the requested resource")]
    MissingScope { scopes: String },
    /// The token does not say what the operation asks for. Which claim it is about is for the log.
    #[error("The access token does not say what the resource asks for")]
    ClaimNotFulfilled(#[source] ClaimRefused),
    /// A condition of the operation does not hold. Its owner may have written what the caller is told.
    #[error("{}", .message.as_deref().unwrap_or("The call does not fulfil what the resource asks for"))]
    ConditionNotFulfilled {
        message: Option<Arc<str>>,
        #[source]
        cause: ConditionRefused,
    },
    /// A page of another site made a browser send the call.
    #[error("The call comes from a web page of another site")]
    CrossSite(#[source] CrossSite),
    /// A limit is used up.
    #[error("{}. You can access API after {} seconds", .limit.text(), .retry_after_us.div_ceil(1_000_000))]
    Throttled { limit: Limit, retry_after_us: u64 },
    /// Nobody could be asked whether a limit has room, and it refuses then.
    #[error("It cannot be told whether a limit has room. Try again later")]
    NotCounted,
    /// The client wants an answer that was kept, and none is.
    #[error("No stored answer can be used, and the request asks for one with only-if-cached")]
    NotKept,
    /// There is more to do than can be done.
    #[error("The gateway has more to do than it can. Try again in {retry_after_s} seconds")]
    Overloaded { retry_after_s: u32 },
    /// Nobody listens at the backend's address.
    #[error("Error connecting to the back end")]
    BackendUnreachable(#[source] Cause),
    /// The backend's address did not take the connection in time.
    #[error("Connection timed out while connecting to the back end")]
    BackendConnectTimeout,
    /// The backend did not answer in time.
    #[error("The back end did not answer in time")]
    BackendTimeout,
    /// The backend closed the connection before it had answered.
    #[error("The back end closed the connection before it had answered")]
    BackendClosed(#[source] Cause),
    /// The backend did not take the request.
    #[error("Error sending the request to the back end")]
    BackendSend(#[source] Cause),
    /// The backend does not speak HTTP.
    #[error("The answer of the back end is not valid HTTP")]
    BackendProtocol(#[source] Cause),
    /// As many backend connections are open as may be.
    #[error("No connection to the back end is free")]
    BackendBusy,
    /// So many calls to the endpoint fail that none is made for a while.
    #[error("The back end fails, and is left alone for a while")]
    BackendSuspended { retry_after: Duration },
    /// The authorization server of the backend gave the gateway no token.
    #[error("There is no access token for the back end")]
    BackendNoToken(#[source] Cause),
    /// The backend refused the gateway's token, and the one after it.
    #[error("The back end does not accept the access token of the gateway")]
    BackendRefusedToken,
    /// Nothing signs what the backend is to be told of the caller.
    #[error("The gateway cannot tell the back end who calls")]
    NoBackendJwt(#[source] Cause),
    /// A token request, or a credential that somebody has to be asked about, while the key manager or
    /// the provider behind it cannot be reached.
    #[error("The key manager cannot be reached")]
    KeyManagerAway(#[source] Cause),
}

/// A refusal in the words of whoever decided.
#[derive(Debug)]
pub struct Worded {
    /// 400 to 599.
    pub status: StatusCode,
    /// Fields of the answer.
    pub headers: HeaderMap,
    /// Its body; empty: the gateway's own.
    pub body: Bytes,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// Its head does not parse.
    Head,
    /// It cannot be told where its body ends.
    Framing,
    /// There is not exactly one valid Host.
    Host,
    /// The path is not in canonical form.
    Path,
    /// The target is of a form that is not for gateways.
    Target,
    /// There is more than one Authorization field, or more than one credential of a kind in it.
    Authorization,
    /// There is more than one API key.
    ApiKey,
    /// There is more than one test key.
    TestKey,
    /// It asks for a WebSocket, and not as one asks.
    WebSocket,
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It names no issuer.
    #[error("the token cannot be read")]
    Unreadable,
    /// Its issuer is none of the API's key managers.
    #[error("no key manager of the API has this issuer")]
    Issuer,
    /// The keys of its issuer are not known yet.
    #[error("the keys of the issuer are not known")]
    NoKeys,
    /// Its key manager is not in use.
    #[error("the key manager of the token is not in use")]
    Disabled,
    /// It may have been revoked: nothing was heard of revocations for longer than the API allows.
    #[error("whether the credential was revoked is not known")]
    NotHeard,
    /// Its issuer was asked, and what it says cannot be read.
    #[error("what the issuer says cannot be read")]
    Unintelligible,
    /// Its issuer was asked, and says that it is not good.
    #[error("the issuer says that the token is not good")]
    Inactive,
    /// It does not verify.
    #[error("the token does not verify")]
    Refused(#[source] jose::Refusal),
    /// It has ended before its time.
    #[error("the token was revoked")]
    Revoked,
    /// It is bound to a key and is shown as a bearer token, it is not and is shown as if, or it is bound
    /// to something that is not known here.
    #[error("the token is bound, and not shown so")]
    Bound,
    /// The proof of the key that it is bound to does not hold.
    #[error("the proof of its key does not hold")]
    Proof(#[source] ProofRefused),
    /// It is bound to another certificate.
    #[error("the token is bound to another certificate")]
    OtherCertificate,
    /// It is bound to nothing, and the API takes no such tokens.
    #[error("the token is bound to nothing")]
    Unbound,
    /// Where it may be used cannot be read.
    #[error("the restrictions of the token cannot be read")]
    Restriction,
    /// It names no client.
    #[error("the token names no client")]
    NoClient,
}

/// Why another credential than a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialRefused {
    /// Nobody has this API key.
    #[error("the API key is not known")]
    ApiKey,
    /// The API key has ended.
    #[error("the API key has expired")]
    ApiKeyExpired,
    /// Name and password do not belong together, or the person may not log in.
    #[error("the name or the password is wrong")]
    Password,
    /// Somebody has failed too often; for so many seconds nobody looks at a password.
    #[error("too many wrong passwords")]
    Locked(u32),
    /// The certificate is good for nothing here.
    #[error("the certificate is not one of those that the API takes")]
    Certificate,
    /// The test key is not good, or for another API.
    #[error("the test key is not good for this API")]
    TestKey,
}

/// Why a credential may not be used from where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotThere {
    /// The address of the client.
    #[error("the address is in none of the networks")]
    Address,
    /// The page, or there is none.
    #[error("the call is on none of the pages")]
    Page,
}

/// Why claims are not what they should be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClaimRefused {
    /// Who calls has shown no token.
    #[error("claims are asked for, and no token was shown")]
    NoToken,
    /// A rule is not fulfilled.
    #[error("the claim `{}` is not what it should be", .0.name)]
    Rule(Arc<ClaimRule>),
}

/// Why a condition does not hold; the first text is the expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionRefused {
    /// It is false.
    #[error("`{0}` is not true")]
    False(Arc<str>),
    /// It cannot be said what it is.
    #[error("it cannot be said whether `{0}` is true")]
    Unclear(Arc<str>, #[source] EvaluationError),
}

/// Why a call is taken for one that a page of another site has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrossSite {
    /// The browser says so.
    #[error("the browser says that it is of another site")]
    Site,
    /// The page is of another origin.
    #[error("the page is of another origin")]
    Page,
    /// There is no page, and one is required.
    #[error("the call names no page")]
    NoPage,
    /// A field that tells it stands twice, or is no text.
    #[error("what the call says of its page cannot be read")]
    Unclear,
}

/// Why the proof of a key does not hold (RFC 9449 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefused {
    /// There is none, or more than one.
    #[error("exactly one proof is needed")]
    Missing,
    /// Its signature, type or algorithm is wrong.
    #[error("it does not verify")]
    Refused(#[from] jose::Refusal),
    /// It was not made for this call, or not now.
    #[error(transparent)]
    Misfit(#[from] jose::ProofMisfit),
    /// It is of another key.
    #[error("it is of another key")]
    Key,
    /// It is for another token.
    #[error("it is for another token")]
    Token,
    /// It was used before.
    #[error("it was used before")]
    Used,
    /// More proofs are in use than are remembered.
    #[error("more proofs are in use than are remembered")]
    Full,
}

/// Which limit is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// That of all calls of an API.
    Api,
    /// That of all calls of an operation.
    Operation,
    /// That of an expression.
    Custom,
    /// What the backend takes.
    Backend,
    /// The quota of all calls of an application.
    Application,
    /// The pace of all calls of an application.
    ApplicationBurst,
    /// The quota of a subscription.
    Subscription,
    /// The pace of a subscription.
    SubscriptionBurst,
}

impl Limit {
    /// What a client is told of it.
    const fn text(self) -> &'static str {
        match self {
            Self::Backend => "The back end takes no more calls",
            _ => "You have exceeded your quota",
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "the head cannot be read",
            Self::Framing => "the framing of the body is ambiguous",
            Self::Host => "exactly one valid Host is needed",
            Self::Path => "the path is not in canonical form",
            Self::Target => "the request target is not a path",
            Self::Authorization => "more than one credential of a kind",
            Self::ApiKey => "more than one API key",
            Self::TestKey => "more than one test key",
            Self::WebSocket => "it is no WebSocket handshake",
        })
    }
}

/// The word with its first letter in upper case.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
