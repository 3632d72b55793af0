//! Is the word of a server that speaks SAML taken as far as it is signed, and no further? (RFC 7522,
//! KM-040)
//!
//! The assertions are written as canonical XML has them, so that the test signs texts and asks nobody
//! how; one in `saml/` was signed by signxml, an implementation of others.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use key_manager::config::SamlConfig;
use key_manager::registration::{Application, Registered};
use serde_json::json;

use crate::browser::{Browser, CALLBACK, encode, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Stand, config, json as body, part, said, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";
const IDP: &str = "https://idp.example/saml";
const MINTED: &str = include_str!("saml/minted.xml");

/// A good assertion about Ann in canonical form, with `{SIGNATURE}` where that goes.
const GOOD: &str = concat!(
    "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_1\" ",
    "IssueInstant=\"2026-01-01T00:00:00Z\" Version=\"2.0\">",
    "<saml:Issuer>https://idp.example/saml</saml:Issuer>{SIGNATURE}",
    "<saml:Subject><saml:NameID>ann</saml:NameID>",
    "<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">",
    "<saml:SubjectConfirmationData NotOnOrAfter=\"2026-01-01T00:04:00Z\" ",
    "Recipient=\"https://127.0.0.1:9453/oauth2/token\"></saml:SubjectConfirmationData>",
    "</saml:SubjectConfirmation></saml:Subject>",
    "<saml:Conditions NotBefore=\"2026-01-01T00:00:00Z\" NotOnOrAfter=\"2026-01-01T00:05:00Z\">",
    "<saml:AudienceRestriction><saml:Audience>https://127.0.0.1:9453/oauth2</saml:Audience>",
    "</saml:AudienceRestriction></saml:Conditions></saml:Assertion>",
);

const INFO: &str = concat!(
    "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">",
    "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">",
    "</ds:CanonicalizationMethod><ds:SignatureMethod ",
    "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"></ds:SignatureMethod>",
    "<ds:Reference URI=\"#_1\"><ds:Transforms><ds:Transform ",
    "Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>",
    "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform>",
    "</ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\">",
    "</ds:DigestMethod><ds:DigestValue>{DIGEST}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
);

struct Idp {
    key: EcdsaKeyPair,
    pem: String,
}

impl Idp {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["idp.example".to_owned()]);
        let made = made.expect("a certificate");
        let der = made.signing_key.serialize_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        Self { key: key.expect("a key"), pem: made.cert.pem() }
    }

    /// The signature over an assertion; `change` is made to what is signed.
    fn signature(&self, assertion: &str, change: (&str, &str)) -> String {
        let bare = assertion.replace("{SIGNATURE}", "");
        let digest = digest::digest(&digest::SHA256, bare.as_bytes());
        let info = INFO.replace("{DIGEST}", &STANDARD.encode(digest));
        assert!(info.contains(change.0), "{}", change.0);
        let info = info.replace(change.0, change.1);
        let value = self.key.sign(&SystemRandom::new(), info.as_bytes()).expect("signed");
        format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{info}\
             <ds:SignatureValue>{}</ds:SignatureValue></ds:Signature>",
            STANDARD.encode(value)
        )
    }

    /// An assertion with its signature, under another identifier.
    fn sign_as(&self, id: &str, assertion: &str) -> String {
        let renamed = assertion.replace("\"_1\"", &format!("\"{id}\""));
        let signature = self.signature(&renamed, ("#_1", &format!("#{id}")));
        renamed.replace("{SIGNATURE}", &signature)
    }

    /// An assertion with its signature.
    fn sign(&self, assertion: &str) -> String {
        assertion.replace("{SIGNATURE}", &self.signature(assertion, ("", "")))
    }
}

/// The good assertion with `changes` before it is signed.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

struct Word {
    stand: Stand,
    idp: Idp,
    other: Idp,
    client: Registered,
}

/// A key manager that takes the word of one server, of another one, and of none that is switched off.
async fn word(scratch: &Scratch, first_party: bool) -> Word {
    let (idp, other) = (Idp::new(), Idp::new());
    let folder = scratch.folder.path();
    // Two certificates: one of them is about to be replaced.
    let both = format!("{}{}", include_str!("saml/idp.pem"), idp.pem);
    std::fs::write(folder.join("idp.pem"), both).expect("a file");
    std::fs::write(folder.join("other.pem"), &other.pem).expect("a file");
    let trusted = |issuer: &str, file: &str, subject: &str, enabled| SamlConfig {
        issuer: issuer.to_owned(),
        certificates: folder.join(file),
        subject: subject.to_owned(),
        longest: 300,
        enabled,
    };
    let mut config = config();
    config.assertions.saml = vec![
        trusted(IDP, "idp.pem", "", true),
        trusted("https://other.example", "other.pem", "uid", true),
        trusted("https://off.example", "idp.pem", "", false),
    ];
    let stand = Stand::with(scratch, folder, BEGIN, config).await;
    let client = stand
        .register(Application {
            name: "reports".to_owned(),
            grant_types: vec![GRANT.to_owned(), "authorization_code".to_owned()],
            redirect_uris: vec![CALLBACK.to_owned()],
            scopes: ["openid", "a", "b"].map(str::to_owned).to_vec(),
            first_party,
            ..Application::default()
        })
        .await;
    Word { stand, idp, other, client }
}

