//! How does a person log in at a provider, and what does it say of them? (KM-095)
//!
//! The code flow with PKCE, state and nonce, spoken by `openidconnect` over our own requests. The ID token
//! must be signed by a key of the provider with an algorithm that the resource names, for our client, and
//! with this login's nonce; what `userinfo` says counts for the same subject only.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use jose::Algorithm;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdTokenVerifier, CoreJsonWebKeySet,
    CoreJwsSigningAlgorithm, CoreTokenResponse,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId,
    ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl,
    Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::error::FederationError;
use super::member::Member;
use crate::domain::ProviderLogin;

/// Keys that were read longer ago verify nothing.
const STALE_SECONDS: i64 = 24 * 3600;
/// How far clocks may differ.
const SKEW_SECONDS: i64 = 60;
/// An ID token is from now, not kept from before.
const LONGEST_AGE_SECONDS: i64 = 600;
const TOKENS: &str = "the token endpoint";
const PEOPLE: &str = "the userinfo endpoint";

type RelyingParty =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// What only we know of a login under way.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    nonce: String,
    verifier: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    /// New ones.
    pub fn random() -> Self {
        Self { nonce: chassis::random::token(32), verifier: chassis::random::token(32) }
    }
}

/// Who logged in there.
#[derive(Clone, Debug)]
pub struct Person {
    /// The `sub`; means something together with the issuer only.
    pub subject: String,
    /// What the provider says besides.
    pub claims: Map<String, Value>,
}

impl Person {
    /// A text that it says.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Their mail address, where the provider has made sure of it.
    pub fn verified_email(&self) -> Option<&str> {
        let verified = self.claims.get("email_verified") == Some(&Value::Bool(true));
        self.text("email").filter(|_| verified)
    }
}

/// Where the browser is sent; `redirect` is where it comes back to, with `state`.
pub fn depart(
    member: &Member,
    redirect: &str,
    secrets: &Secrets,
    state: &str,
) -> Result<Url, FederationError> {
    let (client, login) = relying_party(member, redirect)?;
    let verifier = PkceCodeVerifier::new(secrets.verifier.clone());
    let (state, nonce) = (CsrfToken::new(state.to_owned()), Nonce::new(secrets.nonce.clone()));
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let request = client.authorize_url(flow, || state, || nonce);
    // `openid` is asked for in any case.
    let scopes = login.scopes.iter().filter(|scope| *scope != "openid");
    let request = request.add_scopes(scopes.map(|scope| Scope::new(scope.clone())));
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    Ok(request.set_pkce_challenge(challenge).url().0)
}

/// Who came back with `code`.
pub async fn arrive(
    member: &Member,
    redirect: &str,
    secrets: Secrets,
    code: &str,
) -> Result<Person, FederationError> {
    let (client, _) = relying_party(member, redirect)?;
    let exchange = client.exchange_code(AuthorizationCode::new(code.to_owned()));
    let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier));
    let answer = Box::pin(exchange.request_async(member)).await;
    let answer = answer.map_err(|error| member.failed(exchange_error(error)))?;
    let (subject, mut claims) = identified(member, &client, &answer, &Nonce::new(secrets.nonce))?;
    if let Some(more) = userinfo(member, &subject, answer.access_token()).await? {
        claims.extend(more);
    }
    Ok(Person { subject, claims })
}

/// What the ID token says, once it holds.
fn identified(
    member: &Member,
    client: &RelyingParty,
    answer: &CoreTokenResponse,
    nonce: &Nonce,
) -> Result<(String, Map<String, Value>), FederationError> {
    let refused = |why: String| member.failed(FederationError::IdToken(why));
    let token = answer.id_token().ok_or_else(|| refused("there is none".to_owned()))?;
    let now = member.clock.unix_seconds();
    let algorithms = member.provider.algorithms.iter().filter_map(|one| named(*one));
    let verifier: CoreIdTokenVerifier<'_> = client
        .id_token_verifier()
        .set_allowed_algs(algorithms)
        .set_time_fn(move || time(now.saturating_sub(SKEW_SECONDS)))
        .set_issue_time_verifier_fn(move |issued| {
            let age = now.saturating_sub(issued.timestamp());
            let fits = (-SKEW_SECONDS..=LONGEST_AGE_SECONDS).contains(&age);
            fits.then_some(()).ok_or_else(|| "it is not of now".to_owned())
        });
    let claims = token.claims(&verifier, nonce).map_err(|error| refused(error.to_string()))?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(|error| refused(error.to_string()))?;
        let key = token.signing_key(&verifier).map_err(|error| refused(error.to_string()))?;
        let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key);
        if actual.map_err(|error| refused(error.to_string()))? != *expected {
            return Err(refused("the access token is not the one that came with it".to_owned()));
        }
    }
    let said = serde_json::to_value(claims).ok();
    let said = said.and_then(|said| said.as_object().cloned()).unwrap_or_default();
    Ok((claims.subject().to_string(), said))
}

