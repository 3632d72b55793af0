//! What does a person see of passkeys?
//!
//! A passkey needs a script. Forms that want one are hidden until it runs: whoever has none logs in as
//! before.

use http::StatusCode;

use super::Reply;
use super::pages::{escape, scripted};

/// The one script of these pages, which the policy names by its hash.
const SCRIPT: &str = include_str!("passkeys.js").trim_ascii_end();
pub(super) const SCRIPT_HASH: &str = "'sha256-3yII5T4Jmls9AsSCjNJLL/9N2aVf+lEIEtPDwTUqFC4='";

/// A form that is sent with what a passkey said.
pub(super) struct PasskeyForm<'p> {
    pub(super) action: &'p str,
    /// What it carries, sealed.
    pub(super) request: &'p str,
    /// What the browser is asked for, as JSON.
    pub(super) options: &'p str,
    /// Further fields, as they stand in the page.
    pub(super) fields: &'p str,
    pub(super) button: &'p str,
}

/// Names a new passkey.
pub(super) struct NewPasskeyPage<'p> {
    pub(super) action: &'p str,
    /// What every form of the page carries.
    pub(super) mark: &'p str,
    /// What was asked for, sealed.
    pub(super) request: &'p str,
    pub(super) options: &'p str,
}

pub(super) fn form(form: &PasskeyForm<'_>) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\" data-passkey=\"{options}\" hidden>\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <input type=\"hidden\" name=\"answer\">{fields}\
         <p class=\"wrong\" role=\"alert\" hidden>No passkey was used.</p>\
         <button type=\"submit\" class=\"other\">{button}</button></form>",
        action = escape(form.action),
        options = escape(form.options),
        request = escape(form.request),
        fields = form.fields,
        button = form.button,
    )
}

/// What goes behind the forms of a page.
pub(super) fn script() -> String {
    format!("<script>{SCRIPT}</script>")
}

pub(super) fn new_passkey(page: &NewPasskeyPage<'_>) -> Reply {
    let fields = format!(
        "<input type=\"hidden\" name=\"do\" value=\"keep-passkey\">\
         <input type=\"hidden\" name=\"asked\" value=\"{asked}\">\
         <label for=\"title\">A name for it, like the one of your device</label>\
         <input id=\"title\" name=\"title\" maxlength=\"100\" autocomplete=\"off\" required>",
        asked = escape(page.request),
    );
    let form = form(&PasskeyForm {
        action: page.action,
        request: page.mark,
        options: page.options,
        fields: &fields,
        button: "Make a passkey",
    });
    let body = format!(
        "<h1>Make a passkey</h1>\
         <p class=\"wrong\" data-without>This browser has no passkeys, or runs no scripts here.</p>\
         {form}{script}",
        script = script(),
    );
    scripted(StatusCode::OK, "Make a passkey", &body, None, Some(SCRIPT_HASH))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_policy_names_the_script_that_is_sent() {
        let hash = digest::digest(&digest::SHA256, SCRIPT.as_bytes());
        assert_eq!(SCRIPT_HASH, format!("'sha256-{}'", STANDARD.encode(hash)));
        // Pages in other words are taken apart at tags.
        assert!(!SCRIPT.contains(['<', '>']));
    }
}
