//! What does a person see of their own account?

use http::StatusCode;

use super::pages::{escape, render};
use super::{Mfa, Reply};
use crate::domain::{First, LoginMethod, Second};
use crate::store::{StoredAuthenticator, StoredConsent, StoredPasskey, StoredSession};

pub(super) struct AccountPage<'p> {
    pub(super) name: &'p str,
    /// Where its forms go.
    pub(super) action: &'p str,
    /// What they carry.
    pub(super) request: &'p str,
    /// What was done, by its word.
    pub(super) said: &'p str,
    /// Whether they have no password here.
    pub(super) elsewhere: bool,
    /// The one that it is seen in.
    pub(super) session: &'p str,
    pub(super) sessions: &'p [StoredSession],
    pub(super) consents: &'p [StoredConsent],
    pub(super) mfa: Mfa,
    pub(super) authenticator: Option<&'p StoredAuthenticator>,
    /// `None`: there are none here.
    pub(super) passkeys: Option<&'p Vec<StoredPasskey>>,
    pub(super) codes_left: u64,
}

pub(super) fn account(page: &AccountPage<'_>) -> Reply {
    let body = format!(
        "<h1>Your account</h1><p>You are logged in as <strong>{name}</strong>.</p>{said}\
         {sessions}{consents}{factors}{passkeys}{password}",
        passkeys = page.passkeys.map(|passkeys| listed(page, passkeys)).unwrap_or_default(),
        name = escape(page.name),
        said = said(page.said),
        sessions = sessions(page),
        consents = consents(page),
        factors = factors(page),
        password = if page.elsewhere { String::new() } else { password(page) },
    );
    render(StatusCode::OK, "Your account", &body, None)
}

fn password(page: &AccountPage<'_>) -> String {
    let fields = format!("{}{NEW_PASSWORD}", password_field(page, "change"));
    format!("<h2>Password</h2>{}", form(page, "change-password", &fields, "Change password"))
}

const NEW_PASSWORD: &str = "<label for=\"new\">New password, at least 8 characters</label>\
    <input id=\"new\" name=\"new\" type=\"password\" autocomplete=\"new-password\" required>\
    <p>It ends every other login, and the access of every application.</p>";

/// A form with one button.
fn form(page: &AccountPage<'_>, wish: &str, fields: &str, button: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <input type=\"hidden\" name=\"do\" value=\"{wish}\">{fields}\
         <button type=\"submit\">{button}</button></form>",
        action = escape(page.action),
        request = escape(page.request),
    )
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
}

/// Each has its own `id`, because a page has several. Who has no password is not asked for one.
fn password_field(page: &AccountPage<'_>, id: &str) -> String {
    if page.elsewhere {
        return String::new();
    }
    format!(
        "<label for=\"{id}\">Your password</label>\
         <input id=\"{id}\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required>"
    )
}

fn said(word: &str) -> String {
    let (class, text) = match word {
        "session" => ("done", "The login has ended."),
        "consent" => ("done", "The application has no access any more."),
        "password" => ("done", "The password is changed. Other logins have ended."),
        "app" => ("done", "The authenticator app is removed."),
        "passkey" => ("done", "The passkey is set up."),
        "passkey-gone" => ("done", "The passkey is removed."),
        "passkey-known" => {
            ("wrong", "Nothing was changed: this passkey is known, or you have too many.")
        }
        "again" => (
            "wrong",
            "Nothing was changed: end this login and log in again, and change it within five minutes.",
        ),
        "wrong" => ("wrong", "Nothing was changed: the password is wrong."),
        "elsewhere" => {
            ("wrong", "Nothing was changed: your password is kept by your organisation.")
        }
        "unfit" => ("wrong", "Nothing was changed: a password has 8 to 1024 bytes."),
        _ => return String::new(),
    };
    format!("<p class=\"{class}\" role=\"alert\">{text}</p>")
}

fn shown(method: LoginMethod) -> String {
    let (first, second) = method.factors();
    let first = match first {
        First::Word => "the word of somebody else",
        First::Password => "a password",
        First::Passkey | First::SyncedPasskey => "a passkey",
        First::Provider => "an account elsewhere",
    };
    let second = match second {
        None => "",
        Some(Second::App) => " and an app",
        Some(Second::Recovery) => " and a recovery code",
        Some(Second::Passkey | Second::SyncedPasskey) => " and a passkey",
    };
    [first, second].concat()
}

