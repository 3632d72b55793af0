//! Is what a channel sends taken, and what if it is not? The other ends are a web server and a mail server
//! of a few lines, which speak over real sockets.

use std::collections::BTreeMap;

use chassis::outbound::{Reach, Rules, signature};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;

const SECRET: &str = "0123456789abcdef";

fn alert(n: i64, cause: &str, severity: Severity) -> Arc<Alert> {
    Arc::new(Alert {
        id: n.to_string(),
        kind: "AbnormalBackendTime".into(),
        severity,
        raised_at_us: n,
        minute: 0,
        message: format!("alert {n}\r\nBcc: evil@example.com"),
        api: "orders".into(),
        api_version: "1.0.0".into(),
        application: String::new(),
        cause: cause.to_owned(),
        evidence: BTreeMap::from([("limit_us".to_owned(), "5".to_owned())]),
    })
}

/// A web server that answers with these statuses, and 200 after them; what it was sent.
async fn web_server(statuses: &'static [u16]) -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel(64);
    chassis::task::Tasks::default().spawn("web", async move {
        let mut statuses = statuses.iter();
        while let Ok((stream, _)) = listener.accept().await {
            let request = read_request(stream, statuses.next().copied().unwrap_or(200)).await;
            if tell.send(request).await.is_err() {
                return;
            }
        }
    });
    (url, told)
}

/// The signature and the body.
async fn read_request(stream: TcpStream, status: u16) -> (String, String) {
    let mut stream = BufReader::new(stream);
    let (mut signature, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.split_once(": ") else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_lowercase().as_str() {
            "turnpike-signature" => signature = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    (signature, String::from_utf8(body).unwrap())
}

/// A mail server that takes everything; the lines that it was sent.
async fn mail_server() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel(256);
    chassis::task::Tasks::default().spawn("mail", async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 sink\r\n").await.unwrap();
        let mut in_text = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_owned();
            let answer = match line.as_str() {
                "." => Some("250 taken"),
                _ if in_text => None,
                "DATA" => Some("354 go on"),
                "QUIT" => Some("221 bye"),
                _ => Some("250 yes"),
            };
            in_text = (in_text && line != ".") || line == "DATA";
            if tell.send(line).await.is_err() {
                return;
            }
            if let Some(answer) = answer {
                stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            }
        }
    });
    (address, told)
}

fn config(text: &str) -> Config {
    let parsed = chassis::config::parse::<Section>(&format!("{text}\nname = \"ops\"\n"), "");
    parsed.unwrap().channel
}

#[derive(Deserialize)]
struct Section {
    channel: Config,
}

fn channel(config: Config, metrics: &Metrics) -> Result<Channel, ChannelError> {
    let clock = Clock::system();
    let limit = Duration::from_secs(5);
    let rules = Rules { reach: Reach::Anywhere, limit, largest: 1024, at_once: 4 };
    let client = Client::new(clock.clone(), rules, b"").unwrap();
    Channel::new(config, &client, clock, metrics.clone())
}

fn webhook(url: &str, more: &str) -> Config {
    config(&format!(
        "[channel]\nwebhook = \"{url}\"\nsecret = \"{SECRET}\"\ngather = \"50ms\"\n{more}"
    ))
}

/// Runs a channel; where alerts are handed in.
fn start(channel: Channel) -> broadcast::Sender<Arc<Alert>> {
    let (raise, alerts) = broadcast::channel(256);
    chassis::task::Tasks::default().spawn("channel", channel.run(alerts));
    raise
}

/// The causes of the next so many messages, with how many alerts each has.
async fn causes(told: &mut mpsc::Receiver<(String, String)>, count: usize) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..count {
        let (signed, body) = told.recv().await.unwrap();
        let time = signed.split_once(',').unwrap().0.trim_start_matches("t=").parse().unwrap();
        let expected = signature(&Secret::new(SECRET), time, body.as_bytes());
        assert_eq!(signed, expected);
        let message: serde_json::Value = serde_json::from_str(&body).unwrap();
        let alerts = message["alerts"].as_array().unwrap().len();
        said.push(format!("{}={alerts}", message["cause"].as_str().unwrap()));
    }
    said
}