impl Word {
    async fn ask(&self, xml: &str) -> key_manager::endpoint::Reply {
        self.send(&URL_SAFE_NO_PAD.encode(xml)).await
    }

    async fn send(&self, assertion: &str) -> key_manager::endpoint::Reply {
        let form = encode(&[("grant_type", GRANT), ("assertion", assertion)]);
        self.stand.post("/oauth2/token", &self.client, &form).await
    }

    async fn check(&self, what: &str, xml: &str, answer: &str) {
        assert_eq!(said(&self.ask(xml).await), answer, "{what}");
    }
}

#[tokio::test]
async fn a_person_is_spoken_for_in_saml_as_far_as_they_agreed() {
    each(async |scratch| {
        let word = word(&scratch, false).await;
        let ann = word.stand.person().await;
        let xml = word.idp.sign(GOOD);
        word.check("she has agreed to nothing yet", &xml, "400 invalid_grant").await;
        Browser::new(&word.stand).code(&wish(&word.client, &[("scope", "openid a")])).await;
        let reply = word.ask(&xml).await;
        assert_eq!(said(&reply), "200");
        let tokens = body(&reply);
        assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&json!("a"), None));
        assert_eq!(tokens.get("id_token"), None, "nobody logged in here");
        assert_eq!(part(&text(&tokens, "access_token"), 1)["sub"], ann.id.as_str());
        word.check("it is good once", &xml, "400 invalid_grant").await;

        word.check("another identifier", &xml.replace("_1", "_2"), "400 invalid_grant").await;
        word.check("another one", &word.idp.sign_as("_2", GOOD), "200").await;
        for _ in 0..=30 {
            word.stand.authority.lockout().failed_for(&ann.name).await.expect("counted");
        }
        let minted = URL_SAFE.encode(MINTED);
        assert_eq!(said(&word.send(&minted).await), "400 invalid_grant", "she is locked out");
        word.stand.pass(61);
        assert_eq!(said(&word.send(&minted).await), "200");
        let disabled = key_manager::accounts::disable(&word.stand.authority, &ann.id, true).await;
        disabled.expect("disabled");
        let third = word.idp.sign_as("_3", GOOD);
        word.check("she may not log in", &third, "400 invalid_grant").await;
    })
    .await;
}

#[tokio::test]
async fn what_others_signed_is_understood_as_they_meant_it() {
    let scratch = Scratch::sqlite();
    let word = word(&scratch, true).await;
    word.stand.person().await;
    let changes = [
        (">ann<", ">eve<"),
        ("> Ann <", "> eve <"),
        ("5 &gt; 4", "5 &gt; 3"),
        (" xsi:type=\"xs:string\"", ""),
        ("urn:other", "urn:others"),
    ];
    for (from, to) in changes {
        assert!(MINTED.contains(from));
        word.check(from, &MINTED.replacen(from, to, 1), "400 invalid_grant").await;
    }
    // The same in another spelling.
    let spelled = MINTED.replace("<OneTimeUse/>", "<OneTimeUse  ></OneTimeUse>");
    word.check("spelled", &spelled.replace("5 &gt; 4", "&#53; > 4"), "200").await;
    word.check("once", MINTED, "400 invalid_grant").await;

    // A prefix that only values have is signed where the signature says so, and is not where it does not.
    let schema = " xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" ID=";
    let assertion = changed(&[(" ID=", schema)]);
    let transform = "xml-exc-c14n#\"></ds:Transform>";
    let listed = "xml-exc-c14n#\"><ec:InclusiveNamespaces \
                  xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"xs\">\
                  </ec:InclusiveNamespaces></ds:Transform>";
    let unlisted = word.idp.signature(&assertion, (transform, transform));
    let unlisted = assertion.replace("{SIGNATURE}", &unlisted);
    word.check("not in the list", &unlisted, "400 invalid_grant").await;
    let without = word.idp.sign_as("_7", GOOD).replace(" ID=", schema);
    word.check("not signed, and not in the list", &without, "200").await;
    let listed = word.idp.signature(&assertion, (transform, listed));
    word.check("in the list", &assertion.replace("{SIGNATURE}", &listed), "200").await;
}

