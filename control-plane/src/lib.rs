//! What does the control plane consist of? From the binary down:
//!
//! `store` keeps resources, embedded or in etcd.

pub mod store;
