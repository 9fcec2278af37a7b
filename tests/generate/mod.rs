//! Random definitions, inputs and task behaviours, from a seed.
//!
//! Definitions are mostly well-behaved, so that executions get far: states follow each other, choices and catchers jump
//! forward, a loop counts. Now and then a state loses or misses data on purpose.

#![allow(unreachable_pub, reason = "what the tests use of it")]

use std::collections::HashMap;

use expressway::{Value, task::TaskError};
use serde_json::{Map, Value as Json, json};

use super::{
    reference::{self, Failure},
    support::simulation::{self, Call},
};

/// How deep Parallel and Map states are nested.
const MOST_NESTING: usize = 2;
/// States of one machine.
const MOST_STATES: usize = 5;

/// How a task behaves: as a function of the call and its time, so that it does not matter who asks first.
#[derive(Clone, Debug)]
struct Behaviour {
    /// It fails when it is called before this time.
    fails_until_ms: u64,
    error: &'static str,
    /// What it returns; `None` for its input.
    result: Option<Json>,
    after_ms: u64,
    never: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Behaviours(HashMap<String, Behaviour>);

impl reference::Tasks for Behaviours {
    fn answer(&self, resource: &str, input: &Json, at_ms: u64) -> reference::Answer {
        let behaviour = &self.0[resource];
        // Calls with other data take another time, so that things seldom happen at the same moment.
        let after_ms = behaviour.after_ms + 13 * input["a"].as_u64().unwrap_or(0) + at_ms % 7;
        if behaviour.never {
            return (None, 0);
        }
        if at_ms < behaviour.fails_until_ms {
            return (Some(Err(Failure { error: behaviour.error.into(), cause: Some("scripted".into()) })), after_ms);
        }
        (Some(Ok(behaviour.result.clone().unwrap_or_else(|| input.clone()))), after_ms)
    }
}

impl simulation::Tasks for &Behaviours {
    fn answer(&mut self, call: &Call) -> simulation::Answer {
        let input = serde_json::from_str(&call.input.to_json()).expect("values are written as JSON");
        let (result, after_ms) = reference::Tasks::answer(*self, &call.resource, &input, call.at_ms);
        let result = result.map(|result| match result {
            Ok(value) => Ok(Value::parse(&value.to_string()).expect("serde_json writes JSON")),
            Err(failure) => Err(TaskError::new(failure.error.as_str(), failure.cause.unwrap_or_default().as_str())),
        });
        simulation::Answer { result, after_ms }
    }
}

/// A case: a definition, an input, and how its tasks behave.
#[derive(Clone, Debug)]
pub struct Case {
    pub definition: Json,
    pub input: Json,
    pub behaviours: Behaviours,
}

impl Case {
    pub fn random(seed: u64) -> Self {
        let mut generator =
            Generator { random: fastrand::Rng::with_seed(seed), behaviours: Behaviours::default(), names: 0 };
        let mut definition = generator.machine(0, &Vars::default());
        if generator.chance(15) {
            definition["TimeoutSeconds"] = generator.random.u64(1..20).into();
        }
        let input = generator.data(2);
        Self { definition, input, behaviours: generator.behaviours }
    }
}

struct Generator {
    random: fastrand::Rng,
    behaviours: Behaviours,
    names: usize,
}

/// Names of variables that can be read, and whether there is a Map around.
#[derive(Clone, Default)]
struct Vars {
    names: Vec<String>,
    in_map: bool,
}

impl Generator {
    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.random.usize(..from.len())]
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// What all data looks like: the paths of definitions are made for it.
    fn data(&mut self, depth: usize) -> Json {
        let text = *self.pick(&["x", "y", "é\"\\"]);
        let list =
            if depth == 0 { vec![] } else { (0..self.random.usize(..3)).map(|_| self.data(depth - 1)).collect() };
        json!({
            "a": self.random.u64(..6),
            "s": text,
            "b": self.random.bool(),
            "nil": null,
            "o": {"n": self.random.i64(-3..9), "t": [1, "two", 3.5]},
            "list": list,
            "seconds": self.random.u64(..4),
        })
    }

