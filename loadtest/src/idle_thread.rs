//! Threads of the client that give way to all others.
#![allow(unsafe_code, reason = "no safe crate has the system call that sets a thread's policy")]

use crate::failure::{Context, Failure};
use std::io;

/// Lets all other threads go before the calling one, at once (sched(7), `SCHED_IDLE`). A nice one that has begun its slice of
/// time would keep the core for it, while the client that measures waits.
///
/// # Errors
/// When the system refuses.
pub(crate) fn give_way() -> Result<(), Failure> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the system call reads a `sched_param` from the pointer, which is to one that lives until it returns, and writes
    // nothing. Thread 0 is the calling one. The C library's function of this name may refuse to do it.
    let done = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_IDLE, &raw const parameters) };
    let result = if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    result.context(|| "making a thread an idle one".to_owned())
}
