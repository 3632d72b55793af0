//! An authenticator of a test's own: makes passkeys and signs with them, and does wrong where it is told.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use key_manager::endpoint::Reply;
use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = "https://id.example:9453";

/// One passkey, and how it behaves.
pub(crate) struct Passkey {
    pub(crate) pair: Arc<EcdsaKeyPair>,
    pub(crate) id: Vec<u8>,
    /// The handle of its person, which it remembers from when it was made.
    pub(crate) user: String,
    pub(crate) counter: u32,
    /// Whether it knows its person.
    pub(crate) verifies: bool,
    pub(crate) synced: bool,
    pub(crate) origin: String,
}

/// What a page asks of the browser.
pub(crate) fn options(page: &Reply) -> Value {
    let body = String::from_utf8_lossy(page.body()).into_owned();
    let rest = body.split("data-passkey=\"").nth(1).unwrap_or_else(|| panic!("none in {body}"));
    let text = rest.split('"').next().expect("an end").replace("&quot;", "\"");
    serde_json::from_str(&text).expect("JSON")
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Passkey {
    pub(crate) fn new() -> Self {
        Self {
            pair: Arc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key")),
            id: chassis::random::bytes::<32>().to_vec(),
            user: String::new(),
            counter: 1,
            verifies: true,
            synced: false,
            origin: ORIGIN.to_owned(),
        }
    }

    /// A copy of it, of which its person knows nothing.
    pub(crate) fn twin(&self) -> Self {
        Self {
            pair: Arc::clone(&self.pair),
            id: self.id.clone(),
            user: self.user.clone(),
            origin: self.origin.clone(),
            ..*self
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({
            "type": format!("webauthn.{kind}"),
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        })
        .to_string()
        .into_bytes()
    }

    fn data(&self, site: &str, made: bool) -> Vec<u8> {
        let flags = 0x01
            | if self.verifies { 0x04 } else { 0 }
            | if self.synced { 0x18 } else { 0 }
            | if made { 0x40 } else { 0 };
        let mut data = digest(&SHA256, site.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The answer to `navigator.credentials.create`, as the script of the page writes it.
    pub(crate) fn create(&mut self, options: &Value) -> String {
        assert_eq!(options["attestation"], "none");
        assert_eq!(options["pubKeyCredParams"][0]["alg"], -7);
        self.user = options["user"]["id"].as_str().expect("a handle").to_owned();
        let mut data = self.data(options["rp"]["id"].as_str().expect("a site"), true);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        data.extend(&self.id);
        let point = self.pair.public_key().as_ref();
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).expect("short"));
        object.extend(data);
        let client = text(self.client_data("create", options));
        json!({ "id": text(&self.id), "client": client, "object": text(object) }).to_string()
    }

    /// The answer to `navigator.credentials.get`.
    pub(crate) fn get(&mut self, options: &Value) -> String {
        if self.counter > 0 {
            self.counter += 1;
        }
        self.get_again(options)
    }

    /// The same without counting.
    pub(crate) fn get_again(&self, options: &Value) -> String {
        let client = self.client_data("get", options);
        let data = self.data(options["rpId"].as_str().expect("a site"), false);
        let message = [data.as_slice(), digest(&SHA256, &client).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &message).expect("a signature");
        json!({
            "id": text(&self.id),
            "client": text(&client),
            "data": text(&data),
            "signature": text(signature.as_ref()),
            "user": self.user,
        })
        .to_string()
    }
}
