//! Why does the store not even try to answer?

use crate::question::{Amount, Dimension};

/// A question that has no answer here. The same question is refused every time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A test that the values of a dimension do not have.
    #[error("{test} cannot be asked of {of:?}")]
    Test {
        /// Of what.
        of: Dimension,
        /// Which test.
        test: &'static str,
    },
    /// Ordered by a measure that is not there.
    #[error("the order names measure {0}, which the question does not have")]
    NoMeasure(usize),
    /// Time is cut into parts of no length.
    #[error("time is cut into parts of {0} microseconds")]
    Interval(i64),
    /// Groups are ordered in memory where a sketch decides, and there are too many of them.
    #[error(
        "there are more than {0} groups to order by their different values; \
         ask for less time, fewer dimensions or another order"
    )]
    TooManyToOrder(usize),
    /// A dimension that counts of old calls do not have.
    #[error("of so long ago {0:?} is not kept; ask for less time, or raise store.retention")]
    NotKept(Dimension),
    /// Different values that are not known by a dimension any more.
    #[error(
        "of so long ago different {of:?} are only known by Api, ApiVersion, ApiContext, ApiType, \
         ApiOwner, Tenant and Country, and not by {by:?}; ask for less time, or raise store.retention"
    )]
    NotCountedBy {
        /// Different values of what.
        of: Dimension,
        /// By what they are not known.
        by: Dimension,
    },
    /// An amount of which counts of old calls have only the sum.
    #[error("of so long ago only the sum and the mean of {0:?} are kept")]
    AmountNotKept(Amount),
    /// Parts of time that counts of old calls cannot tell apart.
    #[error("of so long ago calls are counted by {minutes} minutes; ask for a multiple of that")]
    TooFine {
        /// By how many.
        minutes: i64,
    },
}
