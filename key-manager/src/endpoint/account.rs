//! What can a person do themselves? (KM-104, KM-106, KM-107)
//!
//! One page at `/oauth2/account`. Each form of it carries the sealed mark of its browser, so nobody
//! else can send it; what would let a thief of a browser stay asks for the password again.

use super::account_page::{self, AccountPage};
use super::factor_pages::{self, RecoveryPage};
use super::farewell::end_session;
use super::interaction::{OWN_PAGE, ask_login, cookie};
use super::passkey_pages::{self, NewPasskeyPage};
use super::response::see_other;
use super::second_factor::{self, Missing, renew_codes};
use super::ticket::Ticket;
use super::{Authority, LoginRules, Mfa, PasskeyUse, Refusal, Reply, Request, login, passkeys};
use crate::audit::Event;
use crate::domain::{ClientId, LoginMethod, Password, User};
use crate::form::Form;
use crate::store::StoredSession;

/// So many sessions, and so many consents, are listed.
const LISTED: u32 = 100;

/// Who sits there, and with what.
pub(super) struct Visitor<'v> {
    pub(super) authority: &'v Authority,
    pub(super) request: &'v Request,
    pub(super) session: StoredSession,
    pub(super) user: User,
    cookie: String,
}

/// Whoever logged in at a provider so long ago at most changes what others give their password for.
const FRESH_SECONDS: i64 = 300;

/// What became of a wish.
enum Done {
    /// By the word that the page has a sentence for.
    Said(&'static str),
    /// Something else is to be shown.
    Shown(Reply),
}

/// The page.
pub(super) async fn show(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    match visitor(authority, request, &authority.issuer.local("account")).await? {
        Ok(visitor) => {
            let query = Form::parse(request.query.as_deref().unwrap_or_default().as_bytes())?;
            visitor.page(query.find("said").unwrap_or_default()).await
        }
        Err(instead) => Ok(instead),
    }
}

/// One of its forms.
pub(super) async fn change(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let ticket = Ticket::open(authority, form.find("request"), cookie(request).as_deref())?;
    if !ticket.is_of_page(&authority.issuer.local("account")) {
        return Err(Refusal::invalid("this form belongs to another page"));
    }
    let visitor = match visitor(authority, request, &authority.issuer.local("account")).await? {
        Ok(visitor) => visitor,
        Err(instead) => return Ok(instead),
    };
    match visitor.grant(&form).await? {
        // A page that is loaded anew does nothing again.
        Done::Said(word) => {
            see_other(&format!("{}?said={word}", authority.issuer.local("account")))
        }
        Done::Shown(reply) => Ok(reply),
    }
}

/// Who sits before one of our pages; else what is asked first, and leads back to `page`.
pub(super) async fn visitor<'v>(
    authority: &'v Authority,
    request: &'v Request,
    page: &str,
) -> Result<Result<Visitor<'v>, Reply>, Refusal> {
    let mut ticket = Ticket::of_page(authority, page);
    let cookie = cookie(request);
    let found = match &cookie {
        Some(cookie) => login::find(authority, cookie).await?,
        None => None,
    };
    let (Some((session, user)), Some(cookie)) = (found, cookie.clone()) else {
        return ask_login(authority, OWN_PAGE, ticket, cookie.as_deref(), "", false).map(Err);
    };
    // A login from before the app was set up does not reach the form that removes it.
    if second_factor::has(authority, &user).await? {
        LoginMethod::TWO_FACTORS.clone_into(&mut ticket.acr);
    }
    let missing = second_factor::missing(authority, &ticket, &user, Some(&session)).await?;
    if let Some(missing) = missing {
        ticket.bind(authority, &cookie);
        return second_factor::ask(authority, ticket, &user, missing, session.method)
            .await
            .map(Err);
    }
    Ok(Ok(Visitor { authority, request, session, user, cookie }))
}

