//! What kind of program has called?
//!
//! A `User-Agent` field is free text; what it mostly says is found by the words that browsers, robots
//! and HTTP libraries put into it. The lists are short on purpose: a word that stands for many
//! products beats a list of products that is old tomorrow. Nothing is looked at beyond the words.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::guard::lock;

/// Texts whose answer is remembered. They are cut before, so this is at most half a mebibyte.
const REMEMBERED: usize = 1024;
/// Characters of a product's name that are kept.
const LONGEST_NAME: usize = 64;

/// What is known of a client's program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// `desktop`, `phone`, `tablet`, `bot`, `program`, `other`; empty: nothing was said.
    pub device: &'static str,
    /// Name of the operating system; empty: unknown.
    pub operating_system: &'static str,
    /// Name of the browser, robot or library; empty: unknown.
    pub name: String,
}

/// Says what kind of program has called, and remembers some of its answers.
#[derive(Debug, Default)]
pub struct Agents {
    remembered: Mutex<HashMap<String, Arc<Agent>>>,
}

impl Agents {
    /// What a text says.
    pub fn agent(&self, text: &str) -> Arc<Agent> {
        let mut remembered = lock(&self.remembered);
        if let Some(agent) = remembered.get(text) {
            return Arc::clone(agent);
        }
        let agent = Arc::new(parse(text));
        // Whoever sends another text each time makes everybody's be read again, which costs a few
        // microseconds each; what is remembered does not grow.
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(text.to_owned(), Arc::clone(&agent));
        agent
    }
}

/// A word, as it stands in lower-case text, and what it means.
type Words = &'static [(&'static str, &'static str)];

/// The first that is there counts: the words of many stand in the texts of others.
const BROWSERS: Words = &[
    ("edg/", "Edge"),
    ("edga/", "Edge"),
    ("edgios/", "Edge"),
    ("edge/", "Edge"),
    ("opr/", "Opera"),
    ("opera", "Opera"),
    ("samsungbrowser/", "Samsung Internet"),
    ("yabrowser/", "Yandex Browser"),
    ("vivaldi/", "Vivaldi"),
    ("ucbrowser/", "UC Browser"),
    ("electron/", "Electron"),
    ("fxios/", "Firefox"),
    ("firefox/", "Firefox"),
    ("; wv)", "Android WebView"),
    ("crios/", "Chrome"),
    ("chrome/", "Chrome"),
    ("chromium/", "Chrome"),
    ("msie ", "Internet Explorer"),
    ("trident/", "Internet Explorer"),
    ("version/", "Safari"),
];

const SYSTEMS: Words = &[
    ("windows phone", "Windows Phone"),
    ("windows", "Windows"),
    ("iphone", "iOS"),
    ("ipad", "iOS"),
    ("ipod", "iOS"),
    ("android", "Android"),
    ("cros ", "ChromeOS"),
    ("mac os x", "macOS"),
    ("macintosh", "macOS"),
    ("darwin", "Darwin"),
    ("freebsd", "FreeBSD"),
    ("openbsd", "OpenBSD"),
    ("linux", "Linux"),
    ("x11", "Unix"),
];

/// What robots call themselves. A phone of the maker Cubot is none.
const ROBOTS: &[&str] = &[
    "bot",
    "crawl",
    "spider",
    "slurp",
    "archiver",
    "facebookexternalhit",
    "mediapartners-google",
    "headlesschrome",
    "lighthouse",
];

const DEVICES: Words = &[
    ("smart-tv", "other"),
    ("smarttv", "other"),
    ("appletv", "other"),
    ("playstation", "other"),
    ("xbox", "other"),
    ("nintendo", "other"),
    ("ipad", "tablet"),
    ("tablet", "tablet"),
    ("kindle", "tablet"),
    ("iphone", "phone"),
    ("ipod", "phone"),
    ("mobile", "phone"),
    ("windows phone", "phone"),
    // An Android that does not call itself mobile.
    ("android", "tablet"),
    ("windows", "desktop"),
    ("macintosh", "desktop"),
    ("x11", "desktop"),
    ("cros ", "desktop"),
    ("linux", "desktop"),
];