#[tokio::test]
async fn what_an_assertion_says_has_to_be_for_us_and_now() {
    let scratch = Scratch::sqlite();
    let word = word(&scratch, true).await;
    word.stand.person().await;
    let no = "400 invalid_grant";
    let (audience, recipient) =
        ("https://127.0.0.1:9453/oauth2<", "Recipient=\"https://127.0.0.1:9453/oauth2/token\"");
    let one_audience = "<saml:AudienceRestriction><saml:Audience>urn:x</saml:Audience>\
                        </saml:AudienceRestriction></saml:Conditions>";
    let table: Vec<(&str, &str, &str)> = vec![
        (audience, "https://127.0.0.1:9453/oauth2/token<", "200"),
        (audience, "https://127.0.0.1:9453/oauth2/<", no),
        (audience, "https://other<", no),
        ("</saml:Conditions>", one_audience, no),
        ("saml:AudienceRestriction", "saml:ProxyRestriction", no),
        ("saml:AudienceRestriction", "saml:Restriction", no),
        ("saml:Conditions", "saml:Advice", no),
        (recipient, "Recipient=\"https://other\"", no),
        (recipient, "Recipient=\"https://127.0.0.1:9453/oauth2/token/\"", no),
        (recipient, "Sender=\"x\"", no),
        ("NotOnOrAfter=\"2026-01-01T00:04:00Z\" R", "R", no),
        ("NotOnOrAfter=\"2026-01-01T00:04:00Z\" R", "NotOnOrAfter=\"2025-12-31T23:59:50Z\" R", no),
        // The conditions end sooner.
        (
            "NotOnOrAfter=\"2026-01-01T00:04:00Z\" R",
            "NotOnOrAfter=\"2026-01-01T00:05:01Z\" R",
            "200",
        ),
        (" NotOnOrAfter=\"2026-01-01T00:05:00Z\"", "", "200"),
        ("NotOnOrAfter=\"2026-01-01T00:05:00Z\"", "NotOnOrAfter=\"2025-12-31T23:59:50Z\"", no),
        ("NotOnOrAfter=\"2026-01-01T00:05:00Z\"", "NotOnOrAfter=\"soon\"", no),
        ("NotBefore=\"2026-01-01T00:00:00Z\"", "NotBefore=\"2026-01-01T00:00:11Z\"", no),
        ("cm:bearer", "cm:sender-vouches", no),
        ("Version=\"2.0\"", "Version=\"1.1\"", no),
        (">ann<", ">nobody<", no),
        (">ann<", "><", no),
        ("saml:NameID", "saml:EncryptedID", no),
        ("</saml:NameID>", "</saml:NameID><saml:NameID>ben</saml:NameID>", no),
        ("https://idp.example/saml<", "https://idp.example/saml/<", no),
        ("https://idp.example/saml<", "https://off.example<", no),
        ("https://idp.example/saml<", "https://other.example<", no),
    ];
    for (place, (from, to, answer)) in table.into_iter().enumerate() {
        let id = format!("_{}", place + 100);
        let xml = word.idp.sign_as(&id, &changed(&[(from, to)]));
        word.check(&format!("{from} -> {to}"), &xml, answer).await;
    }
    let late =
        changed(&[(" NotOnOrAfter=\"2026-01-01T00:05:00Z\"", ""), ("00:04:00Z", "00:05:01Z")]);
    word.check("it ends too late", &word.idp.sign(&late), no).await;
    // A key is good for its own issuer.
    word.check("the key of another", &word.other.sign(GOOD), no).await;
    let uid = "</saml:Conditions><saml:AttributeStatement><saml:Attribute Name=\"uid\">\
               <saml:AttributeValue>ann</saml:AttributeValue></saml:Attribute>\
               </saml:AttributeStatement>";
    let others = changed(&[("https://idp.example/saml<", "https://other.example<")]);
    word.check("no attribute", &word.other.sign(&others), no).await;
    let named = others.replace("</saml:Conditions>", uid);
    word.check("an attribute", &word.other.sign(&named), "200").await;
    let twice = named.replace(
        "</saml:AttributeValue>",
        "</saml:AttributeValue><saml:AttributeValue>ben</saml:AttributeValue>",
    );
    word.check("two values", &word.other.sign(&twice), no).await;
}

