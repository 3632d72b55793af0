//! Tokens as an attacker writes them, byte by byte.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jose::SigningKey;
use serde_json::{Value, json};

/// An issuer whose key we have.
pub(crate) struct Signer {
    pub(crate) iss: String,
    pub(crate) key: SigningKey,
    pub(crate) now: i64,
}

impl Signer {
    pub(crate) fn header(&self) -> Value {
        let algorithm = self.key.algorithm().name();
        json!({ "alg": algorithm, "kid": self.key.kid(), "typ": "at+jwt" })
    }

    pub(crate) fn claims(&self) -> Value {
        let jti = chassis::random::token(16);
        json!({
            "iss": self.iss, "sub": "ann", "client_id": "live", "aud": "any", "jti": jti,
            "iat": self.now, "exp": self.now + 600,
        })
    }

    /// The right key over what was changed so; `null` leaves a member out.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        let header = changed(self.header(), header).to_string();
        self.written(header, changed(self.claims(), claims).to_string())
    }

    pub(crate) fn good(&self) -> String {
        self.signed(&json!({}), &json!({}))
    }

    /// The right key over two texts, which need not be JSON.
    pub(crate) fn written(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.raw(&b64(header), &b64(payload))
    }

    /// The same of parts that were encoded already, in whichever way.
    pub(crate) fn raw(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let signature = self.key.signature(message.as_bytes()).unwrap();
        format!("{message}.{}", b64(signature))
    }

    /// Made with `secret`, under a header that was changed so.
    pub(crate) fn shared(&self, header: &Value, secret: &[u8]) -> String {
        let header = changed(self.header(), header);
        let algorithm = match header["alg"].as_str() {
            Some("HS384") => hmac::HMAC_SHA384,
            Some("HS512") => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let message = format!("{}.{}", b64(header.to_string()), b64(self.claims().to_string()));
        let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
        format!("{message}.{}", b64(tag))
    }
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// With `changes`; `null` takes a member away.
pub(crate) fn changed(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    value
}

/// Without so many characters at the end.
pub(crate) fn cut(text: &str, count: usize) -> &str {
    text.get(..text.len() - count).unwrap()
}

/// The two first parts with another third one.
pub(crate) fn with_signature(token: &str, signature: &[u8]) -> String {
    let (message, _) = token.rsplit_once('.').unwrap();
    format!("{message}.{}", b64(signature))
}

pub(crate) fn signature(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap()
}

/// The texts in which a public key may be found, each of which a careless verifier could take for a
/// secret.
pub(crate) fn spellings(key: &SigningKey) -> Vec<(&'static str, Vec<u8>)> {
    let jwk = key.public_jwk();
    let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| URL_SAFE_NO_PAD.decode(member(name)).unwrap();
    let (public, info) = match member("kty").as_str() {
        "RSA" => {
            let numbers = [der_number(&number("n")), der_number(&number("e"))].concat();
            let public = der(0x30, &numbers);
            let info = subject_info(&hex("300d06092a864886f70d0101010500"), &public);
            (public, info)
        }
        "EC" => {
            let point = [vec![4], number("x"), number("y")].concat();
            let curve = hex("301306072a8648ce3d020106082a8648ce3d030107");
            let info = subject_info(&curve, &point);
            (point, info)
        }
        _ => (number("x"), subject_info(&hex("300506032b6570"), &number("x"))),
    };
    let public_pem = pem("RSA PUBLIC KEY", &public);
    let info_pem = pem("PUBLIC KEY", &info);
    let mut all = vec![
        ("PEM of the key info", info_pem.clone().into_bytes()),
        ("the same with a line end", format!("{info_pem}\n").into_bytes()),
        ("the same with CRLF", info_pem.replace('\n', "\r\n").into_bytes()),
        ("the same in one line", info_pem.replace('\n', "").into_bytes()),
        ("PEM of the key", public_pem.clone().into_bytes()),
        ("the same with a line end", format!("{public_pem}\n").into_bytes()),
        ("DER of the key info", info.clone()),
        ("DER of the key", public.clone()),
        ("base64 of the key info", STANDARD.encode(&info).into_bytes()),
        ("base64 of the key", STANDARD.encode(&public).into_bytes()),
        ("JWK", jwk.to_string().into_bytes()),
        ("JWK with a line end", format!("{jwk}\n").into_bytes()),
        ("JWK over lines", serde_json::to_string_pretty(&jwk).unwrap().into_bytes()),
        ("JWK Set", json!({ "keys": [jwk] }).to_string().into_bytes()),
        ("kid", key.kid().as_bytes().to_vec()),
        ("nothing", Vec::new()),
        ("a zero", vec![0]),
        ("32 zeros", vec![0; 32]),
        ("null", b"null".to_vec()),
        ("secret", b"secret".to_vec()),
    ];
    for name in ["n", "e", "x", "y", "kty", "crv", "alg", "use"] {
        let text = member(name);
        if text.is_empty() {
            continue;
        }
        if ["n", "e", "x", "y"].contains(&name) {
            all.push((name, number(name)));
        }
        all.push((name, text.into_bytes()));
    }
    all
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match length {
        [0, short] if short < 0x80 => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

fn der_number(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|top| *top >= 0x80) { &[0] } else { &[] };
    der(2, &[sign, bytes].concat())
}

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1).
fn subject_info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = der(3, &[&[0], key].concat());
    der(0x30, &[algorithm.to_vec(), bits].concat())
}

fn pem(name: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {name}-----\n{}\n-----END {name}-----", lines.join("\n"))
}
