//! The directory of `--definitions`: each `NAME.asl.json` is the state machine NAME, and changes when its file does.
//!
//! A file with an error is reported with its diagnostics, and the last good version goes on serving. A file that goes
//! away leaves its machine behind: an editor that replaces a file removes it for a moment.

use std::{
    collections::BTreeSet,
    fs,
    num::NonZero,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, available_parallelism},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::report;
use crate::{
    cli::{render::render, simulation::Simulation},
    model::{machine_type::MachineType, quota::MAX_DEFINITION_BYTES},
    registry::{CheckedRequest, CreateStateMachine, RegistryError, StateMachineRecord, UpdateStateMachine},
    runtime::Runtime,
};

/// How the names of definition files end.
const SUFFIX: &str = ".asl.json";
/// How long a directory must be quiet before changed files are read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// Most threads that read definitions when the server starts.
const MAX_READERS: usize = 16;
/// Fewer files than this are not worth a thread.
const MIN_SHARE: usize = 32;
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
        let files: Vec<_> = machines.files()?.into_iter().collect();
        // Reading and checking is most of the work; creating goes by name, as lists show machines in the order of creation.
        let read = on_all_cores(&files, |path| machines.read(path));
        for (path, read) in files.iter().zip(read) {
            machines.create(path, read);
        }
        Ok(Self { machines, watcher: watcher.ok(), changes })
    }

    /// Follows the directory in a thread of its own, so that no shard ever reads a file.
    pub(in crate::cli) fn watch(self) -> Watching {
        let Self { machines, watcher, changes } = self;
        if watcher.is_some() {
            let follow = move || machines.follow(&changes);
            if let Err(error) = thread::Builder::new().name("definitions".into()).spawn(follow) {
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

    /// Reads and checks the definition of a machine that is new.
    fn read(&self, path: &Path) -> Result<Read, String> {
        let definition = read_definition(path)?;
        let request = CreateStateMachine {
            name: machine_name(path).unwrap_or_default().to_owned(),
            definition: definition.clone(),
            role_arn: format!("arn:aws:iam::{}:role/expressway", self.runtime.registry().home().account),
            machine_type: MachineType::Express,
            ..CreateStateMachine::default()
        };
        Ok(Read { definition, checked: request.check() })
    }

    /// Creates the machine of a file that has been read.
    fn create(&self, path: &Path, read: Result<Read, String>) {
        match read {
            Ok(Read { definition, checked }) => {
                let created = checked.and_then(|checked| self.runtime.registry().create_checked(checked));
                self.tell(path, &definition, created, "not created");
            }
            Err(error) => report(&format!("{}: {error}", path.display())),
        }
    }

    /// Creates or updates the machine of a file.
    fn publish(&self, path: &Path) {
        let Some(name) = machine_name(path) else { return };
        let registry = self.runtime.registry();
        let arn = registry.home().state_machine_arn(name);
        let Some(known) = registry.get(&arn) else { return self.create(path, self.read(path)) };
        let definition = match read_definition(path) {
            Ok(text) => text,
            Err(error) => return report(&format!("{}: {error}", path.display())),
        };
        if *known.definition == *definition {
            return;
        }
        let request = UpdateStateMachine { definition: Some(definition.clone()), ..UpdateStateMachine::default() };
        let updated = registry.update(&arn, request);
        let is_updated = updated.is_ok();
        self.tell(path, &definition, updated, "the last good version goes on serving");
        if is_updated {
            report(&format!("{}: updated {arn}", path.display()));
        }
    }

    /// Reports what there is to say of a definition; `otherwise` is what becomes of one that is not valid.
    fn tell(
        &self,
        path: &Path,
        definition: &str,
        published: Result<Arc<StateMachineRecord>, RegistryError>,
        otherwise: &str,
    ) {
        match published {
            Ok(record) => {
                let warnings = |program| self.simulation.warnings(&record.identity.name, program);
                for warning in record.program.as_deref().map(warnings).unwrap_or_default() {
                    report(&warning);
                }
            }
            Err(RegistryError::InvalidDefinition { diagnostics, .. }) => {
                let rendered = render(&path.display().to_string(), definition, &diagnostics, false);
                report(&format!("{}: {otherwise}\n{}", path.display(), rendered.trim_end()));
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

/// A definition that was read, and what its machine is to be.
struct Read {
    definition: String,
    checked: Result<CheckedRequest, RegistryError>,
}

/// What `work` makes of each item, in their order, with all cores.
fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = available_parallelism().map_or(1, NonZero::get).min(MAX_READERS);
    let share = items.len().div_ceil(threads).max(MIN_SHARE);
    let work = &work;
    thread::scope(|scope| {
        let started: Vec<_> =
            items.chunks(share).map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<_>>())).collect();
        started.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
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
