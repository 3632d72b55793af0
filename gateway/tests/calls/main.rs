//! Does a call come through as it should, and is it refused as it should?
//!
//! Each suite starts real workers on loopback with resources given as text, and talks to them and
//! to a backend of its own byte by byte.

mod backend;
mod connections;
mod identity;
mod limits;
mod passing;
mod rights;
mod stand;
