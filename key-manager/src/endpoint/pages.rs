//! What does a person see? (KM-021)
//!
//! Plain pages that work without scripts, without anything from elsewhere, and never in a frame. Every text
//! that somebody else wrote is escaped.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY, REFRESH, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::choice::Choice;
use super::sign_up::Trouble;
use super::{Refusal, Reply, passkey_pages};

/// A page on its way to `Theme::dress`, which makes its head, its style and its policy.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) title: &'static str,
    pub(super) body: String,
    /// Where a form of it may lead besides our own pages.
    pub(super) redirect: Option<String>,
    /// Source expressions of further addresses, each with a space before it.
    pub(super) further: String,
    /// The source expression of a script that may run; `None`: none may.
    pub(super) script: Option<&'static str>,
    /// What it loads beside itself: addresses of clients.
    pub(super) frames: Vec<String>,
}

/// Sends a form that needs nobody. Without scripts one presses its button.
const SEND: &str = "document.forms[0].submit()";
const SEND_HASH: &str = "'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='";

/// How long a browser may load what clients want to hear of a logout by, in seconds.
const FRAME_SECONDS: u32 = 2;

/// Asks who somebody is.
pub(super) struct LoginPage<'p> {
    /// The client's name.
    pub(super) client: &'p str,
    /// Where the form goes.
    pub(super) action: &'p str,
    /// The sealed request, which is the synchroniser too.
    pub(super) request: &'p str,
    /// Where the answer leads in the end.
    pub(super) redirect: &'p str,
    /// The name that was typed before.
    pub(super) name: &'p str,
    /// Whether that was wrong.
    pub(super) wrong: bool,
    /// Where one makes an account; `None`: not here.
    pub(super) sign_up: Option<&'p str>,
    /// The form of passkeys; `None`: there are none.
    pub(super) passkey: Option<&'p str>,
    /// Where the buttons of `providers` go.
    pub(super) elsewhere: &'p str,
    /// Where one has an account besides.
    pub(super) providers: &'p [Choice],
}

/// Asks for a name and a password of a new account.
pub(super) struct SignUpPage<'p> {
    pub(super) client: &'p str,
    pub(super) action: &'p str,
    pub(super) request: &'p str,
    pub(super) redirect: &'p str,
    /// The name that was typed before.
    pub(super) name: &'p str,
    /// Why that did not do.
    pub(super) trouble: Option<Trouble>,
}

/// Asks whether a client may have what it wants.
pub(super) struct ConsentPage<'p> {
    pub(super) client: &'p str,
    pub(super) user: &'p str,
    pub(super) action: &'p str,
    pub(super) request: &'p str,
    pub(super) redirect: &'p str,
    /// Items of a list, as HTML.
    pub(super) wanted: &'p str,
    /// Authorization details.
    pub(super) details: &'p [Value],
}

pub(super) fn login(page: &LoginPage<'_>) -> Reply {
    let wrong = if page.wrong {
        "<p class=\"wrong\" role=\"alert\">Name or password is wrong, or there were too many attempts. Try again later.</p>"
    } else {
        ""
    };
    let body = format!(
        "<h1>Log in</h1><p>to go on to <strong>{client}</strong></p>{wrong}\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <label for=\"name\">Name</label>\
         <input id=\"name\" name=\"name\" value=\"{name}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\" required>\
         <label for=\"password\">Password</label>\
         <input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required>\
         <button type=\"submit\">Log in</button></form>{passkey}{sign_up}{elsewhere}{script}",
        passkey = page.passkey.unwrap_or_default(),
        script = page.passkey.map(|_| passkey_pages::script()).unwrap_or_default(),
        elsewhere =
            page.providers.iter().map(|one| elsewhere_button(page, one)).collect::<String>(),
        sign_up =
            page.sign_up.map(|action| create_button(action, page.request)).unwrap_or_default(),
        client = escape(page.client),
        action = escape(page.action),
        request = escape(page.request),
        name = escape(page.name),
    );
    let script = page.passkey.map(|_| passkey_pages::SCRIPT_HASH);
    let mut reply = scripted(StatusCode::OK, "Log in", &body, Some(page.redirect), script);
    if let Some(content) = reply.extensions_mut().get_mut::<Content>() {
        content.further = page.providers.iter().filter_map(|one| origin(&one.address)).collect();
    }
    reply
}

fn elsewhere_button(page: &LoginPage<'_>, choice: &Choice) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <input type=\"hidden\" name=\"provider\" value=\"{name}\">\
         <button type=\"submit\" class=\"other\">Log in with {title}</button></form>",
        action = escape(page.elsewhere),
        request = escape(page.request),
        name = escape(&choice.name),
        title = escape(&choice.title),
    )
}

