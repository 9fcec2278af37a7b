//! Random expressions of the fast subset over random data, through both ways of evaluating them. `EXPRESSWAY_CASES` says how
//! many; `EXPRESSWAY_SEED` where to start; `EXPRESSWAY_SHOW` how many differences are printed. The last run of a million, with
//! its command, is in `benches/README.md`, "jsonata".

use std::{collections::BTreeMap, env};

use expressway::{
    Value,
    query::jsonata::{Evaluated, Expression, JsonataEnvironment, JsonataError},
    value::{ValueRef, View},
};
use fastrand::Rng;

const DEFAULT_CASES: u64 = 4000;
/// How often a case may run out of time, less one.
const ATTEMPTS: usize = 5;

struct Data {
    input: Value,
    document: Option<Value>,
    variables: BTreeMap<&'static str, Value>,
}

impl JsonataEnvironment for Data {
    fn input(&self) -> Option<&Value> {
        Some(&self.input)
    }
    fn result(&self) -> Option<&Value> {
        None
    }
    fn error_output(&self) -> Option<&Value> {
        None
    }
    fn context(&self) -> Option<&Value> {
        None
    }
    fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }
    fn random(&self) -> u64 {
        1
    }
    fn now_ms(&self) -> u64 {
        0
    }
    fn document(&self) -> Option<&Value> {
        self.document.as_ref()
    }
}

const NAMES: &[&str] = &["a", "b", "c", "items", "price", "name"];

