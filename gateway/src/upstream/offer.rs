//! Can the body of a request be sent once more?
//!
//! One that was here whole can. One that comes part by part is kept beside being sent, where another
//! try is possible at all, as long as it is short enough.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use plan::RetryPlan;

use crate::body::{Body, BodyError};

/// The body of a request, for one try after the other.
pub(super) enum Offer {
    /// There is none.
    Nothing,
    /// It is here whole.
    Whole(Bytes),
    /// It can be sent once; `None`: it was.
    Once(Option<Body>),
    /// It is kept as it is sent.
    Kept(Rc<RefCell<Kept>>),
}

/// A body and what has come of it so far.
pub(super) struct Kept {
    source: Body,
    parts: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    bytes: usize,
    most: usize,
    length: Option<u64>,
    /// It was too long, or broke off.
    lost: bool,
    ended: bool,
}

/// The kept body from its start, for one try.
struct Replay {
    kept: Rc<RefCell<Kept>>,
    next: usize,
    sent: u64,
    ended: bool,
}

impl Offer {
    /// A body for tries after `plan`; `again`: whether there may be another one at all.
    pub(super) fn new(body: Body, plan: &RetryPlan, again: bool) -> Self {
        match body {
            Body::Empty => Self::Nothing,
            Body::Full(bytes) => Self::Whole(bytes),
            body if !again => Self::Once(Some(body)),
            body => {
                let most = usize::try_from(plan.max_body_bytes).unwrap_or(usize::MAX);
                let length = body.length();
                if length.is_some_and(|length| length > most as u64) {
                    return Self::Once(Some(body));
                }
                Self::Kept(Rc::new(RefCell::new(Kept {
                    source: body,
                    parts: Vec::new(),
                    trailers: None,
                    bytes: 0,
                    most,
                    length,
                    lost: false,
                    ended: false,
                })))
            }
        }
    }

    /// The body for the next try.
    pub(super) fn take(&mut self) -> Body {
        match self {
            Self::Nothing => Body::Empty,
            Self::Whole(bytes) => Body::Full(bytes.clone()),
            Self::Once(body) => body.take().unwrap_or_default(),
            Self::Kept(kept) => {
                Body::stream(Replay { kept: Rc::clone(kept), next: 0, sent: 0, ended: false })
            }
        }
    }

    /// Whether another try can have it.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Self::Nothing | Self::Whole(_) => true,
            Self::Once(body) => body.is_some(),
            Self::Kept(kept) => !kept.borrow().lost,
        }
    }
}

impl Kept {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.source).poll_frame(cx));
        match &frame {
            None => self.ended = true,
            Some(Err(_)) => self.lose(),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.keep(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    self.trailers = Some(trailers.clone());
                    self.ended = true;
                }
            }
        }
        Poll::Ready(frame)
    }

    fn keep(&mut self, data: &Bytes) {
        self.bytes += data.len();
        if self.bytes > self.most {
            self.lose();
        }
        if !self.lost {
            self.parts.push(data.clone());
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.parts = Vec::new();
    }
}

impl http_body::Body for Replay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let mut kept = this.kept.borrow_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(part) = kept.parts.get(this.next) {
            this.next += 1;
            this.sent += part.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(part.clone()))));
        }
        if kept.ended {
            this.ended = true;
            return Poll::Ready(
                kept.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))),
            );
        }
        if Rc::strong_count(&this.kept) == 1 {
            // The answer has begun: nobody asks for the body from its start any more.
            kept.lose();
        }
        let frame = ready!(kept.poll(cx));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => {
                    this.next += 1;
                    this.sent += data.len() as u64;
                }
                None => this.ended = true,
            },
            _ => this.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let kept = self.kept.borrow();
        // Over HTTP/2 trailers may stand behind a body of a known length, too.
        let all = kept.length == Some(self.sent) && kept.trailers.is_none();
        self.ended || all && kept.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.kept.borrow().length;
        length.map_or_else(SizeHint::default, |length| {
            SizeHint::with_exact(length.saturating_sub(self.sent))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A body of `parts`, of which a first try reads so many. The answer is what a second try reads,
    /// or that there is none.
    #[track_caller]
    fn check(again: bool, most: u32, parts: &[&'static str], read: usize, expected: &str) {
        let plan = RetryPlan {
            attempts: 1,
            statuses: vec![],
            any_method: false,
            budget_percent: 20,
            max_body_bytes: most,
            backoff: std::time::Duration::ZERO,
            max_retry_after: std::time::Duration::ZERO,
        };
        let frames: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::from(*part)))).collect();
        let body = Body::stream(StreamBody::new(futures_util::stream::iter(frames)));
        let mut offer = Offer::new(body, &plan, again);
        let mut first = offer.take();
        for _ in 0..read {
            first.frame().now_or_never().unwrap();
        }
        drop(first);
        if !offer.is_repeatable() {
            assert_eq!(expected, "none");
            return;
        }
        let second = offer.take().collect().now_or_never().unwrap().unwrap();
        assert_eq!(second.to_bytes(), expected);
    }

    #[test]
    fn a_short_body_is_sent_again_from_its_start() {
        for read in 0..4 {
            check(true, 10, &["ab", "cd", "ef"], read, "abcdef");
        }
    }

    #[test]
    fn a_body_that_is_too_long_is_sent_once() {
        check(true, 5, &["ab", "cd", "ef"], 2, "abcdef");
        check(true, 5, &["ab", "cd", "ef"], 3, "none");
    }

    #[test]
    fn a_body_that_is_not_sent_again_is_not_kept() {
        check(false, 10, &["ab"], 1, "none");
    }
}
