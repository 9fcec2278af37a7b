//! The directory of `--definitions`: each `NAME.asl.json` is the state machine NAME, and changes when its file does.
//!
//! A file with an error is reported with its diagnostics, and the last good version goes on serving. A file that goes
//! away leaves its machine behind: an editor that replaces a file removes it for a moment.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::report;
use crate::{
    cli::{render::render, simulation::Simulation},
    model::{machine_type::MachineType, quota::MAX_DEFINITION_BYTES},
    registry::{CreateStateMachine, RegistryError, UpdateStateMachine},
    runtime::Runtime,
};

/// How the names of definition files end.
const SUFFIX: &str = ".asl.json";
/// How long a directory must be quiet before changed files are read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// Most changed files that are remembered at once; beyond, the directory is read as a whole.
const MAX_CHANGED: usize = 10_000;

/// The machines of a directory.
pub(in crate::cli) struct Definitions {
    machines: Machines,
    watcher: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<notify::Result<notify::Event>>,
}

/// Follows the directory until it is dropped.
pub(in crate::cli) struct Watching {
    _watcher: Option<RecommendedWatcher>,
}

impl Definitions {
    /// Creates the machines of all files. A file with an error is reported and left out.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub(in crate::cli) fn load(runtime: Runtime, directory: PathBuf, simulation: Simulation) -> Result<Self, String> {
        let machines = Machines { runtime, directory, simulation };
        let (sender, changes) = mpsc::channel();
        // Watched before it is read, so that no change in between is missed.
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // Nobody receives any more once the server drains.
            let _ = sender.send(event);
        });
        let watch = |mut watcher: RecommendedWatcher| {
            watcher.watch(&machines.directory, RecursiveMode::NonRecursive).map(|()| watcher)
        };
        let watcher = watcher.and_then(watch).map_err(|error| {
            report(&format!("--definitions {}: changes are not seen: {error}", machines.directory.display()));
        });
        for path in machines.files()? {
            machines.publish(&path);
        }
        Ok(Self { machines, watcher: watcher.ok(), changes })
    }

    /// Follows the directory in a thread of its own, so that no shard ever reads a file.
    pub(in crate::cli) fn watch(self) -> Watching {
        let Self { machines, watcher, changes } = self;
        if watcher.is_some() {
            let follow = move || machines.follow(&changes);
            if let Err(error) = std::thread::Builder::new().name("definitions".into()).spawn(follow) {
                report(&format!("changes of definitions are not seen: {error}"));
            }
        }
        Watching { _watcher: watcher }
    }
}

/// What publishes the files of a directory.
struct Machines {
    runtime: Runtime,
    directory: PathBuf,
    simulation: Simulation,
}

impl Machines {
    /// The definition files, by name.
    fn files(&self) -> Result<BTreeSet<PathBuf>, String> {
        let message = |error| format!("--definitions {}: {error}", self.directory.display());
        let mut files = BTreeSet::new();
        for entry in fs::read_dir(&self.directory).map_err(message)? {
            let path = entry.map_err(message)?.path();
            if machine_name(&path).is_some() {
                files.insert(path);
            }
        }
        Ok(files)
    }

    /// Creates or updates the machine of a file.
    fn publish(&self, path: &Path) {
        let Some(name) = machine_name(path) else { return };
        let definition = match read_definition(path) {
            Ok(text) => text,
            Err(error) => return report(&format!("{}: {error}", path.display())),
        };
        let registry = self.runtime.registry();
        let arn = registry.home().state_machine_arn(name);
        let known = registry.get(&arn);
        if known.as_ref().is_some_and(|record| *record.definition == *definition) {
            return;
        }
        let published = if known.is_some() {
            registry.update(
                &arn,
                UpdateStateMachine { definition: Some(definition.clone()), ..UpdateStateMachine::default() },
            )
        } else {
            registry.create(CreateStateMachine {
                name: name.to_owned(),
                definition: definition.clone(),
                role_arn: format!("arn:aws:iam::{}:role/expressway", registry.home().account),
                machine_type: MachineType::Express,
                ..CreateStateMachine::default()
            })
        };
        let program = published.as_ref().ok().and_then(|record| record.program.as_ref());
        for warning in program.map(|program| self.simulation.warnings(name, program)).unwrap_or_default() {
            report(&warning);
        }
        match published {
            Ok(_) if known.is_some() => report(&format!("{}: updated {arn}", path.display())),
            Ok(_) => {}
            Err(RegistryError::InvalidDefinition { diagnostics, .. }) => {
                let rest = if known.is_some() { "the last good version goes on serving" } else { "not created" };
                let rendered = render(&path.display().to_string(), &definition, &diagnostics, false);
                report(&format!("{}: {rest}\n{}", path.display(), rendered.trim_end()));
            }
            Err(error) => report(&format!("{}: {error}", path.display())),
        }
    }

    /// Publishes files that changed, once the directory is quiet. Ends when the watcher is gone.
    fn follow(&self, changes: &mpsc::Receiver<notify::Result<notify::Event>>) {
        let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
        loop {
            let event = if changed.is_empty() {
                changes.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                changes.recv_timeout(QUIET)
            };
            match event {
                Ok(Ok(event)) if event.need_rescan() || changed.len() > MAX_CHANGED => {
                    changed = self.files().unwrap_or_default();
                }
                Ok(Ok(event)) => changed.extend(event.paths.into_iter().filter(|path| machine_name(path).is_some())),
                Ok(Err(error)) => report(&format!("--definitions {}: {error}", self.directory.display())),
                Err(RecvTimeoutError::Timeout) => {
                    for path in std::mem::take(&mut changed) {
                        if path.exists() {
                            self.publish(&path);
                        } else {
                            report(&format!("{}: gone; its last version goes on serving", path.display()));
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// The text of a definition file, which is refused unread when it is too long to be one.
fn read_definition(path: &Path) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_DEFINITION_BYTES as u64 {
        return Err(format!("longer than the {MAX_DEFINITION_BYTES} bytes that a definition may have"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The name of the machine that a file defines, if it is a definition file.
fn machine_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(SUFFIX).filter(|name| !name.is_empty() && !name.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_named_by_their_files() {
        assert_eq!(machine_name(Path::new("dir/orders.asl.json")), Some("orders"));
        for other in ["orders.json", ".asl.json", ".orders.asl.json", "orders.asl.json~", "dir"] {
            assert_eq!(machine_name(Path::new(other)), None, "{other}");
        }
    }
}
