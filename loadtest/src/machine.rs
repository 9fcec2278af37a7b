//! Where a measurement was made: processor, cores, kernel and commit. A figure without them means nothing.

use serde_json::{Value, json};
use std::process::Command;

/// The machine and the source a report is of.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Processor model.
    pub(crate) cpu: String,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// Kernel release.
    pub(crate) kernel: String,
    /// Commit of the working directory, with `-dirty` when tracked files differ from it.
    pub(crate) commit: String,
}

impl Machine {
    /// Reads what this machine is; what cannot be read is "unknown".
    pub(crate) fn read() -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            cpu: std::fs::read_to_string("/proc/cpuinfo")
                .ok()
                .and_then(|text| cpu_model(&text))
                .unwrap_or_else(unknown),
            cores: cores(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            commit: commit().unwrap_or_else(unknown),
        }
    }

    /// One line for the text report.
    pub(crate) fn line(&self) -> String {
        format!("machine   {}, {} cores, Linux {}, commit {}", self.cpu, self.cores, self.kernel, self.commit)
    }

    /// The same for the JSON report.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "cpu": self.cpu, "cores": self.cores, "kernel": self.kernel, "commit": self.commit })
    }
}

/// Cores that this process may use, at least 1.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The first processor's model in /proc/cpuinfo.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The commit checked out in the working directory.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-dirty") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_processor_model() {
        let text = "processor\t: 0\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nprocessor\t: 1\n";
        assert_eq!(cpu_model(text).as_deref(), Some("AMD EPYC"));
        assert_eq!(cpu_model(""), None);
    }
}