    fn path(&mut self, vars: &Vars) -> String {
        if self.chance(4) {
            return self.pick(&["$.no", "$.o.no", "$.list[9]", "$.a.b", "$.o.t[7]"]).to_string();
        }
        if self.chance(15) && !vars.names.is_empty() {
            return format!("${}", self.pick(&vars.names));
        }
        if self.chance(15) {
            let mut paths = vec!["$$.State.Name", "$$.Execution.Input.a", "$$.Execution.Input.o"];
            if vars.in_map {
                paths.extend(["$$.Map.Item.Index", "$$.Map.Item.Value"]);
            }
            return self.pick(&paths).to_string();
        }
        self.pick(&["$", "$.a", "$.s", "$.b", "$.nil", "$.o", "$.o.n", "$.o.t", "$.o.t[1]", "$.list"]).to_string()
    }

    /// A template for what a task is called with or a state makes.
    fn template(&mut self, vars: &Vars) -> Json {
        let mut members = Map::new();
        for _ in 0..self.random.usize(1..4) {
            let key = *self.pick(&["p", "q", "r"]);
            match self.random.u8(..6) {
                0 => members.insert(key.into(), json!([1, {"k.$": self.path(vars)}, "$.a"])),
                1 => members.insert(format!("{key}.$"), "States.MathAdd($.a, 2)".into()),
                2 => members.insert(format!("{key}.$"), "States.ArrayLength($.list)".into()),
                3 => members.insert(key.into(), "literal".into()),
                _ => members.insert(format!("{key}.$"), self.path(vars).into()),
            };
            // `q` and `q.$` together are one field, of which the last counts: not what is tested here.
            if members.contains_key(key) {
                members.remove(&format!("{key}.$"));
            }
        }
        members.into()
    }

    /// As a template, but what it makes has the usual fields.
    fn shaped_template(&mut self, vars: &Vars) -> Json {
        let mut template = self.template(vars);
        for field in ["a", "s", "b", "nil", "o", "list", "seconds"] {
            template[format!("{field}.$")] = format!("$.{field}").into();
        }
        template
    }

    fn rule(&mut self, vars: &Vars, depth: usize) -> Json {
        match self.random.u8(..if depth == 0 { 6 } else { 9 }) {
            0 => json!({"Variable": "$.a", "NumericEquals": self.random.u64(..6)}),
            1 => json!({"Variable": self.path(vars), "NumericLessThan": 3}),
            2 => json!({"Variable": "$.s", "StringEquals": "x"}),
            3 => json!({"Variable": "$.b", "BooleanEquals": true}),
            4 => json!({"Variable": self.path(vars), "IsPresent": self.random.bool()}),
            5 => json!({"Variable": self.path(vars), "IsNull": self.random.bool()}),
            6 => json!({"And": [self.rule(vars, depth - 1), self.rule(vars, depth - 1)]}),
            7 => json!({"Or": [self.rule(vars, depth - 1), self.rule(vars, depth - 1)]}),
            _ => json!({"Not": self.rule(vars, depth - 1)}),
        }
    }

    /// A machine whose states follow each other.
    fn machine(&mut self, nesting: usize, around: &Vars) -> Json {
        let count = self.random.usize(1..=MOST_STATES);
        let names: Vec<String> = (0..=count).map(|_| self.name("S")).collect();
        let mut vars = around.clone();
        let mut states = Map::new();
        for place in 0..count {
            let later = &names[place + 1..];
            let mut state = self.state(nesting, &vars, later);
            if !state["Assign"].is_null() {
                vars.names.extend(state["Assign"].as_object().unwrap().keys().map(|key| key.replace(".$", "")));
            }
            if self.chance(6) {
                self.damage(&mut state);
            }
            states.insert(names[place].clone(), state);
        }
        let last = if self.chance(10) {
            json!({"Type": "Fail", "Error": "Last", "Cause": "of all"})
        } else {
            json!({"Type": "Succeed"})
        };
        states.insert(names[count].clone(), last);
        let mut start = names[0].clone();
        if self.chance(15) {
            start = self.count_to_two(&mut states, &start, &names[count]);
        }
        json!({"StartAt": start, "States": states})
    }

