//! Pulls that a server has, and how many messages it still owes for them.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How long the server keeps a pull that finds nothing. Short, since a source that is closed waits for it.
pub(super) const PULL_EXPIRES: Duration = Duration::from_secs(1);
/// How much later than that its end must have come.
pub(super) const PULL_DEADLINE: Duration = Duration::from_secs(2);
/// Pulls that the server has at once.
const MOST_PULLS: usize = 4;

/// Pulls that have not ended, the oldest first.
///
/// A message does not say which pull it is for, and a server serves several in turn: only the sum of what they have left is
/// certain. A pull that ends early says how many it had left, one that was served whole ends without a word.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    pulls: VecDeque<Pull>,
    last: u64,
    /// The last pull that was made before something came.
    heard: u64,
}

#[derive(Debug)]
struct Pull {
    number: u64,
    left: usize,
    deadline: Instant,
}

impl Pulls {
    /// Begins a pull: its number, and how many messages it is to ask for. None while the server has enough of them. Not one by
    /// one: pulls cost the server more than messages.
    pub(super) fn begin(&mut self, room: usize) -> Option<(u64, usize)> {
        let asked = self.asked();
        let left = room.saturating_sub(asked);
        if self.pulls.len() >= MOST_PULLS || left == 0 || (asked > 0 && left < asked) {
            return None;
        }
        self.last += 1;
        let deadline = Instant::now() + PULL_EXPIRES + PULL_DEADLINE;
        self.pulls.push_back(Pull { number: self.last, left, deadline });
        Some((self.last, left))
    }

    /// Messages that were asked for and have not come.
    pub(super) fn asked(&self) -> usize {
        self.pulls.iter().map(|pull| pull.left).sum()
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.pulls.is_empty()
    }

    /// By when the oldest must have ended.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pulls.front().map(|pull| pull.deadline)
    }

    /// The oldest is past its deadline, and is forgotten. `false` when nothing has come since it was made: the server is silent.
    pub(super) fn expire(&mut self) -> bool {
        self.pulls.pop_front().is_some_and(|pull| pull.number <= self.heard)
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.pulls.clear();
    }

    /// A message has come.
    pub(super) fn served(&mut self) {
        self.heard = self.last;
        self.take_off(1);
    }

    /// A pull has ended early, with so many messages left, if the server says that.
    pub(super) fn ended(&mut self, number: Option<u64>, left: Option<usize>) {
        self.heard = self.last;
        let place = self.pulls.iter().position(|pull| Some(pull.number) == number);
        let counted = place.and_then(|place| self.pulls.remove(place)).map_or(0, |pull| pull.left);
        let left = left.unwrap_or(counted);
        // What this one had more than was counted, the others have less.
        self.take_off(left.saturating_sub(counted));
        if let Some(first) = self.pulls.front_mut() {
            first.left += counted.saturating_sub(left);
        }
    }

    /// Takes so many messages off the oldest.
    fn take_off(&mut self, mut count: usize) {
        while let Some(first) = self.pulls.front_mut() {
            let taken = first.left.min(count);
            first.left -= taken;
            count -= taken;
            if first.left > 0 {
                return;
            }
            self.pulls.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_what_the_server_owes_however_it_serves() {
        let mut pulls = Pulls::default();
        assert_eq!(pulls.begin(50), Some((1, 50)));
        assert_eq!(pulls.begin(60), None, "another one for ten is not worth it");
        (0..36).for_each(|_| pulls.served());
        assert_eq!(pulls.begin(50), Some((2, 36)));
        // The server gives 9 of them for each of the two; we count them all as the first one's, and then the second one's.
        (0..18).for_each(|_| pulls.served());
        assert_eq!(pulls.asked(), 32);
        pulls.ended(Some(1), Some(5));
        assert_eq!(pulls.asked(), 27);
        assert!(!pulls.is_empty());
        pulls.ended(Some(2), Some(27));
        assert!(pulls.is_empty());
    }

    #[test]
    fn what_another_pull_was_served_for_is_not_forgotten() {
        let mut pulls = Pulls::default();
        assert!(pulls.begin(10).is_some());
        (0..4).for_each(|_| pulls.served());
        assert_eq!(pulls.begin(20), Some((2, 14)));
        // All 3 were for the second one.
        (0..3).for_each(|_| pulls.served());
        pulls.ended(Some(1), Some(6));
        assert_eq!(pulls.asked(), 11);
        pulls.ended(Some(7), None);
        assert_eq!(pulls.asked(), 11, "of a pull that is not known nothing is known");
        let mut pulls = Pulls::default();
        assert!(pulls.begin(10).is_some() && pulls.begin(30).is_some());
        // The second one has 3 more than was counted.
        (0..3).for_each(|_| pulls.served());
        pulls.ended(Some(2), Some(17));
        assert_eq!(pulls.asked(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_that_nothing_came_after_shows_a_silent_server() {
        let mut pulls = Pulls::default();
        assert!(pulls.begin(10).is_some() && pulls.deadline().is_some());
        pulls.served();
        assert!(pulls.expire(), "something came: the rest may have been counted wrongly");
        assert!(pulls.begin(10).is_some());
        assert!(!pulls.expire());
        assert!(pulls.is_empty() && pulls.deadline().is_none());
    }
}
