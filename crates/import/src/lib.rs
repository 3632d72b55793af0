//! What do definitions and configurations of others mean here?
//!
//! Text in; resources and a report out: per item what was taken, what was changed and how, what was
//! left and why, with where it stood. Pure: nothing is fetched, no file is read, and whoever calls
//! reads the files of a folder before. The resources pass the same admission as any others, so what
//! comes out can be applied.
//!
//! Reading order: `format` tells formats apart, one file or folder per format reads it, `draft` makes
//! an Api of what was read, `finish` checks everything together.
#![warn(missing_docs)]

mod asyncapi;
mod draft;
mod finish;
mod format;
mod graphql;
mod import;
mod kong;
mod naming;
mod openapi;
mod proto;
mod reading;
mod report;
mod sources;
mod wsdl;
mod wso2;

pub use draft::Options;
pub use format::{Format, detect};
pub use import::{Imported, import};
pub use report::{Item, Outcome, Report};
pub use sources::{MAX_FILES, MAX_TOTAL_BYTES, Sources};