#[tokio::test]
async fn alerts_with_one_cause_are_one_signed_message() {
    let (url, mut told) = web_server(&[]).await;
    let raise = start(channel(webhook(&url, ""), &Metrics::default()).unwrap());
    for (n, cause) in [(1, "api/a"), (2, "api/a"), (3, "api/b")] {
        raise.send(alert(n, cause, Severity::Mild)).unwrap();
    }
    assert_eq!(causes(&mut told, 2).await, ["api/a=2", "api/b=1"]);
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_and_what_is_refused_is_not() {
    let (url, mut told) = web_server(&[503, 200, 400, 200]).await;
    let metrics = Metrics::default();
    let raise = start(channel(webhook(&url, ""), &metrics).unwrap());
    for (n, cause) in [(1, "a"), (2, "b"), (3, "c")] {
        raise.send(alert(n, cause, Severity::Mild)).unwrap();
    }
    assert_eq!(causes(&mut told, 4).await, ["a=1", "a=1", "b=1", "c=1"]);
    let name = metrics::Channel { channel: "ops".to_owned() };
    assert_eq!(metrics.undelivered.get_or_create(&name).get(), 1);
}

#[tokio::test]
async fn a_channel_that_is_dead_holds_up_no_other() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = dead.local_addr().unwrap();
    drop(dead);
    let (url, mut told) = web_server(&[]).await;
    let metrics = Metrics::default();
    let (raise, alerts) = broadcast::channel(256);
    let tasks = chassis::task::Tasks::default();
    let gone = channel(webhook(&format!("http://{address}/"), ""), &metrics).unwrap();
    tasks.spawn("dead", gone.run(alerts));
    tasks.spawn("live", channel(webhook(&url, ""), &metrics).unwrap().run(raise.subscribe()));
    for n in 0..3 {
        raise.send(alert(n, &n.to_string(), Severity::Mild)).unwrap();
    }
    assert_eq!(causes(&mut told, 3).await, ["0=1", "1=1", "2=1"]);
}

#[tokio::test]
async fn only_what_is_wanted_is_sent() {
    let (url, mut told) = web_server(&[]).await;
    let wanted = webhook(&url, "severity = \"moderate\"\napis = [\"orders\"]");
    let raise = start(channel(wanted, &Metrics::default()).unwrap());
    raise.send(alert(1, "mild", Severity::Mild)).unwrap();
    raise.send(alert(2, "moderate", Severity::Moderate)).unwrap();
    assert_eq!(causes(&mut told, 1).await, ["moderate=1"]);
}

#[tokio::test]
async fn in_quiet_times_only_severe_alerts_are_sent() {
    let (url, mut told) = web_server(&[]).await;
    let quiet = webhook(&url, "quiet = \"00:00-23:59\"");
    let mut always = channel(quiet, &Metrics::default()).unwrap();
    always.quiet = always.quiet.map(|(from, _)| (from, DAY_S));
    let raise = start(always);
    raise.send(alert(1, "moderate", Severity::Moderate)).unwrap();
    raise.send(alert(2, "severe", Severity::Severe)).unwrap();
    assert_eq!(causes(&mut told, 1).await, ["severe=1"]);
}

#[tokio::test]
async fn a_mail_goes_to_all_and_callers_write_no_header_of_it() {
    let (address, mut told) = mail_server().await;
    let mail = config(&format!(
        "[channel]\nsmtp = \"{address}\"\nsecurity = \"none\"\ngather = \"50ms\"\n\
         from = \"Turnpike <alerts@example.com>\"\nto = [\"a@example.com\", \"b@example.com\"]"
    ));
    let raise = start(channel(mail, &Metrics::default()).unwrap());
    raise.send(alert(7, "api/orders", Severity::Severe)).unwrap();
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != ".") {
        lines.push(told.recv().await.unwrap());
    }
    let begins = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((begins("MAIL FROM:<alerts@example.com>"), begins("RCPT TO:")), (1, 2), "{lines:?}");
    assert_eq!(begins("Subject: [severe] alert 7"), 1, "{lines:?}");
    let header = lines.iter().take_while(|line| !line.is_empty());
    assert_eq!(header.filter(|line| line.starts_with("Bcc")).count(), 0, "{lines:?}");
    assert_eq!(begins("  limit_us: 5"), 1, "{lines:?}");
}

/// A channel that cannot be, and why.
#[track_caller]
fn check(text: &str, said: &str) {
    let refused = channel(config(&format!("[channel]\n{text}")), &Metrics::default());
    let refusal = refused.map_or_else(|error| error.to_string(), |_| String::new());
    assert_eq!(refusal, said);
}

#[test]
fn a_channel_that_cannot_send_is_refused() {
    check("", "it has to have either `webhook` or `smtp`");
    check("webhook = \"https://a\"", "a webhook needs a secret");
    check("webhook = \"a\"\nsecret = \"b\"", "webhook is no URL");
    check("smtp = \"mail:25\"", "`to` names nobody");
    check("smtp = \"mail\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]", "it cannot send mail");
    check("smtp = \"mail:25\"\nfrom = \"a@b.c\"\nto = [\"a\"]", "it cannot send mail");
    let url = "webhook = \"https://a\"\nsecret = \"b\"\n";
    check(&format!("{url}types = [\"KeySharing\"]"), "");
    check(&format!("{url}types = [\"Sharing\"]"), "`Sharing` is no type of alert");
    check(&format!("{url}quiet = \"22:00-06:00\""), "");
    check(&format!("{url}quiet = \"22-06\""), "quiet is no HH:MM-HH:MM");
}