impl Visitor<'_> {
    /// `said` is what was done, by its word.
    async fn page(&self, said: &str) -> Result<Reply, Refusal> {
        let store = &self.authority.store;
        let now = self.authority.clock.unix_seconds();
        let sessions = store.sessions(&self.user.id, now, LISTED).await?;
        let consents = store.consents(&self.user.id, LISTED).await?;
        let authenticator = store.authenticator(&self.user.id).await?;
        let codes_left = store.recovery_codes_left(&self.user.id).await?;
        let passkeys = second_factor::passkeys(self.authority, &self.user).await?;
        Ok(account_page::account(&AccountPage {
            name: self.user.name.as_str(),
            action: &self.authority.issuer.local("account"),
            request: &self.mark(&self.authority.issuer.local("account"))?,
            said,
            elsewhere: self.is_elsewhere().await?,
            session: &self.session.id,
            sessions: &sessions,
            consents: &consents,
            mfa: self.authority.login.mfa,
            authenticator: authenticator.as_ref(),
            passkeys: self.may_have_passkeys().then_some(&passkeys),
            codes_left,
        }))
    }

    /// What each form of `page` carries.
    pub(super) fn mark(&self, page: &str) -> Result<String, Refusal> {
        let mut ticket = Ticket::of_page(self.authority, page);
        ticket.bind(self.authority, &self.cookie);
        ticket.seal(self.authority)
    }

    async fn grant(&self, form: &Form) -> Result<Done, Refusal> {
        let field = |name| form.find(name).unwrap_or_default();
        match field("do") {
            "end-session" => self.end_session(field("session")).await,
            "withdraw" => self.withdraw(field("client")).await,
            "change-password" => self.change_password(field("password"), field("new")).await,
            "add-app" => self.add_app(field("password")).await,
            "remove-app" => self.remove_app(field("password")).await,
            "new-codes" => self.new_codes(field("password")).await,
            "add-passkey" => self.add_passkey(field("password")).await,
            "keep-passkey" => self.keep_passkey(form).await,
            "remove-passkey" => self.remove_passkey(field("password"), field("passkey")).await,
            _ => Err(Refusal::invalid("this form is not known")),
        }
    }

    pub(super) fn event(&self, name: &'static str) -> Event {
        Event::of(name).by(&self.user.id).from(self.request.peer.address)
    }

    async fn end_session(&self, id: &str) -> Result<Done, Refusal> {
        let event = self.event("session.ended").with("session", id);
        end_session(self.authority, event, &self.user.id, id).await?;
        Ok(Done::Said("session"))
    }

    async fn withdraw(&self, client: &str) -> Result<Done, Refusal> {
        let client = ClientId::parse(client)
            .map_err(|_| Refusal::invalid("the application is not known here"))?;
        let event = self.event("consent.withdrawn").client(client.as_str());
        self.authority.noting(event).withdraw_consent(&self.user.id, &client).await?;
        Ok(Done::Said("consent"))
    }

    /// Whether they have no password here: they log in at a provider.
    async fn is_elsewhere(&self) -> Result<bool, Refusal> {
        let stored = self.authority.store.user(&self.user.id).await?;
        Ok(stored.is_some_and(|stored| stored.is_elsewhere()))
    }

    /// Why whoever sits there is not believed to be them, by its word; `None`: they are. The password has
    /// to be theirs, and guesses count like those at a login; who has none has come from their provider a
    /// moment ago.
    async fn doubt(&self, password: &str) -> Result<Option<&'static str>, Refusal> {
        if self.is_elsewhere().await? {
            let now = self.authority.clock.unix_seconds();
            let age = now.saturating_sub(self.session.logged_in_at);
            return Ok(if age <= FRESH_SECONDS { None } else { Some("again") });
        }
        let (address, name) = (self.request.peer.address, self.user.name.as_str());
        let known = login::recognise(self.authority, address, name, password).await?;
        let themselves = known.is_some_and(|known| known.id == self.user.id);
        Ok(if themselves { None } else { Some("wrong") })
    }

    async fn change_password(&self, password: &str, new: &str) -> Result<Done, Refusal> {
        let Ok(new) = Password::chosen(new) else { return Ok(Done::Said("unfit")) };
        let stored = self.authority.store.user(&self.user.id).await?;
        if stored.is_some_and(|stored| stored.is_in_directory() || stored.is_elsewhere()) {
            return Ok(Done::Said("elsewhere"));
        }
        if let Some(doubt) = self.doubt(password).await? {
            return Ok(Done::Said(doubt));
        }
        let hashed = self.authority.passwords.hash(new).await?;
        let log = self.authority.noting(self.event("user.password_changed"));
        log.change_password(&self.user.id, &hashed, &self.session.id).await?;
        self.authority.meter.revoked("subject");
        tracing::info!(user = self.user.id, "password changed by its owner");
        Ok(Done::Said("password"))
    }

    async fn add_app(&self, password: &str) -> Result<Done, Refusal> {
        if self.authority.login.mfa == Mfa::Off {
            return Err(Refusal::invalid("second factors are not used here"));
        }
        if let Some(doubt) = self.doubt(password).await? {
            return Ok(Done::Said(doubt));
        }
        let mut ticket = Ticket::of_page(self.authority, &self.authority.issuer.local("account"));
        ticket.bind(self.authority, &self.cookie);
        let first = self.session.method;
        let page = second_factor::ask(self.authority, ticket, &self.user, Missing::App, first);
        page.await.map(Done::Shown)
    }

    async fn remove_app(&self, password: &str) -> Result<Done, Refusal> {
        if let Some(doubt) = self.doubt(password).await? {
            return Ok(Done::Said(doubt));
        }
        let store = self.authority.audit.noting(self.event("factor.removed"));
        store.remove_authenticator(&self.user.id).await?;
        Ok(Done::Said("app"))
    }

    async fn new_codes(&self, password: &str) -> Result<Done, Refusal> {
        let has = second_factor::has(self.authority, &self.user).await?;
        if !has {
            return Ok(Done::Said("wrong"));
        }
        if let Some(doubt) = self.doubt(password).await? {
            return Ok(Done::Said(doubt));
        }
        self.show_codes().await
    }

    async fn show_codes(&self) -> Result<Done, Refusal> {
        let codes = renew_codes(self.authority, self.request, &self.user).await?;
        let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        Ok(Done::Shown(factor_pages::recovery(&RecoveryPage {
            action: &self.authority.issuer.local("continue"),
            request: &self.mark(&self.authority.issuer.local("account"))?,
            redirect: "",
            codes: &codes,
        })))
    }

    /// Where nobody is asked for a second factor, they are good for logins without a password.
    fn may_have_passkeys(&self) -> bool {
        let LoginRules { mfa, passkeys, .. } = self.authority.login;
        let useful = mfa != Mfa::Off || passkeys == PasskeyUse::Login;
        useful && passkeys::site(self.authority).is_some()
    }

    async fn add_passkey(&self, password: &str) -> Result<Done, Refusal> {
        let site = passkeys::site(self.authority).filter(|_| self.may_have_passkeys());
        let site = site.ok_or_else(|| Refusal::invalid("passkeys are not used here"))?;
        if let Some(doubt) = self.doubt(password).await? {
            return Ok(Done::Said(doubt));
        }
        let page = self.authority.issuer.local("account");
        let mut ticket = Ticket::of_page(self.authority, &page);
        ticket.bind(self.authority, &self.cookie);
        let known = second_factor::passkeys(self.authority, &self.user).await?;
        let (sealed, options) =
            passkeys::ask_new(self.authority, site, ticket, &self.user, &known)?;
        Ok(Done::Shown(passkey_pages::new_passkey(&NewPasskeyPage {
            action: &page,
            mark: &self.mark(&page)?,
            request: &sealed,
            options: &options,
        })))
    }

    async fn keep_passkey(&self, form: &Form) -> Result<Done, Refusal> {
        if !self.may_have_passkeys() {
            return Err(Refusal::invalid("passkeys are not used here"));
        }
        let field = |name| form.find(name).unwrap_or_default();
        let first = !second_factor::has(self.authority, &self.user).await?;
        let said = (form.find("asked"), field("answer"), field("title"));
        if !passkeys::keep_new(self.authority, self.request, &self.user, said).await? {
            return Ok(Done::Said("passkey-known"));
        }
        tracing::info!(user = self.user.id, "passkey set up");
        // Who loses their only second factor has to get in all the same.
        if first && self.authority.login.mfa != Mfa::Off {
            return self.show_codes().await;
        }
        Ok(Done::Said("passkey"))
    }

    async fn remove_passkey(&self, password: &str, id: &str) -> Result<Done, Refusal> {
        if let Some(doubt) = self.doubt(password).await? {
            return Ok(Done::Said(doubt));
        }
        let event = self.event("passkey.removed").with("passkey", id);
        self.authority.audit.noting(event).remove_passkey(&self.user.id, id).await?;
        Ok(Done::Said("passkey-gone"))
    }
}
