//! Do both engines keep what `store::Store` promises? One suite, run on each.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod etcd;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod server;
#[cfg(test)]
mod suite;
