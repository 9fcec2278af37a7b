//! Pipes that run: their lanes on the shards of a runtime, and what is said of them.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};

use super::{
    report,
    settings::{Machine, PipeSettings},
};
use crate::{
    Runtime,
    cli::{load, simulation::Simulation},
    model::{arn::Home, execution::MachineIdentity},
    registry::ThreadMachine,
    runtime::Shard,
    source::{
        CountersSnapshot, Ends, Execute, IntakeExecutor, Lane, LaneParts, PipeCounters, RegistryExecutor, ShardExecutor,
    },
};

/// A pipe whose file was read and compiled.
pub(in crate::cli) struct Loaded {
    pipe: PipeSettings,
    machine: LoadedMachine,
}

#[derive(Clone)]
enum LoadedMachine {
    Program { machine: ThreadMachine, definition: Arc<str>, test_case: Option<Arc<str>> },
    Registry(Option<String>),
    Intake,
}

/// Reads and compiles the definitions of pipes that name files.
///
/// # Errors
/// What is wrong, for the operator.
pub(in crate::cli) fn load(pipes: Vec<PipeSettings>, simulation: &Simulation) -> Result<Vec<Loaded>, String> {
    let load_one = |pipe: PipeSettings| {
        let machine = match &pipe.machine {
            Machine::Registry(name) => LoadedMachine::Registry(name.clone()),
            Machine::Intake => LoadedMachine::Intake,
            Machine::File(path) => {
                let (program, definition) = load::program(path)?;
                let home = Home::default();
                let name = pipe.machine_name();
                let test_case = simulation.test_case_of(&name)?;
                let warn = |test_case: &Arc<str>| simulation.warning(&name, test_case, &program);
                if let Some(warning) = test_case.as_ref().and_then(warn) {
                    report(&warning);
                }
                let identity = Arc::new(MachineIdentity {
                    arn: home.state_machine_arn(&name),
                    execution_arn_prefix: home.express_execution_arn_prefix(&name),
                    name,
                    role_arn: String::new(),
                });
                let machine = ThreadMachine { program: Arc::new(program), identity };
                LoadedMachine::Program { machine, definition: definition.into(), test_case }
            }
        };
        Ok(Loaded { pipe, machine })
    };
    pipes.into_iter().map(load_one).collect()
}

impl LoadedMachine {
    /// What runs the executions of a lane. A machine of a file is copied, as executions count references to it: lanes would
    /// wait for each other's counts.
    fn executor(&self, shard: Shard) -> Box<dyn Execute> {
        match self.clone() {
            Self::Program { machine, definition, test_case } => {
                let ThreadMachine { program, identity } = machine.copy(&definition);
                Box::new(ShardExecutor { shard, program, machine: identity, test_case })
            }
            Self::Registry(machine) => Box::new(RegistryExecutor { shard, machine }),
            Self::Intake => Box::new(IntakeExecutor { shard }),
        }
    }
}

/// A pipe that runs.
struct Running {
    name: String,
    counters: Arc<PipeCounters>,
    lanes: usize,
}

/// Pipes that run.
pub(in crate::cli) struct Pipes {
    stop: watch::Sender<bool>,
    ends: mpsc::UnboundedReceiver<Ends>,
    running: Vec<Running>,
    /// Lanes that have not ended.
    lanes: usize,
    handed_back: usize,
    progress: Progress,
}

