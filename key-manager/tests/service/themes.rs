//! Do pages look and speak as the operator wishes, and stay as closed as before?

use std::path::Path;

use key_manager::endpoint::{Theme, ThemeError};

use crate::browser::{Browser, step, wish};
use crate::databases::Scratch;
use crate::stand::{BEGIN, Stand, config};

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("written");
    }
}

const TEXTS: &str = r#"
language = "de"
logo = "Die <Firma>"
[texts]
"Log in" = "Anmelden"
"Name" = "Benutzername"
"to go on to" = "weiter zu"
"Password" = "Kennwort <b>"
"#;

#[tokio::test]
async fn a_folder_gives_pages_a_style_a_logo_and_a_language() {
    let scratch = Scratch::sqlite();
    let folder = scratch.folder.path().join("theme");
    std::fs::create_dir(&folder).expect("a folder");
    let logo = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let style = "body{background:#eee}";
    write(&folder, &[("theme.css", style), ("logo.svg", logo), ("texts.toml", TEXTS)]);
    let mut config = config();
    config.pages.theme.clone_from(&folder);
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    stand.person().await;
    let app = stand.app().await;
    let mut browser = Browser::new(&stand);
    let login = browser.authorize(&wish(&app, &[])).await;
    let body = String::from_utf8_lossy(login.body()).into_owned();
    for shown in [
        "<html lang=\"de\">",
        "<title>Anmelden</title>",
        "<h1>Anmelden</h1><p>weiter zu <strong>orders &lt;app&gt;</strong>",
        "<label for=\"name\">Benutzername</label>",
        "<label for=\"password\">Kennwort &lt;b&gt;</label>",
        "<button type=\"submit\">Anmelden</button>",
        "alt=\"Die &lt;Firma&gt;\" src=\"data:image/svg+xml;base64,",
    ] {
        assert!(body.contains(shown), "{shown} is not in {body}");
    }
    assert!(!body.contains("<script"), "an image is an image");
    // The policy names the style that is sent, and images of the page only.
    let sent = body.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next());
    let sent = sent.expect("a style");
    assert!(sent.ends_with(style));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, sent.as_bytes());
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
    let policy = login.headers()["content-security-policy"].to_str().expect("text");
    let expected = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; form-action 'self' \
         https://app.example; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(policy, expected);
    // What is not in the list stays, and the pages work.
    let consent = browser.log_in(&login, "ann", crate::browser::PASSWORD).await;
    assert_eq!(step(&consent), "consent");
    assert_eq!(step(&browser.decide(&consent, "allow").await), "code");
}

#[test]
fn a_folder_that_would_open_the_pages_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |files: &[(&str, &str)]| {
        let own = tempfile::tempdir_in(folder.path()).expect("a folder");
        write(own.path(), files);
        match Theme::open(own.path()) {
            Ok(_) => "ok",
            Err(ThemeError::Style) => "style",
            Err(ThemeError::Texts(_)) => "texts",
            Err(ThemeError::Language) => "language",
            Err(ThemeError::TooLarge(_)) => "large",
            Err(ThemeError::File { .. }) => "file",
        }
    };
    let large = "a".repeat(128 * 1024 + 1);
    for (files, expected) in [
        (vec![], "ok"),
        (vec![("theme.css", "b{}</style><script>")], "style"),
        (vec![("theme.css", &*large)], "large"),
        (vec![("logo.png", &*large)], "large"),
        (vec![("texts.toml", "language = 5")], "texts"),
        (vec![("texts.toml", "language = \"de\"\ntext = {}")], "texts"),
        (vec![("texts.toml", "language = \"de\\\" onload=\\\"x\"")], "language"),
        (vec![("texts.toml", "language = \"pt-BR\"")], "ok"),
    ] {
        assert_eq!(said(&files), expected, "{files:?}");
    }
    assert!(Theme::open(&folder.path().join("nowhere")).is_err());
}