    /// Makes the states from `first` to `last` a loop that is gone through once more.
    fn count_to_two(&mut self, states: &mut Map<String, Json>, first: &str, last: &str) -> String {
        let (init, step, test) = (self.name("Init"), self.name("Step"), self.name("Test"));
        let counter = self.name("n");
        let end = states.remove(last).expect("it is there");
        let reads = format!("${counter}");
        states.insert(init.clone(), json!({"Type": "Pass", "Assign": {&counter: 0}, "Next": first}));
        states.insert(last.into(), json!({"Type": "Pass", "Next": step}));
        let assign = json!({format!("{counter}.$"): format!("States.MathAdd({reads}, 1)")});
        states.insert(step, json!({"Type": "Pass", "Assign": assign, "Next": test}));
        let done = self.name("S");
        let rule = json!({"Variable": reads, "NumericLessThan": 2, "Next": first});
        states.insert(test, json!({"Type": "Choice", "Choices": [rule], "Default": done}));
        states.insert(done, end);
        init
    }

    fn state(&mut self, nesting: usize, vars: &Vars, later: &[String]) -> Json {
        let next = later[0].clone();
        let kind = self.random.u8(..if nesting < MOST_NESTING { 14 } else { 10 });
        let mut state = match kind {
            0..=2 => json!({"Type": "Pass", "Next": next}),
            3..=6 => self.task(),
            7 => return self.choice(vars, later),
            8 | 9 => return self.wait(&next),
            10 | 11 => {
                let branches: Vec<_> = (0..self.random.usize(1..4)).map(|_| self.branch(nesting, vars)).collect();
                json!({"Type": "Parallel", "Branches": branches})
            }
            _ => self.map(nesting, vars),
        };
        state["Next"] = next.into();
        match state["Type"].as_str().unwrap_or_default() {
            "Pass" if self.chance(60) => state["Result"] = self.data(0),
            "Pass" | "Task" if self.chance(50) => state["Parameters"] = self.shaped_template(vars),
            _ => {}
        }
        if state["Type"] != "Pass" {
            if self.chance(25) {
                let key = if state["Type"] == "Task" { "$.a" } else { "$[0]" };
                state["ResultSelector"] = json!({"selected.$": key, "all.$": "$", "fixed": [1]});
            }
            self.handlers(&mut state, later);
        }
        // Results mostly go beside what was there.
        state["ResultPath"] = match self.random.u8(..10) {
            0 => Json::Null,
            1 => "$.o.made".into(),
            2 => "$.new.place".into(),
            _ => format!("$.{}", self.pick(&["r1", "r2", "r3"])).into(),
        };
        if state["Type"] == "Pass" && state["Result"].is_null() {
            state.as_object_mut().unwrap().remove("ResultPath");
        }
        if self.chance(20) {
            let variable = self.name("v");
            state["Assign"] = json!({format!("{variable}.$"): "$", self.name("w"): 7});
        }
        state
    }

    /// A state that misses something, or loses what it should hand on.
    fn damage(&mut self, state: &mut Json) {
        let may_have = |field: &str| match field {
            "ResultPath" => matches!(state["Type"].as_str(), Some("Pass" | "Task" | "Map" | "Parallel")),
            _ => true,
        };
        match self.random.u8(..6) {
            0 => state["InputPath"] = Json::Null,
            1 => state["OutputPath"] = Json::Null,
            2 => state["OutputPath"] = "$.o".into(),
            3 => state["InputPath"] = "$.no".into(),
            4 if may_have("ResultPath") => state["ResultPath"] = "$".into(),
            5 if may_have("ResultPath") => state["ResultPath"] = "$.a.b".into(),
            _ => {}
        }
    }

    fn task(&mut self) -> Json {
        let resource = format!("arn:aws:lambda:us-east-1:123456789012:function:{}", self.name("f"));
        let behaviour = Behaviour {
            fails_until_ms: if self.chance(35) { self.random.u64(..6000) } else { 0 },
            error: self.pick::<&str>(&["A", "B", "C", "States.Timeout"]),
            result: if self.chance(40) { None } else { Some(self.data(0)) },
            after_ms: self.random.u64(1..1500),
            never: self.chance(3),
        };
        let mut state = json!({"Type": "Task", "Resource": resource});
        match self.random.u8(..10) {
            0 => state["TimeoutSeconds"] = 1.into(),
            1 => state["TimeoutSecondsPath"] = "$.seconds".into(),
            2 | 3 => state["TimeoutSeconds"] = 3.into(),
            _ => {}
        }
        self.behaviours.0.insert(resource, behaviour);
        state
    }

