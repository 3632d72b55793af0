//! What do gateways and people ask of the collector, and how are they answered?
//!
//! `collect` takes batches; `analytics` answers questions; `alerts` shows what was raised;
//! `signals` takes what services noticed themselves. `callers` is the table of who may ask.
//! `reports` writes files. `from_event`, `from_filter`, `from_query`, `from_logs`, `from_rules` and `to_proto` are the
//! only places that know the messages.

pub mod alerts;
pub mod analytics;
pub mod callers;
pub mod collect;
pub mod from_event;
pub mod from_filter;
pub mod from_logs;
pub mod from_query;
pub mod from_rules;
pub mod reports;
pub mod signals;
pub mod to_proto;

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod edge_tests;
#[cfg(test)]
mod questions_tests;

pub use alerts::AlertsService;
pub use analytics::AnalyticsService;
pub use callers::allowed;
pub use collect::CollectorService;
pub use reports::ReportsService;
pub use signals::SignalsService;