fn parse(text: &str) -> Agent {
    let lower = text.trim().to_ascii_lowercase();
    if lower.is_empty() {
        return Agent::default();
    }
    let operating_system = first(SYSTEMS, &lower).unwrap_or_default();
    if let Some(word) = robot(&lower) {
        let name = product(text, |name| name.to_ascii_lowercase().contains(word));
        return Agent { device: "bot", operating_system, name: name.unwrap_or_default() };
    }
    let browser = lower.starts_with("mozilla/") || lower.starts_with("opera/");
    if !browser {
        let name = product(text, |_| true).unwrap_or_default();
        let device = if name.is_empty() { "other" } else { "program" };
        return Agent { device, operating_system, name };
    }
    let name = first(BROWSERS, &lower).unwrap_or_default().to_owned();
    Agent { device: first(DEVICES, &lower).unwrap_or("other"), operating_system, name }
}

fn first(words: Words, lower: &str) -> Option<&'static str> {
    words.iter().find(|(word, _)| lower.contains(word)).map(|(_, meaning)| *meaning)
}

fn robot(lower: &str) -> Option<&'static str> {
    ROBOTS.iter().find(|word| lower.contains(**word) && !lower.contains("cubot")).copied()
}

/// The name of the first product that is asked for: what stands before `/` or on its own, wherever it
/// stands.
fn product(text: &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.!+".contains(c);
    text.split(|c: char| c.is_whitespace() || "();,".contains(c))
        .map(|word| word.split('/').next().unwrap_or_default())
        .find(|name| !name.is_empty() && name.chars().all(is_part) && wanted(name))
        .map(|name| name.chars().take(LONGEST_NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `said` is "device/operating system/name".
    #[track_caller]
    fn check(text: &str, said: &str) {
        let Agent { device, operating_system, name } = parse(text);
        assert_eq!(format!("{device}/{operating_system}/{name}"), said, "{text}");
    }

    #[test]
    fn browsers_are_told_apart_though_each_claims_to_be_the_others() {
        let kit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        let windows = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {kit} Chrome/126.0.0.0");
        check(&format!("{windows} Safari/537.36"), "desktop/Windows/Chrome");
        check(&format!("{windows} Safari/537.36 Edg/126.0"), "desktop/Windows/Edge");
        check(&format!("{windows} Safari/537.36 OPR/112.0"), "desktop/Windows/Opera");
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "desktop/Linux/Firefox",
        );
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            "desktop/macOS/Safari",
        );
        check(
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
            "desktop/Windows/Internet Explorer",
        );
    }

    #[test]
    fn phones_and_tablets_are_told_apart() {
        let kit =
            "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
        check(
            &format!("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {kit}"),
            "phone/iOS/Safari",
        );
        check(&format!("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {kit}"), "tablet/iOS/Safari");
        let android = |mobile| {
            format!(
                "Mozilla/5.0 (Linux; Android 14; X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 {mobile}Safari/537.36"
            )
        };
        check(&android("Mobile "), "phone/Android/Chrome");
        check(&android(""), "tablet/Android/Chrome");
        check(&android("Mobile ").replace("14; X", "9; CUBOT_X19"), "phone/Android/Chrome");
    }

    #[test]
    fn libraries_and_programs_are_called_what_they_call_themselves() {
        check("curl/8.5.0", "program//curl");
        check("okhttp/4.12.0", "program//okhttp");
        check("python-requests/2.32", "program//python-requests");
        check("Go-http-client/1.1", "program//Go-http-client");
        check("Apache-HttpClient/4.5.13 (Java/17.0.2)", "program//Apache-HttpClient");
        check("Shop/3.1 CFNetwork/1496.0.7 Darwin/23.5.0", "program/Darwin/Shop");
        check("Dalvik/2.1.0 (Linux; U; Android 13)", "program/Android/Dalvik");
    }

    #[test]
    fn robots_are_no_browsers() {
        check(
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "bot//Googlebot",
        );
        check("Baiduspider+(+http://www.baidu.com/search/spider.htm)", "bot//Baiduspider+");
        check("facebookexternalhit/1.1", "bot//facebookexternalhit");
        let headless = "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0 Safari/537.36";
        check(headless, "bot/Linux/HeadlessChrome");
    }

    #[test]
    fn nothing_says_nothing_and_anything_something() {
        check("", "//");
        check("  \t ", "//");
        check("Mozilla/5.0", "other//");
        check("\u{0}\u{1}🦀/§", "other//");
        check(&"x".repeat(500), &format!("program//{}", "x".repeat(LONGEST_NAME)));
    }

    #[test]
    fn another_text_each_time_does_not_make_memory_grow() {
        let agents = Agents::default();
        for n in 0..3 * REMEMBERED {
            assert_eq!(agents.agent(&format!("program-{n}/1")).name, format!("program-{n}"));
            assert!(agents.remembered.lock().unwrap().len() <= REMEMBERED);
        }
    }
}
