//! Does the gateway work with the services around it as it promises, also while they are away?
//!
//! Each suite runs one part of the gateway against a service that it makes up, over real mutual
//! TLS.

#[cfg(test)]
mod asked_again;
#[cfg(test)]
mod backend_jwt;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod partners;
#[cfg(test)]
mod program;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod served;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod usage;
