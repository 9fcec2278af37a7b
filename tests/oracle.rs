//! Random executions: the engine and a naive interpreter must agree.
//!
//! `EXPRESSWAY_SEED` is the first seed, `EXPRESSWAY_CASES` how many follow; a failure names the seed of its case.
//! However the engine's work is cut into steps, and whatever signals come that nobody waits for, the outcome is the same.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

mod generate;
mod reference;
mod support;

use expressway::{Value, asl, compile, model::machine_type::MachineType, program::Program};
use generate::Case;
use reference::{Interpreter, Verdict};
use serde_json::Value as Json;
use support::simulation::{self, World};

/// Cases that are run when nobody says how many: a few seconds.
const CASES: u64 = 600;

/// How causes begin that name states and events.
const CAUSES: [&str; 2] = ["An error occurred while executing the state", "The state/task"];

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Causes in the data that name states and events: the oracle counts none.
fn without_causes(value: Json) -> Json {
    match value {
        Json::String(text) if CAUSES.iter().any(|cause| text.starts_with(cause)) => "<cause>".into(),
        Json::Array(items) => items.into_iter().map(without_causes).collect(),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(key, value)| (key, without_causes(value))).collect())
        }
        other => other,
    }
}

fn shorten(verdict: &Verdict) -> String {
    verdict.to_string().chars().take(4000).collect()
}

fn engine(case: &Case, program: &Program, world: World<&generate::Behaviours>) -> Verdict {
    let input = Value::parse(&case.input.to_string()).expect("serde_json writes JSON");
    let ended = simulation::run(program, input, World { yield_ms: 0, ..world });
    Verdict {
        status: ended.outcome.status.as_str(),
        output: ended.outcome.output.map(|output| without_causes(serde_json::from_str(&output.to_json()).unwrap())),
        error: ended.outcome.error.map(|error| error.as_str().to_owned()),
        milliseconds: ended.milliseconds,
    }
}

/// What the case shows: nothing when two things fail at the same moment.
fn check(seed: u64) -> Option<Verdict> {
    let case = Case::random(seed);
    let text = case.definition.to_string();
    let checked = asl::check(&text, MachineType::Express);
    let machine = checked.machine.unwrap_or_else(|| panic!("seed {seed}: {:?}\n{text}", checked.diagnostics));
    let program = compile::compile(&machine).unwrap_or_else(|problems| panic!("seed {seed}: {problems:?}\n{text}"));

    let mut oracle = Interpreter::new(&case.behaviours, case.input.clone());
    let mut expected = oracle.execute(&machine);
    expected.output = expected.output.map(without_causes);

    let whole = engine(&case, &program, World::new(&case.behaviours));
    let mut random = fastrand::Rng::with_seed(seed);
    let most = random.u32(1..20);
    let mischief = Some(random.fork());
    let cut =
        World { budget: Box::new(move || random.u32(1..=most)), mischief, parks: true, ..World::new(&case.behaviours) };
    let cut = engine(&case, &program, cut);
    if oracle.ambiguous {
        return None;
    }
    let case = format!("seed {seed}\n{text}\ninput {}", case.input);
    assert!(whole == expected, "{case}\nengine {}\noracle {}", shorten(&whole), shorten(&expected));
    assert!(cut == expected, "{case}\nengine in small steps {}\noracle {}", shorten(&cut), shorten(&expected));
    Some(expected)
}

#[test]
fn engine_and_oracle_agree() {
    let (first, count) = (variable("EXPRESSWAY_SEED", 1), variable("EXPRESSWAY_CASES", CASES));
    let verdicts: Vec<_> = (first..first + count).filter_map(check).collect();
    let of = |status: &str| verdicts.iter().filter(|verdict| verdict.status == status).count();
    let (succeeded, failed, timed_out) = (of("SUCCEEDED"), of("FAILED"), of("TIMED_OUT"));
    println!("{count} cases: {succeeded} succeeded, {failed} failed, {timed_out} timed out, the others say nothing");
    if count >= CASES {
        // The generator makes cases of all kinds, or it shows less than it seems to.
        let least = count as usize / 50;
        assert!(succeeded > 10 * least && failed > 5 * least && timed_out > least / 2, "the cases are too much alike");
    }
}