/// What the provider says of the person besides, where it has an endpoint for that.
async fn userinfo(
    member: &Member,
    subject: &str,
    token: &AccessToken,
) -> Result<Option<Map<String, Value>>, FederationError> {
    let endpoint = member.metadata().and_then(|metadata| metadata.userinfo.clone());
    let Some(endpoint) = endpoint else { return Ok(None) };
    let request = Request::builder()
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {}", token.secret()));
    let answer = member.outbound.send(&endpoint, request, Bytes::new()).await;
    let answer = answer
        .map_err(|source| member.failed(FederationError::Outbound { what: PEOPLE, source }))?;
    if !answer.status().is_success() {
        let status = answer.status().as_u16();
        return Err(member.failed(FederationError::Status { what: PEOPLE, status }));
    }
    let said: Map<String, Value> = serde_json::from_slice(answer.body())
        .map_err(|_| member.failed(FederationError::Json { what: PEOPLE }))?;
    // OpenID Connect Core section 5.3.2: else it may be about somebody else.
    if said.get("sub").and_then(Value::as_str) != Some(subject) {
        let why = "userinfo is about somebody else".to_owned();
        return Err(member.failed(FederationError::IdToken(why)));
    }
    Ok(Some(said))
}

fn relying_party<'m>(
    member: &'m Member,
    redirect: &str,
) -> Result<(RelyingParty, &'m ProviderLogin), FederationError> {
    let provider = &member.provider;
    if !provider.enabled {
        return Err(FederationError::Disabled);
    }
    let login = provider.login.as_ref().ok_or(FederationError::NotAsked)?;
    let missing = FederationError::NoEndpoint;
    let metadata = member.metadata().ok_or(missing("metadata"))?;
    let authorization = metadata.authorization.clone().ok_or(missing("authorization endpoint"))?;
    let token = metadata.token.clone().ok_or(missing("token endpoint"))?;
    let (keys, _) = member.keys(STALE_SECONDS).ok_or(missing("key that was read"))?;
    let keys: CoreJsonWebKeySet = serde_json::from_str(&keys.text)
        .map_err(|_| FederationError::Json { what: "the address of the keys" })?;
    let issuer = IssuerUrl::new(provider.issuer.clone()).map_err(|_| missing("URL as issuer"))?;
    let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|_| missing("way back"))?;
    let secret = ClientSecret::new(login.client.secret.0.expose().to_owned());
    let auth = if login.client.in_form { AuthType::RequestBody } else { AuthType::BasicAuth };
    let client = CoreClient::new(ClientId::new(login.client.id.clone()), issuer, keys)
        .set_client_secret(secret)
        .set_auth_type(auth)
        .set_auth_uri(AuthUrl::from_url(authorization))
        .set_token_uri(TokenUrl::from_url(token))
        .set_redirect_uri(redirect);
    Ok((client, login))
}

/// With our own bounds on addresses, sizes and times.
impl<'m> AsyncHttpClient<'m> for Member {
    type Error = chassis::outbound::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Self::Error>> + Send + 'm>>;

    fn call(&'m self, request: HttpRequest) -> Self::Future {
        let (parts, body) = request.into_parts();
        Box::pin(async move {
            let url = parts.uri.to_string();
            let url = Url::parse(&url).map_err(|_| chassis::outbound::Error::Url)?;
            let mut request = Request::builder().method(parts.method);
            for (name, value) in &parts.headers {
                request = request.header(name, value);
            }
            let answer = self.outbound.send(&url, request, Bytes::from(body)).await?;
            Ok(answer.map(|body| body.to_vec()))
        })
    }
}

fn exchange_error<E>(
    error: openidconnect::RequestTokenError<
        chassis::outbound::Error,
        openidconnect::StandardErrorResponse<E>,
    >,
) -> FederationError
where
    E: openidconnect::ErrorResponseType + std::fmt::Display + 'static,
{
    use openidconnect::RequestTokenError as Error;
    match error {
        Error::ServerResponse(said) => {
            let code = said.error().to_string();
            let code = code.chars().filter(|letter| !letter.is_control()).take(80).collect();
            FederationError::Refused { what: TOKENS, code }
        }
        Error::Request(source) => FederationError::Outbound { what: TOKENS, source },
        Error::Parse(..) | Error::Other(_) => FederationError::Json { what: TOKENS },
    }
}

fn named(algorithm: Algorithm) -> Option<CoreJwsSigningAlgorithm> {
    Some(match algorithm.name() {
        "ES256" => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        "ES384" => CoreJwsSigningAlgorithm::EcdsaP384Sha384,
        "RS256" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        "RS384" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
        "RS512" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
        "PS256" => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        "PS384" => CoreJwsSigningAlgorithm::RsaSsaPssSha384,
        "PS512" => CoreJwsSigningAlgorithm::RsaSsaPssSha512,
        "EdDSA" => CoreJwsSigningAlgorithm::EdDsa,
        _ => return None,
    })
}

fn time(unix_seconds: i64) -> chrono::DateTime<chrono::Utc> {
    let since = Duration::from_secs(unix_seconds.max(0).cast_unsigned());
    (std::time::UNIX_EPOCH + since).into()
}