impl Pipes {
    /// Starts pipes on the shards of a runtime.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(in crate::cli) fn start(
        runtime: &Runtime,
        pipes: Vec<Loaded>,
        drain_timeout: Duration,
        progress: Option<Duration>,
    ) -> Result<Self, String> {
        let (stop, stopped) = watch::channel(false);
        let (ended, ends) = mpsc::unbounded_channel();
        let mut running = Vec::new();
        for pipe in pipes {
            running.push(start(runtime, pipe, drain_timeout, &stopped, &ended)?);
        }
        let lanes = running.iter().map(|pipe| pipe.lanes).sum();
        let progress = Progress { every: progress, last: vec![CountersSnapshot::default(); running.len()] };
        Ok(Self { stop, ends, running, lanes, handed_back: 0, progress })
    }

    /// Waits until all lanes have ended, and reports meanwhile. May be dropped and called again.
    ///
    /// # Errors
    /// When a shard has failed.
    pub(in crate::cli) async fn ended(&mut self) -> Result<(), String> {
        while self.lanes > 0 {
            tokio::select! {
                end = self.ends.recv() => match end {
                    Some(Ends { handed_back }) => {
                        self.lanes -= 1;
                        self.handed_back += handed_back;
                    }
                    None => return Err("a shard failed".into()),
                },
                () = self.progress.next(&self.running) => {}
            }
        }
        Ok(())
    }

    /// Tells all lanes to stop; whether that was said before.
    pub(in crate::cli) fn stop(&self) -> bool {
        self.stop.send_replace(true)
    }

    /// Events that are in flight.
    pub(in crate::cli) fn in_flight(&self) -> u64 {
        self.running.iter().map(|pipe| pipe.counters.snapshot().in_flight).sum()
    }

    /// Reports the counters for the last time; whether all events had ended in time.
    pub(in crate::cli) fn last_words(&self) -> bool {
        for pipe in &self.running {
            report(&line(&pipe.name, &pipe.counters.snapshot()));
        }
        if self.handed_back > 0 {
            report(&format!("{} events had not ended in time and were handed back", self.handed_back));
        }
        self.handed_back == 0
    }
}

/// Starts the lanes of a pipe, each on a shard of its own.
fn start(
    runtime: &Runtime,
    Loaded { pipe, machine }: Loaded,
    drain_timeout: Duration,
    stopped: &watch::Receiver<bool>,
    ended: &mpsc::UnboundedSender<Ends>,
) -> Result<Running, String> {
    let lanes = pipe.lanes(runtime.shards());
    let counters = Arc::new(PipeCounters::new(lanes));
    let running = Running { name: pipe.name.clone(), counters: Arc::clone(&counters), lanes };
    let places = pipe.places()?;
    let (stopped, ended) = (stopped.clone(), ended.clone());
    let pipe = Arc::new(pipe);
    let spawned = runtime.spawn_on_shards(move |shard| {
        let (machine, counters) = (machine.clone(), Arc::clone(&counters));
        let (pipe, places) = (Arc::clone(&pipe), places.clone());
        let (stopped, ended) = (stopped.clone(), ended.clone());
        Box::pin(async move {
            let index = shard.index();
            if index >= lanes {
                return;
            }
            let name = pipe.name.clone();
            let say: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(move |message| report(&format!("{name}: {message}")));
            let open = match places.open(&pipe, index, lanes, &say) {
                Ok(open) => open,
                Err(error) => {
                    say(&error);
                    let _ = ended.send(Ends { handed_back: 0 });
                    return;
                }
            };
            let parts = LaneParts {
                index,
                executor: machine.executor(shard),
                acknowledger: open.acknowledger,
                results: open.results,
                dead_letters: open.dead_letters,
                counters,
                report: Box::new(move |message| say(message)),
            };
            let lane: Rc<Lane> = Lane::new(pipe.lane_settings(lanes, drain_timeout), parts);
            // Nobody waits any more after a second signal.
            let _ = ended.send(lane.run(open.source, stopped).await);
        })
    });
    if spawned { Ok(running) } else { Err("a shard is too busy to take a pipe".into()) }
}

/// Lines with the counters, once in a while.
struct Progress {
    every: Option<Duration>,
    last: Vec<CountersSnapshot>,
}

impl Progress {
    async fn next(&mut self, pipes: &[Running]) {
        match self.every {
            Some(every) => tokio::time::sleep(every).await,
            None => std::future::pending().await,
        }
        for (pipe, last) in pipes.iter().zip(&mut self.last) {
            let now = pipe.counters.snapshot();
            // A pipe that has nothing to do says nothing.
            if now != std::mem::replace(last, now) {
                report(&line(&pipe.name, &now));
            }
        }
    }
}

fn line(name: &str, counters: &CountersSnapshot) -> String {
    let CountersSnapshot {
        received,
        redelivered,
        filtered,
        started,
        succeeded,
        failed,
        published,
        acknowledged,
        handed_back,
        dead_lettered,
        in_flight,
        lag,
        oldest_ms,
    } = counters;
    format!(
        "{name}: received={received} redelivered={redelivered} filtered={filtered} started={started} \
         succeeded={succeeded} failed={failed} published={published} acknowledged={acknowledged} \
         handed_back={handed_back} dead_lettered={dead_lettered} in_flight={in_flight} lag={lag} oldest_ms={oldest_ms}"
    )
}