/// JSON text of random data: objects with few names, so that paths find something.
fn json(rng: &mut Rng, depth: u32) -> String {
    match rng.u32(0..if depth == 0 { 7 } else { 12 }) {
        0 => "null".into(),
        1 => rng.bool().to_string(),
        2 => rng.i32(-3..12).to_string(),
        3 => ["0", "1.5", "-0.25", "100", "1e3", "0.1", "123456789012", "9007199254740993", "1.10"][rng.usize(0..9)]
            .into(),
        4 | 5 => ["\"\"", "\"x\"", "\"ab\"", "\"12\"", "\"a\\\"b\\n\"", "\"é\""][rng.usize(0..6)].into(),
        6 => rng.u32(0..5).to_string(),
        7 | 8 => {
            let items: Vec<_> = (0..rng.u32(0..4)).map(|_| json(rng, depth - 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let mut members = BTreeMap::new();
            for _ in 0..rng.u32(0..5) {
                members.insert(NAMES[rng.usize(0..NAMES.len())], json(rng, depth - 1));
            }
            let members: Vec<_> = members.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// Text of a random expression of the subset.
struct Writer<'r> {
    rng: &'r mut Rng,
    /// Variables in sight.
    names: Vec<String>,
}

impl Writer<'_> {
    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.rng.usize(0..from.len())]
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.rng.usize(0..NAMES.len())]
    }

    fn literal(&mut self) -> String {
        match self.rng.u32(0..6) {
            0 => self.pick(&["true", "false", "null"]).into(),
            1 => self.pick(&["\"x\"", "'ab'", "''", "\"12\"", "'é'"]).into(),
            2 => self.pick(&["0.5", "1e3", "2.25", "0.1", "1e21", "1e-7"]).into(),
            _ => self.rng.u32(0..6).to_string(),
        }
    }

    fn root(&mut self) -> String {
        match self.rng.u32(0..10) {
            0..=3 => "$states.input".into(),
            4 => self.pick(&["$v", "$w", "$missing"]).into(),
            5 if !self.names.is_empty() => format!("${}", self.names[self.rng.usize(0..self.names.len())]),
            6 => "$".into(),
            7 => "$$".into(),
            _ => self.name().into(),
        }
    }

    fn predicates(&mut self, depth: u32, out: &mut String) {
        while self.rng.u32(0..4) == 0 {
            let predicate = match self.rng.u32(0..7) {
                0 | 1 => self.rng.u32(0..3).to_string(),
                2 => "-1".into(),
                3 => format!("{} > {}", self.name(), self.rng.u32(0..6)),
                4 => format!("{} = {}", self.name(), self.literal()),
                5 => self.name().into(),
                _ => self.expression(depth),
            };
            out.push_str(&format!("[{predicate}]"));
        }
    }

    fn path(&mut self, depth: u32) -> String {
        let mut out = self.root();
        self.predicates(depth.saturating_sub(1), &mut out);
        for _ in 0..self.rng.u32(0..4) {
            let step = match self.rng.u32(0..10) {
                0 if depth > 0 => format!("({})", self.expression(depth - 1)),
                1 if depth > 0 => self.object(depth - 1),
                2 if depth > 0 => self.call(depth - 1),
                3 => "$".into(),
                _ => self.name().into(),
            };
            out.push('.');
            out.push_str(&step);
            self.predicates(depth.saturating_sub(1), &mut out);
        }
        out
    }

    fn object(&mut self, depth: u32) -> String {
        let pairs: Vec<_> = (0..self.rng.u32(0..4))
            .map(|_| {
                let key = if self.rng.u32(0..5) == 0 { self.expression(depth) } else { format!("\"{}\"", self.name()) };
                format!("{key}: {}", self.expression(depth))
            })
            .collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn call(&mut self, depth: u32) -> String {
        let one = ["count", "exists", "sum", "string", "number", "length", "keys", "merge", "not", "boolean"];
        let more = ["uppercase", "lowercase", "max", "min"];
        match self.rng.u32(0..22) {
            place @ 0..10 => format!("${}({})", one[place as usize], self.expression(depth)),
            place @ 10..14 => format!("${}({})", more[place as usize - 10], self.expression(depth)),
            14 => format!("$append({}, {})", self.expression(depth), self.expression(depth)),
            15 => format!("$contains({}, {})", self.expression(depth), self.expression(depth)),
            16 => format!("$join({}, {})", self.expression(depth), self.expression(depth)),
            17 => format!("$join({})", self.expression(depth)),
            18 => format!("({} ~> $count())", self.expression(depth)),
            19 | 20 => self.over("map", depth),
            _ => self.over("filter", depth),
        }
    }

    fn over(&mut self, function: &str, depth: u32) -> String {
        let array = self.path(depth);
        let around = self.names.len();
        let parameters: Vec<String> = (0..self.rng.usize(1..4)).map(|place| format!("p{}", around + place)).collect();
        self.names.extend(parameters.iter().cloned());
        let body = self.expression(depth);
        self.names.truncate(around);
        let parameters: Vec<_> = parameters.iter().map(|name| format!("${name}")).collect();
        format!("${function}({array}, function({}) {{ {body} }})", parameters.join(", "))
    }

    fn block(&mut self, depth: u32) -> String {
        let around = self.names.len();
        let mut items = Vec::new();
        for _ in 0..self.rng.u32(0..3) {
            let name = format!("x{}", self.rng.u32(0..3));
            items.push(format!("${name} := {}", self.expression(depth)));
            self.names.push(name);
        }
        items.push(self.expression(depth));
        self.names.truncate(around);
        format!("({})", items.join("; "))
    }

    fn expression(&mut self, depth: u32) -> String {
        if depth == 0 {
            return if self.rng.bool() { self.literal() } else { self.path(0) };
        }
        let depth = depth - 1;
        match self.rng.u32(0..16) {
            0 => self.literal(),
            1..=5 => self.path(depth),
            6 => {
                let op = self.pick(&["+", "-", "*", "/", "%"]);
                format!("({} {op} {})", self.expression(depth), self.expression(depth))
            }
            7 => {
                let op = self.pick(&["<", "<=", ">", ">=", "=", "!=", "in"]);
                format!("({} {op} {})", self.expression(depth), self.expression(depth))
            }
            8 => format!("({} & {})", self.expression(depth), self.expression(depth)),
            9 => {
                let op = self.pick(&["and", "or"]);
                format!("({} {op} {})", self.expression(depth), self.expression(depth))
            }
            10 if self.rng.bool() => {
                format!("({} ? {} : {})", self.expression(depth), self.expression(depth), self.expression(depth))
            }
            10 => format!("({} ? {})", self.expression(depth), self.expression(depth)),
            11 => {
                let items: Vec<_> = (0..self.rng.u32(0..4)).map(|_| self.expression(depth)).collect();
                format!("[{}]", items.join(", "))
            }
            12 => self.object(depth),
            13 => self.block(depth),
            14 => format!("-{}", self.path(depth)),
            _ => self.call(depth),
        }
    }
}

/// The same, numbers as `f64`: what is only moved keeps digits that the base has lost.
fn same(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    match (left.view(), right.view()) {
        (View::Number(left), View::Number(right)) => left.as_f64() == right.as_f64(),
        (View::Array(left), View::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| same(left, right))
        }
        (View::Object(left), View::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

fn agree(fast: &Evaluated, base: &Result<Evaluated, JsonataError>) -> bool {
    match (fast, base) {
        (Evaluated::Value(fast), Ok(Evaluated::Value(base))) => same(fast.as_ref(), base.as_ref()),
        (fast, Ok(base)) => fast == base,
        (_, Err(_)) => false,
    }
}

/// The base's answer. Time runs on while a busy machine runs others, so it is asked again when it had too little.
fn in_base(expression: &Expression, data: &Data) -> Result<Evaluated, JsonataError> {
    let outcome = || expression.evaluate_in_base(data);
    let is_late = |outcome: &_| matches!(outcome, Err(JsonataError { message, .. }) if message.contains("timeout"));
    (0..ATTEMPTS).map(|_| outcome()).find(|outcome| !is_late(outcome)).unwrap_or_else(outcome)
}

#[test]
fn both_ways_agree() {
    let cases = env::var("EXPRESSWAY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(DEFAULT_CASES);
    let first: u64 = env::var("EXPRESSWAY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let show: usize = env::var("EXPRESSWAY_SHOW").ok().and_then(|show| show.parse().ok()).unwrap_or(10);
    let (mut parsed, mut fast_cases, mut left_to_base, mut failing, mut differences) =
        (0_u64, 0_u64, 0_u64, 0_u64, Vec::new());
    let mut undefined = 0_u64;
    for seed in first..first + cases {
        let mut rng = Rng::with_seed(seed);
        let value = |text: &str| Value::parse(text).expect("what is written is JSON");
        let input = json(&mut rng, 4);
        let depth = rng.u32(1..5);
        let document = rng.bool().then(|| value(&json(&mut rng, 3)));
        let variables = BTreeMap::from([("v", value(&json(&mut rng, 3))), ("w", value(&json(&mut rng, 2)))]);
        let data = Data { input: value(&input), document, variables };
        let text = Writer { rng: &mut rng, names: Vec::new() }.expression(depth);
        let Ok(expression) = Expression::parse(&text) else { continue };
        parsed += 1;
        if !expression.is_fast() {
            continue;
        }
        fast_cases += 1;
        let base = in_base(&expression, &data);
        failing += u64::from(base.is_err());
        undefined += u64::from(matches!(base, Ok(Evaluated::Undefined)));
        match expression.evaluate_fast(&data) {
            Ok(Some(fast)) if agree(&fast, &base) => {}
            // Left to the base, which then has the answer.
            Ok(None) => left_to_base += u64::from(base.is_ok()),
            fast => differences.push(format!(
                "seed {seed}: {text}\n  input {}\n  document {:?}\n  variables {:?}\n  fast {fast:?}\n  base {base:?}",
                data.input, data.document, data.variables
            )),
        }
    }
    println!(
        "{cases} cases: {parsed} parsed, {fast_cases} of the subset, {failing} of these fail, {undefined} \
         give nothing, {left_to_base} left to the base"
    );
    differences.sort_by_key(String::len);
    let shown = differences[..differences.len().min(show)].join("\n");
    assert!(differences.is_empty(), "{} differences:\n{shown}", differences.len());
    assert!(fast_cases > cases / 3, "too few cases are of the subset");
    assert!(left_to_base < fast_cases / 10, "too many cases are left to the base");
}

/// Numbers that only move into a text are copied there, which must be what reading and printing them gives.
#[test]
fn numbers_are_printed_alike() {
    let cases = env::var("EXPRESSWAY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(DEFAULT_CASES);
    let mut rng = Rng::with_seed(1);
    let expression = Expression::parse("'' & $states.input & $string([$states.input]) & ($states.input / 7)").unwrap();
    assert!(expression.is_fast());
    for _ in 0..cases {
        let mut digits = |least: usize| -> String { (0..rng.usize(least..9)).map(|_| rng.digit(10)).collect() };
        let (whole, fraction, more) = (digits(1), digits(1), digits(0));
        let mut text = if rng.bool() { String::from("-") } else { String::new() };
        text += match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        if rng.bool() {
            text += &more;
        }
        if rng.u8(0..4) > 0 {
            text = format!("{text}.{}{fraction}", ["", "0", "00000", "000000", "0000000"][rng.usize(0..5)]);
        }
        if rng.u8(0..5) == 0 {
            text += &format!("e{}", rng.i32(-12..12));
        }
        let Ok(input) = Value::parse(&text) else { continue };
        let data = Data { input, document: None, variables: BTreeMap::new() };
        let base = in_base(&expression, &data);
        match expression.evaluate_fast(&data) {
            Ok(Some(fast)) => assert!(agree(&fast, &base), "{text}: {fast:?}, in the base {base:?}"),
            other => assert!(matches!(other, Ok(None)), "{text}: {other:?}"),
        }
    }
}
