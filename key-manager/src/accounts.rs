//! How does a person get an account, and how does it end?
//!
//! Whatever ends a login ends what came from it: sessions, codes, refresh families and, through
//! the revocation log, access tokens (KM-101, KM-107).

use std::net::IpAddr;

use crate::audit::Event;
use crate::domain::{
    Linking, Password, PasswordError, Profile, ProfileError, Provider, Roles, User, UserName,
    UserNameError,
};
use crate::endpoint::Authority;
use crate::federation::Person;
use crate::store::{Joined, StoreError, StoredUser};
use crate::vault::{PasswordFailure, Passwords};

/// What a provider may call a person, in bytes (OpenID Connect Core section 2).
const LONGEST_SUBJECT: usize = 255;
/// So many accounts wait for approval at a time.
const MOST_PENDING: u32 = 1000;

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("name: {0}")]
    Name(#[from] UserNameError),
    #[error("password: {0}")]
    Password(#[from] PasswordError),
    #[error("claims: {0}")]
    Profile(#[from] ProfileError),
    #[error("name: it is taken")]
    Taken,
    #[error("password_hash: it is of no known form, or costs too much")]
    Foreign,
    #[error("too many accounts wait for approval")]
    Full,
    #[error("there is no such person")]
    Nobody,
    #[error("subject: it has 1 to {LONGEST_SUBJECT} bytes, none of them of control")]
    Subject,
    #[error("subject: that account is somebody's already")]
    Linked,
    #[error("the password could not be hashed")]
    Hash(#[from] PasswordFailure),
    #[error("the account could not be stored")]
    Store(#[from] StoreError),
}

/// Makes an account. `claims` is a JSON object of what is known of the person, or empty.
pub async fn create(
    authority: &Authority,
    name: &str,
    password: &str,
    claims: &str,
) -> Result<User, AccountError> {
    let user = new_user(authority, name, claims)?;
    let password = Password::chosen(password)?;
    let password = authority.passwords.hash(password).await?;
    let event = Event::of("user.created").with("user", &user.id);
    add(authority, StoredUser { user, password }, event).await
}

/// Makes an account with the hash that another system made of its password.
pub async fn bring(
    authority: &Authority,
    name: &str,
    hash: &str,
    claims: &str,
) -> Result<User, AccountError> {
    let user = new_user(authority, name, claims)?;
    if !Passwords::can_take(hash) {
        return Err(AccountError::Foreign);
    }
    let event = Event::of("user.imported").with("user", &user.id);
    add(authority, StoredUser { user, password: hash.to_owned() }, event).await
}

/// Makes an account for its person; `waits`: nobody can use it until somebody approves it.
pub async fn sign_up(
    authority: &Authority,
    name: &str,
    password: &str,
    waits: bool,
    address: Option<IpAddr>,
) -> Result<User, AccountError> {
    let mut user = new_user(authority, name, "")?;
    user.disabled = waits;
    let password = Password::chosen(password)?;
    let password = authority.passwords.hash(password).await?;
    let event = Event::of("user.signed_up").by(&user.id).from(address);
    let stored = StoredUser { user, password };
    if !waits {
        return add(authority, stored, event).await;
    }
    match authority.audit.noting(event).add_pending_user(&stored, MOST_PENDING).await? {
        Joined::Waiting => {}
        Joined::Taken => return Err(AccountError::Taken),
        Joined::Full => return Err(AccountError::Full),
    }
    tracing::info!(user = stored.user.id, "account waits for approval");
    Ok(stored.user)
}

/// The account of a person whom the directory knows; made when they come for the first time.
pub async fn join(
    authority: &Authority,
    name: &str,
    claims: &str,
    roles: Roles,
) -> Result<User, AccountError> {
    let user = User { directory_roles: roles, ..new_user(authority, name, claims)? };
    let event = Event::of("user.joined").with("user", &user.id);
    add(authority, StoredUser { user, password: StoredUser::IN_DIRECTORY.to_owned() }, event).await
}

/// The account of a person who has logged in at a provider. Known by the provider's issuer and its name
/// for them, and by nothing else; a mail address leads to an account only where the resource says so, the
/// provider has verified it, and exactly one account here has it verified too (KM-095). `Nobody`: there is
/// none, and none is made.
pub async fn of_provider(
    authority: &Authority,
    provider: &Provider,
    person: &Person,
) -> Result<User, AccountError> {
    let (store, issuer, subject) = (&authority.store, &provider.issuer, &person.subject);
    if let Some(known) = store.linked_user(issuer, subject).await? {
        return Ok(known.user);
    }
    let linking = provider.login.as_ref().map_or(Linking::None, |login| login.linking);
    if let (Linking::VerifiedEmail, Some(email)) = (linking, person.verified_email())
        && let Some(user) = owner_of(authority, email).await?
    {
        let linked = add_link(authority, &user.id, issuer, subject).await?;
        return if linked { Ok(user) } else { Err(AccountError::Linked) };
    }
    if linking == Linking::None {
        return Err(AccountError::Nobody);
    }
    let claims = profile(person);
    let called = person.text("preferred_username").unwrap_or_default();
    // The name says where somebody is from, so that nobody there takes a name of somebody here.
    let names = [called, subject, &chassis::random::token(9)].map(|name| {
        let name: String = name.split_whitespace().collect();
        format!("{name}@{}", provider.name)
    });
    for name in names.iter().filter(|name| !name.starts_with('@')) {
        let user = match new_user(authority, name, &claims) {
            Err(AccountError::Name(_)) => continue,
            made => made?,
        };
        let event = Event::of("user.joined").with("user", &user.id).with("issuer", issuer);
        let stored = StoredUser { user, password: StoredUser::ELSEWHERE.to_owned() };
        if authority.audit.noting(event).add_linked_user(&stored, issuer, subject).await? {
            tracing::info!(user = stored.user.id, provider = provider.name, "account made");
            return Ok(stored.user);
        }
        // Somebody has the name, or the same person was faster in another window.
        if let Some(known) = store.linked_user(issuer, subject).await? {
            return Ok(known.user);
        }
    }
    Err(AccountError::Taken)
}

/// Lets a person log in with the account that an issuer calls `subject`.
pub async fn link(
    authority: &Authority,
    id: &str,
    issuer: &str,
    subject: &str,
) -> Result<(), AccountError> {
    if subject.is_empty() || subject.len() > LONGEST_SUBJECT || subject.contains(char::is_control) {
        return Err(AccountError::Subject);
    }
    if authority.store.user(id).await?.is_none() {
        return Err(AccountError::Nobody);
    }
    if add_link(authority, id, issuer, subject).await? { Ok(()) } else { Err(AccountError::Linked) }
}

/// Lets nobody log in any more with the account that an issuer calls `subject`.
pub async fn unlink(
    authority: &Authority,
    issuer: &str,
    subject: &str,
) -> Result<(), AccountError> {
    let event = Event::of("user.unlinked").with("issuer", issuer).with("subject", subject);
    let gone = authority.audit.noting(event).unlink_user(issuer, subject).await?;
    if gone { Ok(()) } else { Err(AccountError::Nobody) }
}

async fn add_link(
    authority: &Authority,
    id: &str,
    issuer: &str,
    subject: &str,
) -> Result<bool, AccountError> {
    let event = Event::of("user.linked").with("user", id).with("issuer", issuer);
    let noting = authority.audit.noting(event.with("subject", subject));
    let now = authority.clock.unix_seconds();
    Ok(noting.link_user(issuer, subject, id, now).await?)
}

/// The one account with this verified mail address.
async fn owner_of(authority: &Authority, email: &str) -> Result<Option<User>, AccountError> {
    let mut owners = authority.store.users_with_email(email).await?.into_iter();
    Ok(owners.next().filter(|_| owners.next().is_none()))
}

/// What a provider says of a person, as far as it is said here in the same form. Not what they are:
/// nobody gets roles here by the word of somebody else.
fn profile(person: &Person) -> String {
    let mut known = serde_json::Map::new();
    for name in Profile::names().filter(|name| *name != "roles") {
        let Some(value) = person.claims.get(name) else { continue };
        let one = serde_json::json!({ name: value }).to_string();
        if Profile::parse(&one).is_ok() {
            known.insert(name.to_owned(), value.clone());
        }
    }
    let text = serde_json::Value::Object(known).to_string();
    if text.len() > Profile::LONGEST { String::new() } else { text }
}

/// Lets a person in who waits for it. `Nobody`: they do not wait.
pub async fn approve(authority: &Authority, id: &str) -> Result<(), AccountError> {
    let event = Event::of("user.approved").with("user", id);
    if !authority.audit.noting(event).approve_user(id).await? {
        return Err(AccountError::Nobody);
    }
    tracing::info!(user = id, "account approved");
    Ok(())
}

/// Those who wait, the oldest first.
pub async fn pending(authority: &Authority) -> Result<Vec<User>, AccountError> {
    Ok(authority.store.pending_users(MOST_PENDING).await?)
}

fn new_user(authority: &Authority, name: &str, claims: &str) -> Result<User, AccountError> {
    let name = UserName::parse(name)?;
    let profile = Profile::parse(claims)?;
    let now = authority.clock.unix_seconds();
    Ok(User {
        id: chassis::random::token(16),
        name,
        disabled: false,
        ended_until: 0,
        profile_at: if profile == Profile::default() { 0 } else { now },
        profile,
        directory_roles: Roles::default(),
        created_at: now,
    })
}

async fn add(
    authority: &Authority,
    stored: StoredUser,
    event: Event,
) -> Result<User, AccountError> {
    if !authority.audit.noting(event).add_user(&stored).await? {
        return Err(AccountError::Taken);
    }
    tracing::info!(user = stored.user.id, "account made");
    Ok(stored.user)
}

/// Replaces a password. Whoever knew the old one is out: every login and token ends.
pub async fn set_password(
    authority: &Authority,
    id: &str,
    password: &str,
) -> Result<(), AccountError> {
    let password = Password::chosen(password)?;
    let password = authority.passwords.hash(password).await?;
    let event = Event::of("user.password_set").with("user", id);
    if !authority.noting(event).change_password(id, &password, "").await? {
        return Err(AccountError::Nobody);
    }
    authority.meter.revoked("subject");
    tracing::info!(user = id, "password set");
    Ok(())
}

/// Replaces what is known of a person; `claims` is a JSON object. Who loses a role loses the access tokens
/// that name it.
pub async fn set_claims(authority: &Authority, id: &str, claims: &str) -> Result<(), AccountError> {
    let profile = Profile::parse(claims)?;
    let stored = authority.store.user(id).await?.ok_or(AccountError::Nobody)?;
    let after = profile.roles().with(&stored.user.directory_roles);
    let lost = !stored.user.roles().is_subset(&after);
    let event = Event::of("user.claims_set").with("user", id);
    if !authority.noting(event).set_profile(id, &profile, lost).await? {
        return Err(AccountError::Nobody);
    }
    if lost {
        authority.meter.revoked("subject");
    }
    tracing::info!(user = id, lost, "claims set");
    Ok(())
}

/// Keeps what the directory says that a person is, where that has changed. The answer is the person as
/// they are now.
pub async fn take_over_roles(
    authority: &Authority,
    user: User,
    roles: &Roles,
) -> Result<User, AccountError> {
    if user.directory_roles == *roles {
        return Ok(user);
    }
    let lost = !user.roles().is_subset(&user.profile.roles().with(roles));
    let event = Event::of("user.roles_changed").with("user", &user.id).with("by", "directory");
    if !authority.noting(event).set_directory_roles(&user.id, roles, lost).await? {
        return Err(AccountError::Nobody);
    }
    if lost {
        authority.meter.revoked("subject");
    }
    tracing::info!(user = user.id, lost, "roles of the directory taken over");
    // Read again: what has ended is dated, and tokens of this login come after it.
    Ok(authority.store.user(&user.id).await?.ok_or(AccountError::Nobody)?.user)
}

/// Lets a person log in no more, or again.
pub async fn disable(authority: &Authority, id: &str, disabled: bool) -> Result<(), AccountError> {
    let event = Event::of(if disabled { "user.disabled" } else { "user.enabled" });
    if !authority.noting(event.with("user", id)).disable_user(id, disabled).await? {
        return Err(AccountError::Nobody);
    }
    if disabled {
        authority.meter.revoked("subject");
    }
    tracing::info!(user = id, disabled, "account changed");
    Ok(())
}

/// Removes an account with everything that belongs to it. Answers whether there was one.
pub async fn remove(authority: &Authority, id: &str) -> Result<bool, AccountError> {
    let sequence =
        authority.noting(Event::of("user.removed").with("user", id)).remove_user(id).await?;
    if let Some(sequence) = sequence {
        authority.meter.revoked("subject");
        tracing::info!(user = id, sequence, "account removed");
    }
    Ok(sequence.is_some())
}
