//! What is noted once a backend is asked?

use std::rc::Rc;

use crate::account::Account;
use crate::handlers::Admission;
use crate::sender::Lane;
use crate::servers::Load;

/// What a call has to note on its way, whichever of its tries gets through.
pub(super) struct Books<'a> {
    /// Given up when the call counts.
    admission: Option<Admission>,
    pub(super) account: &'a mut Account,
    /// The place of the server that was asked last.
    pub(super) server: usize,
}

impl<'a> Books<'a> {
    pub(super) const fn new(admission: Admission, account: &'a mut Account) -> Self {
        Self { admission: Some(admission), account, server: 0 }
    }

    /// What a copy has to note: the call that it is of counts already.
    pub(super) const fn of_copy(account: &'a mut Account) -> Self {
        Self { admission: None, account, server: 0 }
    }

    /// The server at this place, behind `lane`, may act on the request from here on, so the call counts, whatever
    /// comes of it.
    pub(super) fn asked(&mut self, server: usize, lane: &Rc<Lane>, load: Option<Load>) {
        self.server = server;
        self.account.asked(Rc::clone(lane));
        self.account.load = load;
        if let Some(admission) = self.admission.take() {
            self.account.owing = admission.settle();
        }
    }
}
