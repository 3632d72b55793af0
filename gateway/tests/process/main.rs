//! Does the real program stop, make way for another, bear too much and tell of itself as it promises?
//!
//! Each suite starts the program and calls it as clients do, while something happens to it.

#[cfg(test)]
mod caller;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod dump;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod load;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod redeploy;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod upgrade;
