//! How threads of the background give way to all others; the load generator's do too.
#![allow(unsafe_code, reason = "no safe crate has the system call that sets a thread's policy")]

/// Lets all other threads go before the calling one, at once: it gets what they leave, and next to nothing when they leave
/// nothing (sched(7), `SCHED_IDLE`). Only here can it be that, for niceness lets it keep the core for a slice of time that others
/// wait for. Threads that it starts do the same.
///
/// # Errors
/// When the system refuses, so that the thread competes as an equal. Other systems than Linux are not asked.
pub fn give_way() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the system call reads a `sched_param` from the pointer, which is to one that lives until it returns, and
        // writes nothing. Thread 0 is the calling one. The C library's function of this name may refuse to do it.
        let done = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_IDLE, &raw const parameters) };
        if done != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The policy in the 41st field of proc(5)'s stat: the 39th after the name, which is in parentheses.
    fn policy() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux has /proc");
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(38)?.parse().ok()).expect("a number")
    }

    #[test]
    fn the_calling_thread_gives_way_and_no_other() {
        let before = policy();
        let inside = std::thread::spawn(|| {
            give_way().expect("any thread may do that");
            policy()
        });
        assert_eq!((inside.join().expect("it does not panic"), policy()), (libc::SCHED_IDLE, before));
    }
}
