//! Does the service keep its promises?
