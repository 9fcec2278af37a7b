//! The strands of an execution that have something to do, in order.

use std::collections::VecDeque;

use super::StrandId;

/// Strands in order. Most executions have one, which needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Ready {
    first: Option<StrandId>,
    /// None when there is no first.
    others: VecDeque<StrandId>,
}

impl Ready {
    /// One strand.
    pub(super) fn of(strand: StrandId) -> Self {
        Self { first: Some(strand), others: VecDeque::new() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<StrandId> {
        std::mem::replace(&mut self.first, self.others.pop_front())
    }

    #[inline]
    pub(super) fn push_front(&mut self, strand: StrandId) {
        if let Some(second) = self.first.replace(strand) {
            self.others.push_front(second);
        }
    }

    #[inline]
    pub(super) fn push_back(&mut self, strand: StrandId) {
        match self.first {
            None => self.first = Some(strand),
            Some(_) => self.others.push_back(strand),
        }
    }

    /// Takes a strand out.
    pub(super) fn remove(&mut self, strand: StrandId) {
        self.others.retain(|other| *other != strand);
        if self.first == Some(strand) {
            self.first = self.others.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn goes_as_a_deque_does(actions in vec((0..4_u8, 0..6_u32), 0..60)) {
            let (mut ready, mut expected) = (Ready::default(), VecDeque::new());
            for (action, strand) in actions {
                let strand = StrandId(strand);
                match action {
                    0 => prop_assert_eq!(ready.pop_front(), expected.pop_front()),
                    1 => (ready.push_front(strand), expected.push_front(strand)).0,
                    2 => (ready.push_back(strand), expected.push_back(strand)).0,
                    _ => (ready.remove(strand), expected.retain(|other| *other != strand)).0,
                }
                prop_assert_eq!(ready.is_empty(), expected.is_empty());
            }
        }
    }
}