#[tokio::test]
async fn only_one_form_of_signature_is_taken() {
    let scratch = Scratch::sqlite();
    let word = word(&scratch, true).await;
    word.stand.person().await;
    let no = "400 invalid_grant";
    let table = [
        ("URI=\"#_1\"", "URI=\"\""),
        ("URI=\"#_1\"", "URI=\"#_2\""),
        ("URI=\"#_1\"", "URI=\"#xpointer(id('_1'))\""),
        (" URI=\"#_1\"", ""),
        ("xmlenc#sha256", "xmlenc#sha512"),
        ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
        ("ecdsa-sha256", "hmac-sha256"),
        ("ecdsa-sha256", "rsa-sha256"),
        ("ecdsa-sha256", "ecdsa-sha1"),
        (
            "xml-exc-c14n#\"></ds:Transform>",
            "xml-exc-c14n#\"></ds:Transform><ds:Transform \
             Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"></ds:Transform>",
        ),
        ("xmldsig#enveloped-signature", "xmldsig#base64"),
        (
            "xml-exc-c14n#\"></ds:CanonicalizationMethod>",
            "xml-exc-c14n#WithComments\"></ds:CanonicalizationMethod>",
        ),
        ("</ds:SignedInfo>", "<ds:Reference URI=\"#_9\"></ds:Reference></ds:SignedInfo>"),
    ];
    for (from, to) in table {
        let signature = word.idp.signature(GOOD, (from, to));
        word.check(to, &GOOD.replace("{SIGNATURE}", &signature), no).await;
    }
    let good = word.idp.sign(GOOD);
    let signature = word.idp.signature(GOOD, ("", ""));
    let value = good.split("SignatureValue>").nth(1).expect("a value").to_owned();
    for (what, xml) in [
        ("none", GOOD.replace("{SIGNATURE}", "")),
        ("two", GOOD.replace("{SIGNATURE}", &format!("{signature}{signature}"))),
        ("an empty one", good.replace(&value, "</ds:")),
        ("another name", good.replace(">ann<", ">eve<")),
        ("a comment in a name", good.replace(">ann<", ">ann<!-- .evil -->n<")),
        ("a comment", good.replace(">ann<", ">ann<!-- x --><")),
        ("an instruction", good.replace(">ann<", ">ann<?x y?><")),
        ("CDATA", good.replace(">ann<", "><![CDATA[ann]]><")),
        ("a document type", format!("<!DOCTYPE a [<!ENTITY e \"ann\">]>{good}")),
        ("no end", good.replace("</saml:Assertion>", "")),
        ("deep", format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(10))),
        ("text", "ann".to_owned()),
    ] {
        word.check(what, &xml, no).await;
    }
    for assertion in ["%%%", "", "PGE+"] {
        let reply = word.send(assertion).await;
        assert!(reply.status() == 400, "{assertion}");
    }
    word.check("the good one", &good, "200").await;
}

/// The eight shapes of "On Breaking SAML: Be Whoever You Want to Be" (2012), where the document is an
/// assertion: what is signed stands somewhere, and what is read would stand elsewhere.
#[tokio::test]
async fn what_is_signed_is_what_is_read_in_all_eight_wrapped_shapes() {
    let scratch = Scratch::sqlite();
    let word = word(&scratch, true).await;
    word.stand.person().await;
    key_manager::accounts::create(&word.stand.authority, "root", "correct horse battery", "")
        .await
        .expect("an account");
    let signature = word.idp.signature(GOOD, ("", ""));
    let (signed, bare) = (GOOD.replace("{SIGNATURE}", &signature), GOOD.replace("{SIGNATURE}", ""));
    // The same identifier, and another one.
    for id in ["_1", "_evil"] {
        let evil = GOOD.replace(">ann<", ">root<").replace("\"_1\"", &format!("\"{id}\""));
        let (with, without) =
            (evil.replace("{SIGNATURE}", &signature), evil.replace("{SIGNATURE}", ""));
        let in_object = |inner: &str| {
            signature.replace(
                "</ds:Signature>",
                &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"),
            )
        };
        let inside = |outer: &str, inner: &str| {
            outer.replace("</saml:Assertion>", &format!("{inner}</saml:Assertion>"))
        };
        let shapes = [
            ("1: the signed one in the signature", evil.replace("{SIGNATURE}", &in_object(&bare))),
            ("2: beside the signature", inside(&with, &bare)),
            ("3: a false one before it", format!("<r>{without}{signed}</r>")),
            ("4: inside a false one", inside(&without, &signed)),
            ("5: the signature moved, the signed one at the end", format!("<r>{with}{bare}</r>")),
            (
                "6: in the moved signature",
                inside(&evil.replace("{SIGNATURE}", &in_object(&bare)), ""),
            ),
            (
                "7: a false one in an extension",
                inside(&signed, &format!("<saml:Advice>{without}</saml:Advice>")),
            ),
            ("8: a false one in the signature", GOOD.replace("{SIGNATURE}", &in_object(&without))),
        ];
        for (shape, xml) in shapes {
            word.check(&format!("{shape} ({id})"), &xml, "400 invalid_grant").await;
        }
    }
    word.check("the signed one alone", &signed, "200").await;
}
