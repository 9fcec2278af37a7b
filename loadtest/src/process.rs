//! What /proc tells of a process: CPU time and resident memory (proc(5)).

use crate::failure::{Context, Failure};
use std::ops::Sub;
use std::time::Duration;

/// A process on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessId(pub(crate) u32);

/// CPU time used by all threads of a process, those that have ended included; exact to one clock tick (10 ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTime {
    /// Time in the process's own code.
    pub(crate) user: Duration,
    /// Time in the kernel on its behalf.
    pub(crate) system: Duration,
}

impl CpuTime {
    /// User and system time together.
    pub(crate) fn total(self) -> Duration {
        self.user + self.system
    }
}

impl Sub for CpuTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }
}

impl ProcessId {
    /// This process.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// CPU time used so far.
    ///
    /// # Errors
    /// When the process has gone or its line in /proc is not as proc(5) says.
    pub(crate) fn cpu_time(self) -> Result<CpuTime, Failure> {
        let path = format!("/proc/{}/stat", self.0);
        let line = std::fs::read_to_string(&path).context(|| format!("reading {path}"))?;
        parse_stat(&line, rustix::param::clock_ticks_per_second())
            .ok_or_else(|| Failure::new(format!("{path} is not as expected: {line:?}")))
    }

    /// Resident memory now, in bytes.
    ///
    /// # Errors
    /// As for [`ProcessId::cpu_time`].
    pub(crate) fn resident_bytes(self) -> Result<u64, Failure> {
        let path = format!("/proc/{}/status", self.0);
        let text = std::fs::read_to_string(&path).context(|| format!("reading {path}"))?;
        parse_resident_bytes(&text).ok_or_else(|| Failure::new(format!("{path} has no VmRSS")))
    }
}

/// Fields 14 (utime) and 15 (stime) of /proc/PID/stat. The name in field 2 may hold spaces and parentheses itself, so
/// counting begins after the last parenthesis, with field 3.
fn parse_stat(line: &str, ticks_per_second: u64) -> Option<CpuTime> {
    let (_, after_name) = line.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut next = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_nanos(ticks.checked_mul(1_000_000_000)? / ticks_per_second.max(1)))
    };
    Some(CpuTime { user: next()?, system: next()? })
}

/// The VmRSS line of /proc/PID/status, which is in KiB.
fn parse_resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_fields() {
        let line = "4046 (a) S (b) 7) S 4045 4046 4046 0 -1 4194560 1515 37716 1 33 250 125 18 6 20 0 1 0 32676";
        let cpu = parse_stat(line, 100).unwrap();
        assert_eq!(cpu.user, Duration::from_millis(2500));
        assert_eq!(cpu.system, Duration::from_millis(1250));
        assert_eq!(cpu.total(), Duration::from_millis(3750));
    }

    #[test]
    fn a_cut_line_is_refused() {
        assert_eq!(parse_stat("4046 (bash) S 1 2 3", 100), None);
        assert_eq!(parse_stat("", 100), None);
    }

    #[test]
    fn resident_memory_is_in_kibibytes() {
        assert_eq!(parse_resident_bytes("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t    1234 kB\n"), Some(1_263_616));
        assert_eq!(parse_resident_bytes("Name:\tkthread\n"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let own = ProcessId::own();
        assert!(own.resident_bytes().unwrap() > 100_000);
        assert!(own.cpu_time().is_ok());
        assert!(ProcessId(u32::MAX).cpu_time().is_err());
    }
}
