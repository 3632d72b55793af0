//! Do the real programs do what public suites and clients of others ask?
//!
//! A program or a suite that is missing is named and left out.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod federation_ground;
#[cfg(test)]
mod federation_peers;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod oauth_clients;
#[cfg(test)]
mod openid;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod websocket;
