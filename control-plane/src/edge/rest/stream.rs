//! How are several answers of a gRPC method told over REST?
//!
//! As they come: one JSON a line, or an event each for browsers. The head of the answer is sent before the
//! first of them, so an error that comes later is told as the last one, as a problem. A file is told with
//! its name and type, and breaks off where one of its parts does.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use chassis::Clock;
use chassis::shutdown::Shutdown;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::CONTENT_DISPOSITION;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use prost::Message as _;
use serde_json::Value;
use tonic::{Status, Streaming};
use turnpike_proto::usage::v1::ReportPart;

use super::fault::Fault;
use super::reply::{Content, Reply, reply_as};

/// Something is sent at least so often, so that who is gone is noticed and proxies do not hang up.
const BEAT: Duration = Duration::from_secs(15);

/// What a reader should know of a file; one field for each sentence.
const NOTE: HeaderName = HeaderName::from_static("report-note");

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// JSON in a line; an empty one says that nothing came.
    Line,
    /// An event of `text/event-stream`; a comment says that nothing came.
    Event,
}

impl Written {
    const fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Line => "application/x-ndjson",
            Self::Event => "text/event-stream",
        })
    }

    fn answer(self, answer: &Value) -> String {
        match self {
            Self::Line => format!("{answer}\n"),
            Self::Event => format!("data: {answer}\n\n"),
        }
    }

    fn error(self, status: Status) -> String {
        let problem = Fault::Status(status).problem();
        match self {
            Self::Line => format!("{problem}\n"),
            Self::Event => format!("event: problem\ndata: {problem}\n\n"),
        }
    }

    const fn beat(self) -> &'static str {
        match self {
            Self::Line => "\n",
            Self::Event => ":\n\n",
        }
    }
}

/// Answers until there are no more, or the process ends.
pub(super) fn lines(
    answers: Streaming<Bytes>,
    form: Written,
    shown: impl Fn(Bytes) -> Value + Clone + Send + 'static,
    shutdown: &Shutdown,
) -> Reply {
    let texts = texts(answers.boxed(), form, shown);
    let frames = texts.map(|text| Ok(Frame::data(Bytes::from(text))));
    let body: Content = StreamBody::new(shutdown.ends(frames)).boxed_unsync();
    reply_as(StatusCode::OK, form.media_type(), body)
}

type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

fn texts(
    answers: Answers,
    form: Written,
    shown: impl Fn(Bytes) -> Value + Clone + Send + 'static,
) -> impl Stream<Item = String> + Send {
    stream::unfold(Some(answers), move |answers| {
        let shown = shown.clone();
        async move {
            let mut answers = answers?;
            match Clock::system().timeout(BEAT, answers.next()).await {
                Err(_) => Some((form.beat().to_owned(), Some(answers))),
                Ok(None) => None,
                Ok(Some(Ok(answer))) => Some((form.answer(&shown(answer)), Some(answers))),
                Ok(Some(Err(status))) => Some((form.error(status), None)),
            }
        }
    })
}

/// A file to be saved.
pub(super) async fn file(mut parts: Streaming<Bytes>) -> Result<Reply, Fault> {
    let first = parts.next().await.ok_or(Fault::Broken)?;
    let first = part(first).map_err(Fault::Status)?;
    let ReportPart { content, media_type, file_name, notes } = first;
    let first = stream::once(async move { Ok(Frame::data(Bytes::from(content))) });
    let rest = parts.map(|next| Ok(Frame::data(Bytes::from(part(next)?.content))));
    let body: Content = StreamBody::new(first.chain(rest)).boxed_unsync();
    let media_type = HeaderValue::try_from(media_type).map_err(|_| Fault::Broken)?;
    let mut reply = reply_as(StatusCode::OK, media_type, body);
    let headers = reply.headers_mut();
    // Names are `calls-2026-10.pdf`; whatever else comes is no field, and the file has no name.
    if let Ok(named) = HeaderValue::try_from(format!("attachment; filename=\"{file_name}\"")) {
        headers.insert(CONTENT_DISPOSITION, named);
    }
    for note in notes {
        if let Ok(note) = HeaderValue::try_from(note) {
            headers.append(NOTE, note);
        }
    }
    Ok(reply)
}

fn part(answer: Result<Bytes, Status>) -> Result<ReportPart, Status> {
    let broken = |_| Status::internal("a part of the file cannot be read");
    ReportPart::decode(answer?).map_err(broken)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is written of these answers; an `!` before one is an error.
    #[track_caller]
    fn check(form: Written, answers: &[&'static str], expected: &str) {
        let answers: Vec<Result<Bytes, Status>> = answers
            .iter()
            .map(|text| match text.strip_prefix('!') {
                Some(why) => Err(Status::aborted(why)),
                None => Ok(Bytes::from_static(text.as_bytes())),
            })
            .collect();
        let shown = |answer: Bytes| json!({ "a": String::from_utf8_lossy(&answer) });
        let texts = texts(stream::iter(answers).boxed(), form, shown).collect::<Vec<String>>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(runtime.block_on(texts).concat(), expected);
    }

    #[test]
    fn each_answer_is_a_line_or_an_event() {
        check(Written::Line, &["x", "y"], "{\"a\":\"x\"}\n{\"a\":\"y\"}\n");
        check(Written::Event, &["x\n"], "data: {\"a\":\"x\\n\"}\n\n");
        check(Written::Line, &[], "");
    }

    #[test]
    fn an_error_is_the_last_thing_that_is_told() {
        let problem = "{\"code\":\"conflict\",\"detail\":\"gone\",\"problems\":[],\"status\":409,\
                       \"title\":\"Conflict\",\"type\":\"urn:turnpike:problem:conflict\"}";
        check(Written::Line, &["!gone", "x"], &format!("{problem}\n"));
        let event = format!("event: problem\ndata: {problem}\n\n");
        check(Written::Event, &["!gone", "x"], &event);
    }
}
