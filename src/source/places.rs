//! Where the deliveries of one execution are in their lane's table.

/// One place, which is the rule, or those of a batch.
#[derive(Debug)]
pub(super) enum Places {
    One(usize),
    /// At least one.
    Many(Vec<usize>),
}

impl Places {
    pub(super) fn as_slice(&self) -> &[usize] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }

    pub(super) fn first(&self) -> usize {
        self.as_slice()[0]
    }
}
