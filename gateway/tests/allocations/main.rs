//! Does a caller who is known cost no memory?
//!
//! The allocator of this binary counts what a thread takes from the heap, which is why it is a binary
//! of its own. What is measured is what every call does before a backend is chosen: finding the API and
//! the operation, looking at the credential, asking for the caller's rights.

#[cfg(test)]
mod ground;
#[cfg(test)]
mod known;
