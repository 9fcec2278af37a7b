//! Up to where a partition may be committed: what has been finished without a gap.
//!
//! Knows nothing of any client of Kafka. Offsets come in their order and are finished in any order; a commit never passes one
//! that is not finished, and there are never more than a bound of them that are not committed.

use std::collections::VecDeque;

/// The offsets of a partition that were delivered and are not committed.
///
/// Offsets may have gaps: compaction removes messages, and transactions leave markers.
#[derive(Debug)]
pub struct Watermark {
    /// Ascending.
    offsets: VecDeque<Entry>,
    /// How many at the front are finished.
    done: usize,
    /// Above all that were ever delivered.
    next: i64,
    bound: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    finished: bool,
}

impl Watermark {
    /// A watermark of a partition that nothing was delivered of. No more than `bound` offsets, 1 at least, may be beyond what
    /// is committed.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { offsets: VecDeque::new(), done: 0, next: 0, bound: bound.max(1) }
    }

    /// Changes the bound. What is delivered already stays.
    pub fn set_bound(&mut self, bound: usize) {
        self.bound = bound.max(1);
    }

    /// Whether as many offsets are delivered and not committed as may be: nothing more is to be delivered until a commit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.offsets.len() >= self.bound
    }

    /// Takes note of a delivery. `false`, and nothing happens, when the watermark is full or the offset is not above all before.
    #[must_use]
    pub fn deliver(&mut self, offset: i64) -> bool {
        if self.is_full() || offset < self.next {
            return false;
        }
        self.offsets.push_back(Entry { offset, finished: false });
        self.next = offset.saturating_add(1);
        true
    }

    /// Takes note that what was delivered with this offset is done. `false` when it was not delivered, or is done already.
    pub fn finish(&mut self, offset: i64) -> bool {
        let place = self.offsets.partition_point(|entry| entry.offset < offset);
        let Some(entry) = self.offsets.get_mut(place).filter(|entry| entry.offset == offset && !entry.finished) else {
            return false;
        };
        entry.finished = true;
        while self.offsets.get(self.done).is_some_and(|entry| entry.finished) {
            self.done += 1;
        }
        true
    }

    /// What is to be committed: the offset behind the last one that is finished, as are all before it. `None` when there is
    /// nothing beyond what is committed.
    #[must_use]
    pub fn to_commit(&self) -> Option<i64> {
        let last = self.offsets.get(self.done.checked_sub(1)?)?;
        Some(last.offset.saturating_add(1))
    }

    /// Where the partition stands, when no more will be finished: what could be committed now, or was, and what is finished
    /// behind that. `None` when nothing was delivered since the last commit.
    #[must_use]
    pub fn position(&self) -> Option<(i64, impl Iterator<Item = i64>)> {
        let first = self.offsets.front()?;
        // Nothing at the front is finished: so everything before it is committed, and that may be said again.
        let commit = self.to_commit().unwrap_or(first.offset);
        let behind = self.offsets.iter().skip(self.done).filter(|entry| entry.finished);
        Some((commit, behind.map(|entry| entry.offset)))
    }

    /// Takes note that the broker has stored a commit of what [`Watermark::to_commit`] gave, then or earlier.
    pub fn committed(&mut self, next: i64) {
        while self.done > 0 && self.offsets.front().is_some_and(|entry| entry.offset < next) {
            self.offsets.pop_front();
            self.done -= 1;
        }
    }

    /// How many offsets are delivered and not committed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether everything that was delivered is committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watermark(offsets: &[i64], bound: usize) -> Watermark {
        let mut watermark = Watermark::new(bound);
        for offset in offsets {
            assert!(watermark.deliver(*offset));
        }
        watermark
    }

    fn position(watermark: &Watermark) -> Option<(i64, Vec<i64>)> {
        watermark.position().map(|(commit, behind)| (commit, behind.collect()))
    }

    #[test]
    fn commits_stop_before_what_is_not_finished() {
        let mut watermark = watermark(&[3, 4, 7, 8], 10);
        assert_eq!(watermark.to_commit(), None);
        assert!(watermark.finish(7) && watermark.finish(4));
        assert_eq!(watermark.to_commit(), None);
        assert_eq!(position(&watermark), Some((3, vec![4, 7])));
        assert!(watermark.finish(3));
        assert_eq!(watermark.to_commit(), Some(8));
        assert!(!watermark.finish(3) && !watermark.finish(5) && !watermark.finish(9));
        assert_eq!(position(&watermark), Some((8, vec![])));
        watermark.committed(5);
        assert_eq!((watermark.len(), watermark.to_commit()), (2, Some(8)));
        watermark.committed(8);
        assert_eq!((watermark.len(), watermark.to_commit()), (1, None));
        // An answer that is older than the last one, or promises more than was asked for, changes nothing.
        watermark.committed(3);
        watermark.committed(100);
        assert_eq!((watermark.len(), watermark.to_commit()), (1, None));
        assert!(watermark.finish(8));
        assert_eq!(watermark.to_commit(), Some(9));
    }

    #[test]
    fn a_stuck_offset_fills_the_watermark() {
        let mut watermark = watermark(&[0, 1, 2], 3);
        assert!(watermark.finish(1) && watermark.finish(2));
        assert!(watermark.is_full() && !watermark.deliver(3));
        assert!(watermark.finish(0));
        assert!(watermark.is_full(), "finished is not committed: a crash would bring it again");
        watermark.committed(3);
        assert!(watermark.is_empty() && position(&watermark).is_none());
        assert!(watermark.deliver(3) && !watermark.deliver(3) && !watermark.deliver(1));
    }
}
