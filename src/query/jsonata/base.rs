//! Expressions in the crate `jsonata-core`: parsing, and evaluation with what can run away held back.

use std::{
    cell::{Cell, RefCell},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
};

use fastrand::Rng;
use indexmap::IndexMap;
use jsonata_core::{
    ast::AstNode,
    evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions},
    parser,
    value::JValue,
};

use super::{
    Evaluated, JsonataEnvironment, JsonataError, References,
    analyze::{self, Access},
    convert::Converter,
    functions, guard, limits, syntax,
};
use crate::{
    Value,
    clock::{Clock, SystemClock},
    query::SyntaxError,
};

/// A parsed expression as the base runs it.
#[derive(Clone)]
pub(super) struct Program {
    /// Guarded: see [`guard`].
    ast: Arc<AstNode>,
    /// Names of those functions of ours that it calls.
    functions: Arc<[Box<str>]>,
}

impl Program {
    /// Parses, checks and guards.
    pub(super) fn parse(text: &str) -> Result<(Self, AstNode, References), SyntaxError> {
        let ast = parser::parse(text).map_err(|error| syntax::error(text, &error))?;
        let references = analyze::analyze(&ast)?;
        let guarded = guard::guard(ast.clone());
        let program = Self { ast: Arc::new(guarded.ast), functions: guarded.functions.into() };
        Ok((program, ast, references))
    }

    /// Evaluates over what `references` names of `environment`. `spent_ms` is gone already of the time that it may take, in
    /// milliseconds.
    pub(super) fn evaluate<E: JsonataEnvironment>(
        &self,
        references: &References,
        environment: &E,
        spent_ms: u64,
    ) -> Result<Evaluated, JsonataError> {
        let mut converter = Converter::default();
        let mut context = Context::new();
        if references.states.whole || !references.states.members.is_empty() {
            context.bind("states".into(), states(&mut converter, &references.states, environment)?);
        }
        for (name, access) in &references.variable_access {
            if let Some(value) = environment.variable(name) {
                context.bind(name.to_string(), converter.convert(value, access)?);
            }
        }
        let document = match environment.document() {
            Some(document) => converter.convert(document, &Access { whole: true, members: Vec::new() })?,
            None => JValue::Undefined,
        };
        let options = EvaluatorOptions {
            timeout_ms: Some(limits::MAX_EVALUATION_MS.saturating_sub(spent_ms)),
            cancel: None,
            max_stack_depth: Some(limits::MAX_EVALUATION_DEPTH),
            max_sequence_length: Some(limits::MAX_SEQUENCE_ITEMS),
        };
        let mut evaluator = Evaluator::with_options(context, options);
        let meter = Rc::new(Meter::new(limits::MAX_EVALUATION_MS.saturating_sub(spent_ms)));
        let seed = if references.random { environment.random() } else { 0 };
        let now_ms = if references.clock { environment.now_ms() } else { 0 };
        let rng = Rc::new(RefCell::new(Rng::with_seed(seed)));
        for name in &*self.functions {
            functions::register(&mut evaluator, name, &meter, &rng, now_ms);
            guard::register(&mut evaluator, name, &meter);
        }
        // Nothing of the base is looked at after a panic but what it gave.
        match catch_unwind(AssertUnwindSafe(|| evaluator.evaluate(&self.ast, &document))) {
            Ok(Ok(value)) => converter.result(&value),
            Ok(Err(error)) => Err(meter.failure.take().unwrap_or_else(|| JsonataError::from_coded(error.message()))),
            Err(_) => Err(JsonataError::new("", "The evaluation ended unexpectedly")),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ast.fmt(formatter)
    }
}

/// `$states`, as far as it is reached.
fn states<E: JsonataEnvironment>(
    converter: &mut Converter,
    access: &Access,
    environment: &E,
) -> Result<JValue, JsonataError> {
    let all = Access { whole: true, members: Vec::new() };
    let mut states = IndexMap::with_capacity(4);
    let mut put = |name: &str, value: Option<&Value>| {
        let access = if access.whole { Some(&all) } else { access.member(name) };
        if let (Some(access), Some(value)) = (access, value) {
            states.insert(name.to_owned(), converter.convert(value, access)?);
        }
        Ok(())
    };
    put("input", environment.input())?;
    put("result", environment.result())?;
    put("errorOutput", environment.error_output())?;
    // The context object is made when it is first asked for.
    if access.whole || access.member("context").is_some() {
        put("context", environment.context())?;
    }
    Ok(JValue::object(states))
}

/// Counts what one evaluation builds.
pub(super) struct Meter {
    bytes: Cell<usize>,
    /// Since its beginning.
    clock: SystemClock,
    time_ms: u64,
    /// The failure that a guard raised, in our words.
    failure: RefCell<Option<JsonataError>>,
}

/// Memory of one item of a sequence.
const ITEM_BYTES: usize = 40;

impl Meter {
    /// Of an evaluation that may take that long, in milliseconds.
    fn new(time_ms: u64) -> Self {
        Self { bytes: Cell::new(0), clock: SystemClock::new(), time_ms, failure: RefCell::new(None) }
    }

    /// Looks at the time, for steps of the base that do not.
    ///
    /// # Errors
    /// When the evaluation has taken too long.
    pub(super) fn in_time(&self) -> Result<(), EvaluatorError> {
        if self.clock.monotonic_us() > self.time_ms * 1000 { Err(self.fail(limits::timeout())) } else { Ok(()) }
    }

    /// Charges memory.
    ///
    /// # Errors
    /// When it is more than [`limits::MAX_BUILT_BYTES`] in all.
    pub(super) fn bytes(&self, bytes: usize) -> Result<(), EvaluatorError> {
        let total = self.bytes.get().saturating_add(bytes);
        self.bytes.set(total);
        if total > limits::MAX_BUILT_BYTES { Err(self.exceeded()) } else { Ok(()) }
    }

    /// Charges the items of an array.
    pub(super) fn items(&self, items: usize) -> Result<(), EvaluatorError> {
        self.bytes(items.saturating_mul(ITEM_BYTES))
    }

    /// The error of going beyond a limit.
    pub(super) fn exceeded(&self) -> EvaluatorError {
        self.fail(limits::memory())
    }

    pub(super) fn fail(&self, error: JsonataError) -> EvaluatorError {
        let text = error.to_string();
        self.failure.replace(Some(error));
        functions::failed(text)
    }
}

/// Whether a regular expression can be compiled, within [`limits::MAX_REGEX_BYTES`].
pub(super) fn check_regex(pattern: &str, flags: &str) -> Result<(), String> {
    let flags: String = flags.chars().filter(|flag| "ims".contains(*flag)).collect();
    let pattern = if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
    match regex::RegexBuilder::new(&pattern).size_limit(limits::MAX_REGEX_BYTES).build() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("Invalid regular expression /{pattern}/: {error}")),
    }
}
