//! What does a person see who is asked for a second factor?

use http::StatusCode;
use qrcodegen::{QrCode, QrCodeEcc};
use url::Url;

use super::pages::{escape, render, scripted};
use super::{Reply, passkey_pages};

/// Asks for a code.
pub(super) struct CodePage<'p> {
    pub(super) action: &'p str,
    pub(super) request: &'p str,
    pub(super) redirect: &'p str,
    pub(super) wrong: bool,
    /// The form of their passkeys; `None`: they have none.
    pub(super) passkey: Option<&'p str>,
}

/// Shows the seed of an app that is being set up, and asks for its first code.
pub(super) struct EnrolPage<'p> {
    pub(super) action: &'p str,
    pub(super) request: &'p str,
    pub(super) redirect: &'p str,
    pub(super) wrong: bool,
    /// In base32.
    pub(super) seed: &'p str,
    /// What the square says.
    pub(super) uri: &'p str,
}

/// Shows recovery codes, once.
pub(super) struct RecoveryPage<'p> {
    pub(super) action: &'p str,
    pub(super) request: &'p str,
    pub(super) redirect: &'p str,
    pub(super) codes: &'p [&'p str],
}

/// The code form is the same on both pages; its error is tied to its field.
fn code_form(action: &str, request: &str, wrong: bool, button: &str) -> String {
    let (note, tie) = if wrong {
        (
            "<p class=\"wrong\" role=\"alert\" id=\"wrong\">This code is wrong, was used before, or \
             there were too many attempts. Wait for the next one.</p>",
            " aria-invalid=\"true\" aria-describedby=\"wrong\"",
        )
    } else {
        ("", "")
    };
    format!(
        "{note}<form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <label for=\"code\">Code</label>\
         <input id=\"code\" name=\"code\" autocomplete=\"one-time-code\" autocapitalize=\"none\" \
         spellcheck=\"false\" required autofocus{tie}>\
         <button type=\"submit\">{button}</button></form>",
        action = escape(action),
        request = escape(request),
    )
}

pub(super) fn code(page: &CodePage<'_>) -> Reply {
    let form = code_form(page.action, page.request, page.wrong, "Go on");
    let body = format!(
        "<h1>Enter your code</h1>\
         <p>Type the six digits that your authenticator app shows, or one of your recovery codes.</p>\
         {form}{passkey}{script}",
        passkey = page.passkey.unwrap_or_default(),
        script = page.passkey.map(|_| passkey_pages::script()).unwrap_or_default(),
    );
    let script = page.passkey.map(|_| passkey_pages::SCRIPT_HASH);
    scripted(StatusCode::OK, "Enter your code", &body, Some(page.redirect), script)
}

pub(super) fn enrol(page: &EnrolPage<'_>) -> Reply {
    let form = code_form(page.action, page.request, page.wrong, "Set up");
    let groups: Vec<&str> = (0..page.seed.len().div_ceil(4))
        .filter_map(|group| page.seed.get(group * 4..(group * 4 + 4).min(page.seed.len())))
        .collect();
    let body = format!(
        "<h1>Set up a second factor</h1>\
         <p>Scan this with an authenticator app:</p>{square}\
         <p>or type this key into it: <code>{key}</code></p>\
         <p>Then type the six digits that it shows.</p>{form}",
        square = square(page.uri),
        key = escape(&groups.join(" ")),
    );
    render(StatusCode::OK, "Set up a second factor", &body, Some(page.redirect))
}

pub(super) fn recovery(page: &RecoveryPage<'_>) -> Reply {
    let codes: Vec<String> =
        page.codes.iter().map(|code| format!("<li><code>{}</code></li>", escape(code))).collect();
    let body = format!(
        "<h1>Keep these codes</h1>\
         <p>Each lets you in once when you do not have your app. They are not shown again.</p>\
         <ul>{codes}</ul><form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <button type=\"submit\">I have kept them</button></form>",
        codes = codes.concat(),
        action = escape(page.action),
        request = escape(page.request),
    );
    render(StatusCode::OK, "Keep these codes", &body, Some(page.redirect))
}

/// What an app reads: the Key Uri Format that authenticator apps have in common.
pub(super) fn uri(issuer: &str, name: &str, seed: &str) -> String {
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_default();
    let Ok(mut uri) = Url::parse("otpauth://totp/") else { return String::new() };
    if let Ok(mut path) = uri.path_segments_mut() {
        path.pop_if_empty().push(&format!("{host}:{name}"));
    }
    uri.query_pairs_mut()
        .append_pair("secret", seed)
        .append_pair("issuer", &host)
        .append_pair("algorithm", "SHA1")
        .append_pair("digits", "6")
        .append_pair("period", "30");
    uri.into()
}

/// A QR code as SVG in the page, so that nothing is loaded; empty when the text does not fit, the
/// key can be typed all the same.
fn square(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let size = code.size();
    let places = (0..size).flat_map(|y| (0..size).map(move |x| (x, y)));
    let dark = places.filter(|(x, y)| code.get_module(*x, *y));
    let path = dark.fold(String::new(), |path, (x, y)| path + &format!("M{x} {y}h1v1h-1z"));
    format!(
        "<svg role=\"img\" aria-label=\"QR code with the key below\" width=\"240\" height=\"240\" \
         viewBox=\"-4 -4 {edge} {edge}\"><path fill=\"#fff\" d=\"M-4-4h{edge}v{edge}h-{edge}z\"/>\
         <path fill=\"#000\" d=\"{path}\"/></svg>",
        edge = size.saturating_add(8),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_reads_who_and_where() {
        let uri = uri("https://id.example:9453/oauth2", "ann/b ?ä", "ABCD");
        assert_eq!(
            uri,
            "otpauth://totp/id.example:ann%2Fb%20%3F%C3%A4?secret=ABCD&issuer=id.example\
             &algorithm=SHA1&digits=6&period=30"
        );
        assert!(square(&uri).starts_with("<svg role=\"img\""));
        assert_eq!(square(&"x".repeat(10_000)), "");
    }
}