    fn handlers(&mut self, state: &mut Json, later: &[String]) {
        const ERRORS: [&str; 7] =
            ["A", "B", "C", "States.Timeout", "States.TaskFailed", "States.NoChoiceMatched", "Last"];
        if self.chance(40) {
            let mut retriers = Vec::new();
            for _ in 0..self.random.usize(1..3) {
                let mut retrier = json!({
                    "ErrorEquals": [*self.pick(&ERRORS)],
                    "IntervalSeconds": self.random.u64(1..3),
                    "MaxAttempts": self.random.u64(..4),
                    "BackoffRate": *self.pick(&[1.0, 1.5, 2.0]),
                });
                if self.chance(30) {
                    retrier["MaxDelaySeconds"] = 3.into();
                }
                retriers.push(retrier);
            }
            if self.chance(20) {
                retriers.push(json!({"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}));
            }
            state["Retry"] = retriers.into();
        }
        if self.chance(40) {
            let mut catchers = vec![json!({"ErrorEquals": [*self.pick(&ERRORS)], "Next": self.pick(later)})];
            if self.chance(60) {
                catchers.push(json!({"ErrorEquals": ["States.ALL"], "Next": self.pick(later)}));
            }
            for catcher in &mut catchers {
                if self.chance(85) {
                    catcher["ResultPath"] = "$.caught".into();
                }
                if self.chance(15) {
                    catcher["Assign"] = json!({format!("{}.$", self.name("e")): "$.Error"});
                }
            }
            state["Catch"] = catchers.into();
        }
    }

    fn choice(&mut self, vars: &Vars, later: &[String]) -> Json {
        let mut rules = Vec::new();
        for _ in 0..self.random.usize(1..4) {
            let mut rule = self.rule(vars, 2);
            rule["Next"] = self.pick(later).clone().into();
            if self.chance(15) {
                rule["Assign"] = json!({self.name("c"): "rule"});
            }
            rules.push(rule);
        }
        let mut state = json!({"Type": "Choice", "Choices": rules, "Default": later[0]});
        if self.chance(15) {
            state["Assign"] = json!({self.name("d"): "default"});
        }
        if self.chance(8) {
            // Somebody must lead to the next state.
            state["Choices"][0]["Next"] = later[0].clone().into();
            state.as_object_mut().unwrap().remove("Default");
            state.as_object_mut().unwrap().remove("Assign");
        }
        state
    }

    fn wait(&mut self, next: &str) -> Json {
        let mut state = json!({"Type": "Wait", "Next": next});
        match self.random.u8(..5) {
            0 => state["Seconds"] = self.random.u64(..5).into(),
            1 => state["SecondsPath"] = "$.seconds".into(),
            _ => {
                let (seconds, milliseconds) = (self.random.u8(..9), self.random.u16(..1000));
                state["Timestamp"] = format!("2026-01-01T00:00:{seconds:02}.{milliseconds:03}Z").into();
            }
        }
        state
    }

    /// A branch: it begins with a task, so that branches seldom do things at the same moment.
    fn branch(&mut self, nesting: usize, vars: &Vars) -> Json {
        let mut machine = self.machine(nesting + 1, vars);
        if self.chance(85) {
            let mut first = self.task();
            let behaviour = self.behaviours.0.get_mut(first["Resource"].as_str().unwrap_or_default());
            let behaviour = behaviour.expect("it was just made");
            (behaviour.fails_until_ms, behaviour.never) = (0, false);
            first.as_object_mut().unwrap().retain(|key, _| !key.starts_with("Timeout"));
            first["ResultPath"] = "$.first".into();
            first["Next"] = machine["StartAt"].clone();
            let name = self.name("S");
            machine["States"][&name] = first;
            machine["StartAt"] = name.into();
        }
        machine
    }

    fn map(&mut self, nesting: usize, vars: &Vars) -> Json {
        let inner = Vars { in_map: true, ..vars.clone() };
        let mut state = json!({"Type": "Map", "ItemProcessor": self.branch(nesting, &inner), "ItemsPath": "$.list"});
        if self.chance(50) {
            state["MaxConcurrency"] = self.random.u64(..4).into();
        }
        if self.chance(30) {
            let mut selector = json!({"outer.$": "$.a", "index.$": "$$.Map.Item.Index"});
            for field in ["a", "s", "b", "nil", "o", "list", "seconds"] {
                selector[format!("{field}.$")] = format!("$$.Map.Item.Value.{field}").into();
            }
            state["ItemSelector"] = selector;
        }
        if self.chance(15) {
            state["ToleratedFailureCount"] = 1.into();
        }
        state
    }
}
