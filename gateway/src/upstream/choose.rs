//! Which server of an endpoint is asked?

use std::sync::Arc;

use plan::BackendUrl;

use super::request::Request;

/// The servers that a call has tried already.
#[derive(Debug, Default)]
pub(super) struct Tried<'a>(Vec<&'a BackendUrl>);

impl<'a> Tried<'a> {
    pub(super) fn note(&mut self, server: &'a BackendUrl) {
        self.0.push(server);
    }
}

/// The server whose turn it is; `None` where every server was tried.
pub(super) fn choose<'a>(request: &Request<'a>, tried: &Tried<'_>) -> Option<&'a BackendUrl> {
    let urls = &request.endpoint.urls;
    if let [only] = urls.as_slice() {
        return tried.0.is_empty().then_some(only);
    }
    let first = request.worker.turns.take(Arc::as_ptr(request.endpoint).addr(), urls.len());
    urls.iter().cycle().skip(first).take(urls.len()).find(|url| !tried.0.contains(url))
}
