//! Where executions go on that compute for long.
//!
//! For every shard there is another in the background, whose thread gives way to all others. An execution whose turns have
//! taken longer than [`LONG_EXECUTION_US`] goes there, for good: an endless loop then costs the short ones and their clients
//! no more than what the cores have to spare. One that has calls or timers under way stays: these belong to its shard's loop.
//!
//! Ground rules: an execution moves between two of its turns, as a message, and takes its deadline along. The background ends
//! after all executions of all shards, so that nothing is sent to where nobody reads.

use super::{
    mailbox::Message,
    running::Running,
    shard::{Core, Shard},
};
use crate::model::quota::{LONG_EXECUTION_US, MAX_EXPRESS_EXECUTION_SECONDS};

impl Running {
    /// It has computed for long, and nothing is under way that it would have to leave behind.
    pub(super) fn is_long(&self) -> bool {
        self.computed_us > LONG_EXECUTION_US && self.pending.is_empty()
    }
}

impl Shard {
    /// Hands on an execution that has just left its place here. It comes back to one when the background has too many.
    pub(super) fn send_to_background(&self, core: &mut Core, running: Box<Running>) {
        let mailbox = self.shared().post.any_background();
        if let Err(Message::Long(running)) = mailbox.push(Message::Long(running)) {
            self.place_long(core, running);
        }
    }

    /// Gives an execution that was sent a place. The list of deadlines is in order of arrival, so one that comes late has its
    /// own as a timer.
    pub(super) fn place_long(&self, core: &mut Core, mut running: Box<Running>) {
        let begun_ms = running.deadline_ms - MAX_EXPRESS_EXECUTION_SECONDS * 1000;
        let limit_ms = begun_ms.saturating_add(running.program.timeout_ms.unwrap_or(u64::MAX)).min(running.deadline_ms);
        running.computed_us = 0;
        self.insert(core, running, Some(limit_ms), true);
    }
}
