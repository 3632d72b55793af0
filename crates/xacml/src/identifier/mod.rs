//! Which names of the standard are these?
//!
//! Data types, functions, combining algorithms and versions of `XPath` of XACML 3.0 (core specification,
//! section 10 and appendices A to C), and those of 1.0 to 2.0 that it keeps.

mod combining;
mod data_type;
mod function;
mod xpath;

pub use combining::Combining;
pub use data_type::DataType;
pub use function::Function;
pub use xpath::XPathVersion;
