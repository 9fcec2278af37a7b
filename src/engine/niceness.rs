//! How threads of the background give way to others.
#![allow(unsafe_code, reason = "no safe crate has the system call that sets a thread's slice of time")]

/// How nice the background is: by the kernel's weights it gets a tenth of a core that others want as well.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// How long it may run before others that wake up take its core, in nanoseconds: the shortest that Linux allows. Since 6.12;
/// older kernels take no notice.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 100_000;

/// Lets other threads go before the calling one. Where the system refuses, it competes as an equal.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    {
        let attributes = Attributes {
            size: size_of::<Attributes>() as u32,
            nice: NICENESS,
            runtime_ns: SLICE_NS,
            ..Attributes::default()
        };
        // SAFETY: the system call reads `size` bytes from the pointer, which is to a structure of that size that lives until it
        // returns, laid out as the first version of the kernel's `sched_attr`. It writes nothing. Thread 0 is the calling one, and
        // there are no flags.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    }
}

/// The kernel's `struct sched_attr` (sched_setattr(2)), whose policy 0 is that of all threads.
#[cfg(target_os = "linux")]
#[derive(Default)]
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_calling_thread_becomes_nicer_and_no_other() {
        // The field behind the name, which is in parentheses: the 19th of proc(5)'s stat, counted from 1.
        fn nice_of(path: &str) -> i32 {
            let stat = std::fs::read_to_string(path).expect("Linux has /proc");
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(16)?.parse().ok()).expect("a number")
        }
        let before = nice_of("/proc/thread-self/stat");
        let inside = std::thread::spawn(|| {
            give_way();
            nice_of("/proc/thread-self/stat")
        });
        assert_eq!(inside.join().expect("it does not panic"), NICENESS);
        assert_eq!(nice_of("/proc/thread-self/stat"), before);
    }
}
