//! What does a person see who answers a device?

use http::StatusCode;

use super::Reply;
use super::pages::{escape, render};

pub(super) struct DevicePage<'p> {
    /// Where its form goes.
    pub(super) action: &'p str,
    /// What it carries.
    pub(super) request: &'p str,
    /// The code, as far as it is known.
    pub(super) code: &'p str,
}

/// Asks for the code. `wrong` says what was wrong with the last one; empty: nothing.
pub(super) fn ask(page: &DevicePage<'_>, wrong: &str) -> Reply {
    let wrong = match wrong {
        "" => String::new(),
        text => format!("<p class=\"wrong\" role=\"alert\" id=\"wrong\">{}</p>", escape(text)),
    };
    let body = format!(
        "<h1>Connect a device</h1><p>Type the code that your device shows.</p>{wrong}\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <label for=\"user_code\">Code</label>\
         <input id=\"user_code\" name=\"user_code\" value=\"{code}\" autocomplete=\"off\" \
         autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"16\" required>\
         <button type=\"submit\">Go on</button></form>",
        action = escape(page.action),
        request = escape(page.request),
        code = escape(page.code),
    );
    render(StatusCode::OK, "Connect a device", &body, None)
}

/// Asks whether the device may have what it wants. The code is shown again: somebody else may have
/// sent the person here (RFC 8628 section 5.4). `wanted` are items of a list, as HTML.
pub(super) fn confirm(page: &DevicePage<'_>, client: &str, user: &str, wanted: &str) -> Reply {
    let body = format!(
        "<h1>Allow access?</h1><p><strong>{client}</strong> on a device that shows \
         <strong>{code}</strong> asks for access in the name of <strong>{user}</strong>:</p>\
         <ul>{wanted}</ul>\
         <p>Deny it if this is not your device, or if somebody sent you here.</p>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <input type=\"hidden\" name=\"user_code\" value=\"{code}\">\
         <button type=\"submit\" name=\"answer\" value=\"allow\">Allow</button>\
         <button type=\"submit\" name=\"answer\" value=\"deny\" class=\"other\">Deny</button></form>",
        client = escape(client),
        user = escape(user),
        action = escape(page.action),
        request = escape(page.request),
        code = escape(page.code),
    );
    render(StatusCode::OK, "Allow access?", &body, None)
}

pub(super) fn done(allowed: bool) -> Reply {
    let (title, text) = if allowed {
        ("The device is connected", "You can close this page and go on there.")
    } else {
        ("The device got nothing", "You can close this page.")
    };
    render(StatusCode::OK, title, &format!("<h1>{title}</h1><p>{text}</p>"), None)
}

/// A request of a client that waits for the person.
pub(super) struct Waiting {
    /// What the form names it by.
    pub(super) name: String,
    pub(super) client: String,
    /// What the client shows as well; may be empty.
    pub(super) message: String,
    /// Items of a list, as HTML.
    pub(super) wanted: String,
}

/// Lists what waits for the person, each with its own form.
pub(super) fn waiting(action: &str, request: &str, user: &str, all: &[Waiting]) -> Reply {
    let forms: Vec<String> = all.iter().map(|one| form(action, request, one)).collect();
    let nothing = "<p>Nothing waits for you. Load this page anew to look again.</p>";
    let body = format!(
        "<h1>Requests</h1><p>You are logged in as <strong>{user}</strong>.</p>{}",
        if forms.is_empty() { nothing.to_owned() } else { forms.concat() },
        user = escape(user),
    );
    render(StatusCode::OK, "Requests", &body, None)
}

fn form(action: &str, request: &str, one: &Waiting) -> String {
    let message = match one.message.as_str() {
        "" => String::new(),
        text => format!("<p>Both of you see: <strong>{}</strong></p>", escape(text)),
    };
    format!(
        "<h2>{client}</h2>{message}<p>asks for access in your name:</p><ul>{wanted}</ul>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <input type=\"hidden\" name=\"waiting\" value=\"{name}\">\
         <button type=\"submit\" name=\"answer\" value=\"allow\">Allow</button>\
         <button type=\"submit\" name=\"answer\" value=\"deny\" class=\"other\">Deny</button></form>",
        client = escape(&one.client),
        wanted = one.wanted,
        action = escape(action),
        request = escape(request),
        name = escape(&one.name),
    )
}