fn create_button(action: &str, request: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <button type=\"submit\" class=\"other\">Create an account</button></form>",
        action = escape(action),
        request = escape(request),
    )
}

pub(super) fn sign_up(page: &SignUpPage<'_>) -> Reply {
    // Each error is tied to its field.
    let (field, text) = match page.trouble {
        None => ("", ""),
        Some(Trouble::Name) => ("name", "A name has 1 to 256 bytes and no spaces."),
        Some(Trouble::Taken) => ("name", "This name is taken."),
        Some(Trouble::Password) => ("password", "A password has 8 to 1024 bytes."),
        Some(Trouble::Repeated) => ("again", "The passwords differ."),
        Some(Trouble::TooMany) => ("name", "There are too many new accounts. Try again later."),
    };
    let note = match text {
        "" => String::new(),
        text => format!("<p class=\"wrong\" role=\"alert\" id=\"wrong\">{text}</p>"),
    };
    let tie = |name: &str| {
        let tied = !field.is_empty() && name == field;
        if tied { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" }
    };
    let body = format!(
        "<h1>Create an account</h1><p>to go on to <strong>{client}</strong></p>{note}\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <label for=\"name\">Name</label>\
         <input id=\"name\" name=\"name\" value=\"{name}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\" required{on_name}>\
         <label for=\"password\">Password, at least 8 characters</label>\
         <input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"new-password\" required{on_password}>\
         <label for=\"again\">Password again</label>\
         <input id=\"again\" name=\"again\" type=\"password\" \
         autocomplete=\"new-password\" required{on_again}>\
         <button type=\"submit\">Create</button></form>",
        client = escape(page.client),
        action = escape(page.action),
        request = escape(page.request),
        name = escape(page.name),
        on_name = tie("name"),
        on_password = tie("password"),
        on_again = tie("again"),
    );
    render(StatusCode::OK, "Create an account", &body, Some(page.redirect))
}

/// Says that somebody has to let a person in.
pub(super) fn waiting(name: &str) -> Reply {
    let body = format!(
        "<h1>Your account is waiting</h1><p>Somebody has to approve <strong>{}</strong>. Then you \
         can log in.</p>",
        escape(name)
    );
    render(StatusCode::OK, "Your account is waiting", &body, None)
}

pub(super) fn consent(page: &ConsentPage<'_>) -> Reply {
    let details: Vec<String> = page.details.iter().map(detail).collect();
    let details = details.concat();
    let body = format!(
        "<h1>Allow access?</h1><p><strong>{client}</strong> asks for access in the name of \
         <strong>{user}</strong>:</p><ul>{wanted}</ul>{details}\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <button type=\"submit\" name=\"answer\" value=\"allow\">Allow</button>\
         <button type=\"submit\" name=\"answer\" value=\"deny\" class=\"other\">Deny</button></form>",
        client = escape(page.client),
        user = escape(page.user),
        wanted = page.wanted,
        action = escape(page.action),
        request = escape(page.request),
    );
    render(StatusCode::OK, "Allow access?", &body, Some(page.redirect))
}

/// One of the authorization details, all of it: a person agrees to what they have seen.
fn detail(detail: &Value) -> String {
    let parts = detail.as_object().into_iter().flatten();
    let parts: Vec<String> = parts
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value))
        })
        .collect();
    format!("<dl>{}</dl>", parts.concat())
}

/// Asks whether somebody wants to log out.
pub(super) fn log_out(user: &str, action: &str, request: &str, to: &str) -> Reply {
    let body = format!(
        "<h1>Log out?</h1><p>You are logged in as <strong>{user}</strong>. Everything that \
         applications got with this login ends too.</p>\
         <form method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"request\" value=\"{request}\">\
         <button type=\"submit\" name=\"answer\" value=\"yes\">Log out</button></form>",
        user = escape(user),
        action = escape(action),
        request = escape(request),
    );
    render(StatusCode::OK, "Log out?", &body, Some(to))
}

pub(super) fn logged_out() -> Reply {
    let body = "<h1>You are logged out</h1><p>You can close this page.</p>";
    render(StatusCode::OK, "You are logged out", body, None)
}

