//! An authorization request on its way: what was asked, by which browser, and when?
//!
//! It travels through the pages in their hidden field, sealed, so that nobody can change it and the
//! server keeps nothing of people who go away. It is the synchroniser against forged posts too: it
//! only counts together with the cookie of the browser that it was made for (KM-021).

use serde::{Deserialize, Serialize};

use super::{Authority, Refusal};

/// A page may be left open so long.
const SECONDS: i64 = 1800;

const PURPOSE: &str = "authorization request";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ticket {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
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
    /// A login may be so old, in seconds.
    pub(super) max_age: Option<u32>,
    /// Unix seconds.
    pub(super) asked_at: i64,
    /// Of the cookie of the browser that may go on with it.
    pub(super) browser: String,
}

impl Ticket {
    pub(super) fn seal(&self, authority: &Authority) -> Result<String, Refusal> {
        let text = serde_json::to_vec(self).map_err(|error| Refusal::Failed(Box::new(error)))?;
        Ok(authority.sealer.seal(PURPOSE, &text)?)
    }

    /// Reads what a form brought back; `cookie` is that of its browser.
    pub(super) fn open(
        authority: &Authority,
        sealed: Option<&str>,
        cookie: Option<&str>,
    ) -> Result<Self, Refusal> {
        let old = || Refusal::invalid("this page is too old, or its browser keeps no cookies");
        let opened = sealed.and_then(|sealed| authority.sealer.open(PURPOSE, sealed).ok());
        let opened = opened.ok_or_else(old)?;
        let ticket: Self = serde_json::from_slice(&opened).map_err(|_| old())?;
        let age = authority.clock.unix_seconds().saturating_sub(ticket.asked_at);
        let same =
            cookie.is_some_and(|cookie| authority.pepper.matches(BROWSER, cookie, &ticket.browser));
        if age > SECONDS || !same { Err(old()) } else { Ok(ticket) }
    }

    /// Binds it to the browser with this cookie.
    pub(super) fn bind(&mut self, authority: &Authority, cookie: &str) {
        self.browser = authority.pepper.digest(BROWSER, cookie);
    }
}

const BROWSER: &str = "browser";
