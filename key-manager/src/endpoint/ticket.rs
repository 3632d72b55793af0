//! An authorization request on its way: what was asked, by which browser, and when?
//!
//! It travels through the pages in their hidden field, sealed, so that nobody can change it and the
//! server keeps nothing of people who go away. It is the synchroniser against forged posts too: it
//! only counts together with the cookie of the browser that it was made for (KM-021).

use serde::{Deserialize, Serialize};

use super::response::{Mode, Way};
use super::{Authority, Refusal};
use crate::domain::{ResponseType, Wishes};

/// A page may be left open so long.
const SECONDS: i64 = 1800;

const PURPOSE: &str = "authorization request";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ticket {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    /// What the answer is.
    pub(super) kind: ResponseType,
    /// How the answer goes back.
    pub(super) mode: Mode,
    /// How the client wants signatures; empty: by the default in force.
    pub(super) algorithm: String,
    /// The thumbprint of the `DPoP` key that the code is bound to (RFC 9449 section 10).
    pub(super) key: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    /// Parted by spaces.
    pub(super) scopes: String,
    pub(super) audience: Vec<String>,
    /// Whether one has to log in anew.
    pub(super) login: bool,
    /// Whether one has to be asked for consent.
    pub(super) consent: bool,
    /// Whether nobody may be asked anything.
    pub(super) silent: bool,
    /// What the login shall prove (`acr_values`); empty: nothing was asked.
    pub(super) acr: String,
    /// What is asked for beside the scopes.
    pub(super) wishes: Wishes,
    /// Who has to be the one that logs in; empty: anybody.
    pub(super) subject: String,
    /// The name that the client thinks they have; empty: it thinks nothing.
    pub(super) hint: String,
    /// A login may be so old, in seconds.
    pub(super) max_age: Option<u32>,
    /// Unix seconds.
    pub(super) asked_at: i64,
    /// Of the cookie of the browser that may go on with it.
    pub(super) browser: String,
}

impl Ticket {
    pub(super) fn seal(&self, authority: &Authority) -> Result<String, Refusal> {
        authority.seal(PURPOSE, self)
    }

    /// Reads what a form brought back; `cookie` is that of its browser.
    pub(super) fn open(
        authority: &Authority,
        sealed: Option<&str>,
        cookie: Option<&str>,
    ) -> Result<Self, Refusal> {
        let old = || Refusal::invalid("this page is too old, or its browser keeps no cookies");
        let opened = sealed.and_then(|sealed| authority.open(PURPOSE, sealed));
        let ticket: Self = opened.ok_or_else(old)?;
        let age = authority.clock.unix_seconds().saturating_sub(ticket.asked_at);
        if age > SECONDS || !ticket.is_of(authority, cookie) { Err(old()) } else { Ok(ticket) }
    }

    /// Whether it was made for the browser with this cookie.
    pub(super) fn is_of(&self, authority: &Authority, cookie: Option<&str>) -> bool {
        cookie.is_some_and(|cookie| authority.pepper.matches(BROWSER, cookie, &self.browser))
    }

    /// A way to one of our own pages, where no client is; `path` is the page's.
    pub(super) fn of_page(authority: &Authority, path: &str) -> Self {
        Self {
            client_id: String::new(),
            redirect_uri: path.to_owned(),
            state: None,
            kind: ResponseType::CODE,
            mode: Mode::USUAL,
            algorithm: String::new(),
            key: None,
            nonce: None,
            challenge: None,
            scopes: String::new(),
            audience: Vec::new(),
            login: false,
            consent: false,
            silent: false,
            acr: String::new(),
            wishes: Wishes::default(),
            subject: String::new(),
            hint: String::new(),
            max_age: None,
            asked_at: authority.clock.unix_seconds(),
            browser: String::new(),
        }
    }

    /// Whether this person may be the one that goes on.
    pub(super) fn admits(&self, user: &str) -> bool {
        self.subject.is_empty() || self.subject == user
    }

    /// The way back to the client.
    pub(super) fn way(&self) -> Way<'_> {
        Way {
            client_id: &self.client_id,
            algorithm: self.algorithm.parse().ok(),
            redirect_uri: &self.redirect_uri,
            mode: self.mode,
            state: self.state.as_deref(),
        }
    }

    /// Whether it leads to a page of ours.
    pub(super) const fn is_own(&self) -> bool {
        self.client_id.is_empty()
    }

    /// Whether it is of the page at `path`.
    pub(super) fn is_of_page(&self, path: &str) -> bool {
        self.is_own() && self.redirect_uri == path
    }

    /// Binds it to the browser with this cookie.
    pub(super) fn bind(&mut self, authority: &Authority, cookie: &str) {
        self.browser = authority.pepper.digest(BROWSER, cookie);
    }
}

const BROWSER: &str = "browser";
