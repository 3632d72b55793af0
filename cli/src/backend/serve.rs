//! The HTTP side of the sample backend: a request in, the definition's answer out.
//!
//! Request bodies are read and dropped piece by piece; at most `MOST_CONNECTIONS` clients are
//! served at a time, further ones wait in the listener's queue.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::definition::{Answer, Definition, DefinitionError, Found};

const MOST_CONNECTIONS: usize = 4_096;

/// Which definitions are answered from, and where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3001")]
    pub(crate) listen: SocketAddr,
    /// An OpenAPI 3.1, 3.0 or Swagger 2 document, JSON or YAML; the first that knows a path answers
    #[arg(long = "definition", value_name = "FILE", required = true)]
    pub(crate) definitions: Vec<PathBuf>,
}

/// Why the sample backend could not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    #[error("{}: cannot be read", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{}: no definition that can be answered from", file.display())]
    Definition { file: PathBuf, source: DefinitionError },
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
}

/// Serves until `stop` is ready.
pub(crate) async fn serve(
    options: &Options,
    stop: impl Future<Output = ()>,
) -> Result<(), BackendError> {
    let definitions = options.definitions.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let definitions: Arc<[Definition]> = definitions.into();
    let address = options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| BackendError::Listen { address, source })?;
    tracing::info!(%address, definitions = definitions.len(), "sample backend is listening");
    accept(&listener, &definitions, stop).await;
    Ok(())
}

fn read(file: &PathBuf) -> Result<Definition, BackendError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| BackendError::Read { file: file.clone(), source })?;
    Definition::parse(&text)
        .map_err(|source| BackendError::Definition { file: file.clone(), source })
}

async fn accept(
    listener: &TcpListener,
    definitions: &Arc<[Definition]>,
    stop: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            // Dropping the set closes the connections: nobody's data is at stake here.
            () = &mut stop => return,
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, Arc::clone(definitions)));
                    }
                    Err(error) => tracing::warn!(%error, "connection was not accepted"),
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, definitions: Arc<[Definition]>) {
    // Answers are small and complete: waiting for more to send only costs time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let definitions = Arc::clone(&definitions);
        async move { Ok::<_, Infallible>(answer(&definitions, request).await) }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn answer(definitions: &[Definition], request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    let prefer = head.headers.get("prefer").and_then(|value| value.to_str().ok());
    let prefer =
        prefer.and_then(|value| value.split(';').find_map(|one| one.trim().strip_prefix("code=")));
    let mut allowed = Vec::new();
    for definition in definitions {
        match definition.find(head.method.as_str(), head.uri.path(), prefer) {
            Found::Answer(answer) => return response(answer),
            Found::OtherMethods(methods) => allowed.extend(methods),
            Found::Nothing => {}
        }
    }
    if allowed.is_empty() {
        return empty(StatusCode::NOT_FOUND);
    }
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    if let Ok(methods) = HeaderValue::try_from(allowed.join(", ")) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = empty(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK));
    if let Some(content) = answer.content {
        if let Ok(media_type) = HeaderValue::try_from(content.media_type) {
            response.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        *response.body_mut() = Full::new(content.body.into());
    }
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