fn sessions(page: &AccountPage<'_>) -> String {
    let entry = |session: &StoredSession| {
        let here = if session.id == page.session { " – this browser" } else { "" };
        let address = if session.address.is_empty() { "not known" } else { &session.address };
        let agent = if session.agent.is_empty() { "not known" } else { &session.agent };
        let factors = shown(session.method);
        let end = form(page, "end-session", &hidden("session", &session.id), "End it");
        format!(
            "<li>{when} from {address}, with {factors}{here}<br>{agent}{end}</li>",
            when = time(session.logged_in_at),
            address = escape(address),
            agent = escape(agent),
        )
    };
    let entries: String = page.sessions.iter().map(entry).collect();
    format!("<h2>Where you are logged in</h2><ul>{entries}</ul>")
}

fn consents(page: &AccountPage<'_>) -> String {
    let entry = |consent: &StoredConsent| {
        let scopes: Vec<String> = consent.scopes.iter().map(escape).collect();
        let client = hidden("client", consent.client_id.as_str());
        format!(
            "<li><strong>{name}</strong> since {when}: {scopes}{form}</li>",
            name = escape(&consent.client_name),
            when = time(consent.given_at),
            scopes = scopes.join(", "),
            form = form(page, "withdraw", &client, "Take back"),
        )
    };
    let entries: String = page.consents.iter().map(entry).collect();
    let none = if entries.is_empty() { "<p>None.</p>" } else { "" };
    format!("<h2>Applications that you gave access</h2>{none}<ul>{entries}</ul>")
}

fn listed(page: &AccountPage<'_>, passkeys: &[StoredPasskey]) -> String {
    let entry = |(place, passkey): (usize, &StoredPasskey)| {
        let used = match passkey.used_at {
            0 => "never used".to_owned(),
            at => format!("used last {}", time(at)),
        };
        let field = password_field(page, &format!("passkey-{place}"));
        let fields = format!("{}{field}", hidden("passkey", &passkey.id));
        format!(
            "<li><strong>{name}</strong> since {since}, {used}{form}</li>",
            name = escape(&passkey.name),
            since = time(passkey.created_at),
            form = form(page, "remove-passkey", &fields, "Remove it"),
        )
    };
    let entries: String = passkeys.iter().enumerate().map(entry).collect();
    let add = form(page, "add-passkey", &password_field(page, "add-passkey"), "Make a passkey");
    // Without an app these would have no place.
    let codes = if page.authenticator.is_none() && !passkeys.is_empty() && page.mfa != Mfa::Off {
        let field = password_field(page, "codes");
        let renew = form(page, "new-codes", &field, "New recovery codes");
        format!("<p>{} recovery codes are left.</p>{renew}", page.codes_left)
    } else {
        String::new()
    };
    format!("<h2>Passkeys</h2><ul>{entries}</ul>{add}{codes}")
}

fn factors(page: &AccountPage<'_>) -> String {
    let forms = match (page.authenticator, page.mfa) {
        (None, Mfa::Off) => return String::new(),
        (None, _) => {
            let field = password_field(page, "add");
            form(page, "add-app", &field, "Set up an authenticator app")
        }
        (Some(app), mfa) => {
            let since = time(app.created_at);
            let remove =
                form(page, "remove-app", &password_field(page, "remove"), "Remove the app");
            // Who must have one would be asked to set up another at once.
            let remove = if mfa == Mfa::Required { String::new() } else { remove };
            let codes =
                form(page, "new-codes", &password_field(page, "codes"), "New recovery codes");
            format!(
                "<p>An authenticator app since {since}; {left} recovery codes are left.</p>\
                 {codes}{remove}",
                left = page.codes_left,
            )
        }
    };
    format!("<h2>Second factor</h2>{forms}")
}

/// UTC, to the minute.
fn time(seconds: i64) -> String {
    let text = prost_types::Timestamp { seconds, nanos: 0 }.to_string();
    let minute = text.get(..16).unwrap_or_default().replace('T', " ");
    format!("{minute} UTC")
}
