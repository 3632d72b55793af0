//! Does the real gateway do what public suites of test programs ask?
//!
//! A program or a suite that is missing is named and left out.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod websocket;
