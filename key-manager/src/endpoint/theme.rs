//! How do the pages look, and in which language do they speak?
//!
//! A page leaves as its content and is dressed on its way out: with the built-in style, and where
//! the operator has a folder for it, with their style behind it, their logo and their words. Nothing
//! in the folder can make a page load something, run something, or show what somebody wrote as
//! anything but text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

use super::Reply;
use super::pages::{Content, escape, origin};

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}label{display:block;margin-top:1rem}input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #595959}button{font:inherit;margin:1.5rem .5rem 0 0;padding:.5rem 1.5rem;border:1px solid #0b4f8a;background:#0b4f8a;color:#fff}button.other{background:#fff;color:#0b4f8a}:focus-visible{outline:3px solid #c25700;outline-offset:2px}.wrong{border-left:4px solid #b00020;padding-left:.75rem}.done{border-left:4px solid #1b6e2f;padding-left:.75rem}code{font-size:1.1em}li{margin:.75rem 0;overflow-wrap:anywhere}.logo{display:block;max-width:100%;max-height:6rem}";

/// The largest file of the folder.
const LARGEST: u64 = 128 * 1024;

/// What pages wear.
#[derive(Clone, Debug)]
pub struct Theme {
    style: String,
    /// The source expression of the style.
    hash: String,
    /// A `data:` address.
    logo: Option<String>,
    words: Words,
}

/// `texts.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    /// BCP 47.
    language: String,
    /// What stands behind the logo for those who do not see it.
    #[serde(default)]
    logo: String,
    /// The English text, and what is said instead.
    #[serde(default)]
    texts: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is larger than {LARGEST} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("theme.css holds `<`, which would end the style")]
    Style,
    #[error("texts.toml is not as it should be")]
    Texts(#[from] toml::de::Error),
    #[error("`language` in texts.toml is a language tag like `de` or `pt-BR`")]
    Language,
}

impl Default for Theme {
    fn default() -> Self {
        let words =
            Words { language: "en".to_owned(), logo: String::new(), texts: BTreeMap::new() };
        Self::new(STYLE.to_owned(), None, words)
    }
}

impl Theme {
    /// Reads a folder; an empty path: there is none. What is not in it stays as it is.
    pub fn open(folder: &Path) -> Result<Self, ThemeError> {
        let mut theme = Self::default();
        if folder.as_os_str().is_empty() {
            return Ok(theme);
        }
        // A folder that is not there is a mistake, and not an empty one.
        fs::read_dir(folder).map_err(|source| ThemeError::File { path: folder.into(), source })?;
        if let Some(texts) = read(&folder.join("texts.toml"))? {
            theme.words = toml::from_str(&String::from_utf8_lossy(&texts))?;
            let tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let language = &theme.words.language;
            if language.is_empty() || language.len() > 35 || !language.bytes().all(tag) {
                return Err(ThemeError::Language);
            }
        }
        let mut style = STYLE.to_owned();
        if let Some(own) = read(&folder.join("theme.css"))? {
            let own = String::from_utf8_lossy(&own).into_owned();
            if own.contains('<') {
                return Err(ThemeError::Style);
            }
            style.push_str(&own);
        }
        let mut logo = None;
        for (name, kind) in [("logo.svg", "image/svg+xml"), ("logo.png", "image/png")] {
            if let (None, Some(image)) = (&logo, read(&folder.join(name))?) {
                logo = Some(format!("data:{kind};base64,{}", STANDARD.encode(image)));
            }
        }
        Ok(Self::new(style, logo, theme.words))
    }

    fn new(style: String, logo: Option<String>, words: Words) -> Self {
        let digest = digest::digest(&digest::SHA256, style.as_bytes());
        let hash = format!("'sha256-{}'", STANDARD.encode(digest));
        Self { style, hash, logo, words }
    }

    /// Dresses a page; what is no page stays as it is.
    pub(super) fn dress(&self, reply: &mut Reply) {
        let Some(Content { title, body, redirect, further, script, frames }) =
            reply.extensions_mut().remove()
        else {
            return;
        };
        let logo = self.logo.as_ref().map(|logo| {
            let seen = escape(&self.words.logo);
            format!("<img class=\"logo\" alt=\"{seen}\" src=\"{logo}\">")
        });
        let page = format!(
            "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title}</title><style>{style}</style></head>\
             <body><main>{logo}{body}</main></body></html>",
            language = self.words.language,
            title = self.said(title),
            style = self.style,
            logo = logo.unwrap_or_default(),
            body = self.spoken(&body),
        );
        // Browsers hold the address that a form's answer redirects to against `form-action` too.
        let target = redirect.as_deref().and_then(origin).unwrap_or_default();
        let images = if self.logo.is_some() { "img-src data:; " } else { "" };
        let scripts = script.map(|script| format!("script-src {script}; ")).unwrap_or_default();
        let frames: String = frames.iter().filter_map(|uri| origin(uri)).collect();
        let frames = if frames.is_empty() { frames } else { format!("frame-src{frames}; ") };
        let policy = format!(
            "default-src 'none'; style-src {}; {scripts}{images}{frames}form-action 'self'{target}{further}; \
             frame-ancestors 'none'; base-uri 'none'",
            self.hash
        );
        // A page without its policy is not sent: the address was checked when it was registered.
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            *reply.body_mut() = Bytes::from(page);
        } else {
            *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
    }

    /// What is said instead of an English text.
    fn said(&self, text: &str) -> String {
        self.words.texts.get(text).map_or_else(|| text.to_owned(), |said| escape(said))
    }

    /// A page in the words of the folder: each text between two tags is looked up as a whole.
    fn spoken(&self, body: &str) -> String {
        if self.words.texts.is_empty() {
            return body.to_owned();
        }
        let mut spoken = String::with_capacity(body.len());
        for part in body.split_inclusive('>') {
            let (text, tag) = part.split_at(part.find('<').unwrap_or(part.len()));
            let (start, end) = (text.trim_start(), text.trim_end());
            let before = text.len().saturating_sub(start.len());
            let after = text.len().saturating_sub(end.len());
            let blank = |length: usize| if length > 0 { " " } else { "" };
            if text.trim().is_empty() {
                spoken.push_str(text);
            } else {
                spoken.push_str(blank(before));
                spoken.push_str(&self.said(text.trim()));
                spoken.push_str(blank(after));
            }
            spoken.push_str(tag);
        }
        spoken
    }
}

/// `None`: there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ThemeError> {
    let failed = |source| ThemeError::File { path: path.into(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LARGEST => Err(ThemeError::TooLarge(path.into())),
        Ok(_) => fs::read(path).map(Some).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(source)),
    }
}
