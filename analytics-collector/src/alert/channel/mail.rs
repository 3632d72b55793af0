//! How are people told by mail?

use std::time::Duration;

use chassis::Secret;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::message::Message;

/// How long a mail may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Alerts that one mail spells out.
const MOST: usize = 20;

/// A server and those whom it brings mail to.
#[derive(Clone, Debug)]
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// `STARTTLS`, or no mail.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// In clear text: for a server on this machine.
    None,
}

/// A server, as it is configured.
#[derive(Clone, Debug)]
pub struct Server<'c> {
    /// `HOST:PORT`.
    pub address: &'c str,
    /// How it is spoken to.
    pub security: Security,
    /// Empty: nobody signs in.
    pub user: &'c str,
    /// Of the user.
    pub password: &'c Secret,
}

/// Why no mail was sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// `HOST:PORT` is not what it is.
    #[error("smtp is no HOST:PORT")]
    Server,
    /// Nobody can have this address.
    #[error("`{address}` is no mail address")]
    Address {
        /// What was written.
        address: String,
        /// Why not.
        source: lettre::address::AddressError,
    },
    /// It cannot be written.
    #[error("the mail cannot be written")]
    Content(#[from] lettre::error::Error),
    /// The server did not take it.
    #[error("the mail server did not take it")]
    Refused(#[from] lettre::transport::smtp::Error),
}

impl MailError {
    /// Whether the same may be taken later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Refused(error) if !error.is_permanent())
    }
}

impl Mail {
    /// Reads what is configured; nothing is sent.
    pub fn new(server: &Server<'_>, from: &str, to: &[String]) -> Result<Self, MailError> {
        let (host, port) = server.address.rsplit_once(':').ok_or(MailError::Server)?;
        let port: u16 = port.parse().map_err(|_| MailError::Server)?;
        let builder = match server.security {
            Security::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host)?,
            Security::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host)?,
            Security::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
        };
        let mut builder = builder.port(port).timeout(Some(LIMIT));
        if !server.user.is_empty() {
            let password = server.password.expose().to_owned();
            builder = builder.credentials(Credentials::new(server.user.to_owned(), password));
        }
        let to = to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
        Ok(Self { transport: builder.build(), from: mailbox(from)?, to })
    }

    /// Sends one mail to all.
    pub async fn send(&self, message: &Message) -> Result<(), MailError> {
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(format!("[{}] {}", severity(message), one_line(&message.summary)))
            .message_id(Some(format!("<{}@turnpike>", one_line(&message.id))))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        self.transport.send(mail.body(text(message))?).await?;
        Ok(())
    }
}

fn mailbox(address: &str) -> Result<Mailbox, MailError> {
    let wrong = |source| MailError::Address { address: address.to_owned(), source };
    address.parse().map_err(wrong)
}

const fn severity(message: &Message) -> &'static str {
    use crate::alert::history::Severity;
    match message.severity {
        Severity::Severe => "severe",
        Severity::Moderate => "moderate",
        Severity::Mild => "mild",
    }
}

/// What callers choose must not begin a header field.
fn one_line(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
}

fn text(message: &Message) -> String {
    let mut lines = Vec::new();
    for alert in message.alerts.iter().take(MOST) {
        lines.push(alert.message.clone());
        lines.push(format!("  type: {}", alert.kind));
        lines.push(format!("  id: {}", alert.id));
        lines.extend(alert.evidence.iter().map(|(name, value)| format!("  {name}: {value}")));
        lines.push(String::new());
    }
    let more = message.alerts.len().saturating_sub(MOST);
    if more > 0 {
        lines.push(format!("{more} more about {}.", message.cause));
    }
    lines.join("\r\n")
}