/// Lets the browser load what clients want to hear of a logout by, and leads on afterwards.
pub(super) fn leaving(frames: Vec<String>, to: &str) -> Reply {
    let loaded: Vec<String> = frames
        .iter()
        .map(|uri| format!("<iframe hidden title=\"logout\" src=\"{}\"></iframe>", escape(uri)))
        .collect();
    let on = if to.is_empty() {
        "<p>You can close this page.</p>".to_owned()
    } else {
        format!("<p><a href=\"{}\">Go on to the application</a></p>", escape(to))
    };
    let body = format!("<h1>You are logged out</h1>{on}{}", loaded.concat());
    let mut reply = render(StatusCode::OK, "You are logged out", &body, None);
    if let Some(content) = reply.extensions_mut().get_mut::<Content>() {
        content.frames = frames;
    }
    // Browsers know the field, and no script is needed.
    if let Ok(value) = HeaderValue::from_str(&format!("{FRAME_SECONDS}; url={to}"))
        && !to.is_empty()
    {
        reply.headers_mut().insert(REFRESH, value);
    }
    reply
}

/// Hands `pairs` to the client in a form that its browser posts (Form Post Response Mode).
pub(super) fn post_back(redirect: &str, pairs: &[(&str, &str)]) -> Reply {
    let fields: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            let (name, value) = (escape(name), escape(value));
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
        })
        .collect();
    let body = format!(
        "<h1>Go on</h1><form method=\"post\" action=\"{action}\">{fields}\
         <button type=\"submit\">Go on to the application</button></form>\
         <script>{SEND}</script>",
        action = escape(redirect),
        fields = fields.concat(),
    );
    scripted(StatusCode::OK, "Go on", &body, Some(redirect), Some(SEND_HASH))
}

/// For what cannot be told the client, because nobody knows where it is (RFC 6749 section
/// 4.1.2.1).
pub(super) fn refusal(refusal: &Refusal) -> Reply {
    let body = format!(
        "<h1>This does not work</h1><p role=\"alert\">{}</p>\
         <p>Go back to the application and try again.</p>",
        escape(&refusal.to_string())
    );
    let mut reply = render(refusal.code().0, "This does not work", &body, None);
    match refusal {
        Refusal::Method(allowed) => {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Refusal::Unavailable(_) => {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    reply
}

pub(super) fn render(
    status: StatusCode,
    title: &'static str,
    body: &str,
    redirect: Option<&str>,
) -> Reply {
    scripted(status, title, body, redirect, None)
}

/// `script` is the source expression of one that may run.
pub(super) fn scripted(
    status: StatusCode,
    title: &'static str,
    body: &str,
    redirect: Option<&str>,
    script: Option<&'static str>,
) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let (body, redirect) = (body.to_owned(), redirect.map(str::to_owned));
    reply.extensions_mut().insert(Content {
        title,
        body,
        redirect,
        further: String::new(),
        script,
        frames: Vec::new(),
    });
    reply
}

/// The source expression of an address, with a space before it.
pub(super) fn origin(redirect: &str) -> Option<String> {
    let url = Url::parse(redirect).ok()?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(host)) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!(" {}://{host}{port}", url.scheme()))
        }
        (own, _) => Some(format!(" {own}:")),
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Marks that turn the direction of writing would let one name look like another.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_SECURITY_POLICY;

    use super::*;
    use crate::endpoint::Theme;
    use aws_lc_rs::digest;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn the_policy_names_the_script_that_is_sent() {
        let hash = digest::digest(&digest::SHA256, SEND.as_bytes());
        assert_eq!(SEND_HASH, format!("'sha256-{}'", STANDARD.encode(hash)));
    }

    #[track_caller]
    fn check(text: &str, escaped: &str) {
        assert_eq!(escape(text), escaped);
    }

    #[test]
    fn what_others_wrote_stays_text() {
        check("<script>\"'&", "&lt;script&gt;&quot;&#39;&amp;");
        check("bank\u{202e}live", "bank\u{fffd}live");
    }

    #[test]
    fn a_form_may_lead_to_the_client_only() {
        let policy = |redirect| {
            let page = LoginPage {
                client: "c",
                action: "/oauth2/login",
                request: "r",
                redirect,
                name: "",
                wrong: false,
                sign_up: None,
                passkey: None,
                elsewhere: "/oauth2/federation",
                providers: &[Choice {
                    name: "corp".to_owned(),
                    title: "<Corp>".to_owned(),
                    address: "https://sso.example/authorize".to_owned(),
                }],
            };
            let mut reply = login(&page);
            Theme::default().dress(&mut reply);
            reply.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned()
        };
        let web = policy("https://app.example:8443/cb?a=b");
        assert!(
            web.contains("form-action 'self' https://app.example:8443 https://sso.example; frame"),
            "{web}"
        );
        assert!(
            policy("com.example:/cb")
                .contains("form-action 'self' com.example: https://sso.example; frame")
        );
    }
}
