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
/// sent the person here (RFC 8628 section 5.4).
pub(super) fn confirm(page: &DevicePage<'_>, client: &str, user: &str, scopes: &[&str]) -> Reply {
    let scopes: Vec<String> = scopes.iter().map(|scope| escape(scope)).collect();
    let body = format!(
        "<h1>Allow access?</h1><p><strong>{client}</strong> on a device that shows \
         <strong>{code}</strong> asks for access in the name of <strong>{user}</strong>:</p>\
         <ul><li>{scopes}</li></ul>\
         <p>Deny it if this is not your device, or if somebody sent you here.</p>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <input type=\"hidden\" name=\"user_code\" value=\"{code}\">\
         <button type=\"submit\" name=\"answer\" value=\"allow\">Allow</button>\
         <button type=\"submit\" name=\"answer\" value=\"deny\" class=\"other\">Deny</button></form>",
        client = escape(client),
        user = escape(user),
        scopes = scopes.join("</li><li>"),
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
