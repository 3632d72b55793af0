//! How does an answer get into the store while it goes to its client?
//!
//! Each part is copied as it passes; the client never waits for the store. An answer that breaks
//! off, is longer than what is kept, has trailers, or whose client leaves, is not kept.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cache::{Draft, Filling, Key, Leader, NotKept, Store};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};

use super::serve::Call;
use crate::body::{Body, BodyError, Stream};

/// What it takes to keep an answer.
pub(super) struct Filler {
    store: Arc<Store>,
    key: Key,
    api: Arc<str>,
    target: Box<str>,
    begun: u64,
    most_bytes: usize,
    most_variants: usize,
    /// Who waits for it.
    leader: Option<Leader>,
}

impl Filler {
    pub(super) fn new(call: &Call<'_>, begun: u64, leader: Option<Leader>) -> Self {
        Self {
            store: Arc::clone(&call.worker.store),
            key: call.key.clone(),
            api: Arc::clone(&call.permit.matched().api().id),
            target: call.permit.matched().rest().into(),
            begun,
            most_bytes: call.rules.max_body_bytes,
            most_variants: call.rules.max_variants,
            leader,
        }
    }

    /// Keeps a whole answer, and hands it to who waits for it.
    pub(super) fn finish(self, draft: Draft, body: Bytes) {
        let place = (&*self.api, &*self.target);
        let kept = self.store.keep(&self.key, place, draft, body, self.begun, self.most_variants);
        if let (Some(leader), Some(kept)) = (self.leader, kept) {
            leader.land(kept);
        }
    }
}

/// Keeps an answer, now or while it passes.
pub(super) fn keep(
    response: Response<Body>,
    draft: Draft,
    filler: Filler,
) -> (Response<Body>, Result<(), NotKept>) {
    let length = response.body().length();
    if length.is_some_and(|length| length > filler.most_bytes as u64) {
        return (response, Err(NotKept::TooLong));
    }
    let (parts, body) = response.into_parts();
    let body = match body {
        Body::Stream(inner) => {
            let filling = filler.store.filling();
            Body::stream(Keeping { inner, length, on_the_way: Some((filler, draft, filling)) })
        }
        Body::Empty => {
            filler.finish(draft, Bytes::new());
            Body::Empty
        }
        // Two that speak to each other; `Draft` refuses the status of such an answer.
        tunnel @ Body::Tunnel(_) => tunnel,
        Body::Full(bytes) => {
            filler.finish(draft, Bytes::copy_from_slice(&bytes));
            Body::Full(bytes)
        }
    };
    (Response::from_parts(parts, body), Ok(()))
}

/// A body that is kept while it passes.
struct Keeping {
    inner: Stream,
    /// How long it will be, where that is known.
    length: Option<u64>,
    /// Absent once it is kept, or will not be.
    on_the_way: Option<(Filler, Draft, Filling)>,
}

impl Keeping {
    fn take(&mut self, part: &Bytes) {
        let Some((filler, _, filling)) = &mut self.on_the_way else { return };
        if filling.len() + part.len() > filler.most_bytes || !filling.take(part) {
            self.on_the_way = None;
            return;
        }
        // Nobody asks for the end of a body whose last byte has come.
        if self.length == Some(filling.len() as u64) || self.inner.is_end_stream() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Some((filler, draft, filling)) = self.on_the_way.take() {
            filler.finish(draft, filling.whole());
        }
    }
}

impl http_body::Body for Keeping {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(part) => this.take(part),
                None => this.on_the_way = None,
            },
            Some(Err(_)) => this.on_the_way = None,
            None => this.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
