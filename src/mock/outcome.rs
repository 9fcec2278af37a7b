//! What one invocation of a mocked state comes to: `Return`, `ReturnTemplate`, `Throw`, `Hang` or `OneOf`.

use std::cell::{OnceCell, RefCell};

use super::{
    draw::{Draw, Purpose},
    entry::{Entry, Problem},
    latency::Latency,
};
use crate::{
    Value,
    query::{Environment, PayloadTemplate},
    task::{MockedAnswer, TaskError, TaskRequest, TaskResult, TestCaseCall},
    value::ValueRef,
};

/// What an invocation comes to, and how long that takes.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    choices: Choices,
    latency: Option<Latency>,
}

#[derive(Clone, Debug)]
enum Choices {
    One(Answer),
    /// `OneOf`: each with the sum of the weights up to and with its own.
    Weighted(Box<[(f64, Answer, Option<Latency>)]>),
}

#[derive(Clone, Debug)]
enum Answer {
    Return(Value),
    Template(PayloadTemplate),
    /// A template that is a path or an intrinsic function alone: the field [`ALONE`] of the template is the result.
    TemplateAlone(PayloadTemplate),
    Throw(TaskError),
    Hang,
}

/// What must be known to answer an invocation.
pub(super) struct Invocation<'a> {
    pub(super) request: &'a TaskRequest,
    pub(super) call: &'a TestCaseCall,
    pub(super) seed: u64,
    /// The latency of the response, for outcomes without one of their own.
    pub(super) latency: Option<&'a Latency>,
}

const ANSWERS: [&str; 4] = ["Return", "ReturnTemplate", "Throw", "Hang"];
const ALONE: &str = "result";

impl Outcome {
    pub(super) fn parse(entry: &Entry<'_>) -> Result<Self, Problem> {
        entry.allow_only(&["Return", "ReturnTemplate", "Throw", "Hang", "OneOf", "LatencyMilliseconds"])?;
        let latency = parse_latency(entry)?;
        let Some(choices) = entry.get("OneOf") else {
            return Ok(Self { choices: Choices::One(Answer::parse(entry)?), latency });
        };
        if let Some(other) = ANSWERS.iter().find_map(|answer| entry.get(answer)) {
            return Err(other.problem("beside OneOf there is no other outcome: put it into the array"));
        }
        let (mut sum, mut weighted) = (0.0, Vec::new());
        for choice in choices.items()? {
            choice.allow_only(&["Weight", "Return", "ReturnTemplate", "Throw", "Hang", "LatencyMilliseconds"])?;
            sum += choice.get("Weight").map_or(Ok(1.0), |weight| weight.number(0.0))?;
            weighted.push((sum, Answer::parse(&choice)?, parse_latency(&choice)?));
        }
        if sum <= 0.0 || !sum.is_finite() {
            return Err(choices.problem("the weights must add up to more than 0"));
        }
        Ok(Self { choices: Choices::Weighted(weighted.into()), latency })
    }

    pub(super) fn answer(&self, invocation: &Invocation<'_>) -> MockedAnswer {
        let draw = |purpose| Draw::new(invocation.seed, invocation.call, purpose);
        let (answer, own_latency) = match &self.choices {
            Choices::One(answer) => (answer, None),
            Choices::Weighted(choices) => {
                let total = choices.last().map_or(0.0, |(sum, ..)| *sum);
                let drawn = draw(Purpose::Outcome).unit() * total;
                let place = choices.partition_point(|(sum, ..)| *sum <= drawn).min(choices.len() - 1);
                (&choices[place].1, choices[place].2.as_ref())
            }
        };
        let latency = own_latency.or(self.latency.as_ref()).or(invocation.latency);
        let delay_ms = latency.map_or(0, |latency| latency.draw_ms(&mut draw(Purpose::Latency)));
        let result = match answer {
            Answer::Hang => return MockedAnswer::Never,
            Answer::Return(value) => Ok(value.clone()),
            Answer::Throw(error) => Err(error.clone()),
            Answer::Template(template) => evaluate(template, invocation, delay_ms, draw(Purpose::Template)),
            Answer::TemplateAlone(template) => {
                let made = evaluate(template, invocation, delay_ms, draw(Purpose::Template));
                made.map(|made| made.get(ALONE).map(ValueRef::to_value).unwrap_or_default())
            }
        };
        MockedAnswer::After { delay_ms, result }
    }
}

fn parse_latency(entry: &Entry<'_>) -> Result<Option<Latency>, Problem> {
    entry.get("LatencyMilliseconds").map(|latency| Latency::parse(&latency)).transpose()
}

/// `Throw`, wherever it stands.
pub(super) fn parse_throw(entry: &Entry<'_>) -> Result<TaskError, Problem> {
    entry.allow_only(&["Error", "Cause"])?;
    let cause = entry.get("Cause").map_or(Ok(""), |cause| cause.text())?;
    Ok(TaskError::new(entry.require("Error")?.text()?, cause))
}

impl Answer {
    fn parse(entry: &Entry<'_>) -> Result<Self, Problem> {
        let mut given = ANSWERS.iter().filter_map(|name| entry.get(name).map(|field| (*name, field)));
        let (Some((name, field)), None) = (given.next(), given.next()) else {
            return Err(entry.problem("an outcome has one of Return, ReturnTemplate, Throw, Hang and OneOf"));
        };
        match name {
            "Return" => Ok(Self::Return(field.value.to_value())),
            "ReturnTemplate" => Self::parse_template(&field),
            "Throw" => parse_throw(&field).map(Self::Throw),
            _ if field.value.as_bool() == Some(true) => Ok(Self::Hang),
            _ => Err(field.problem("Hang must be true, or not there")),
        }
    }

    fn parse_template(field: &Entry<'_>) -> Result<Self, Problem> {
        let compile = |template: &Value| {
            PayloadTemplate::compile(template).map_err(|mut errors| {
                let first = errors.swap_remove(0);
                Problem { pointer: format!("{}{}", field.pointer, first.pointer), message: first.message }
            })
        };
        match field.value.as_str() {
            Some(text) => compile(&Value::object([(format!("{ALONE}.$"), Value::from(text))])).map(Self::TemplateAlone),
            None => compile(&field.value.to_value()).map(Self::Template),
        }
    }
}

fn evaluate(template: &PayloadTemplate, invocation: &Invocation<'_>, delay_ms: u64, draw: Draw) -> TaskResult {
    let scope = Scope { invocation, delay_ms, draw: RefCell::new(draw), context: OnceCell::new() };
    template.evaluate(&scope).map_err(|error| {
        let state = &invocation.call.state;
        let cause = format!("The ReturnTemplate that mocks the state '{}' failed. {}", state.as_str(), error.cause);
        TaskError::new(error.error, cause)
    })
}

/// What a template sees: the task's effective input as `$`, and a context object of its own.
struct Scope<'a> {
    invocation: &'a Invocation<'a>,
    delay_ms: u64,
    draw: RefCell<Draw>,
    context: OnceCell<Value>,
}

impl Environment for Scope<'_> {
    fn input(&self) -> &Value {
        &self.invocation.request.input
    }

    fn context(&self) -> &Value {
        self.context.get_or_init(|| {
            let call = self.invocation.call;
            let named = |id: String, name: String| Value::object([("Id", Value::from(id)), ("Name", name.into())]);
            let mock = Value::object([
                ("Invocation", Value::from(i64::from(call.invocation))),
                ("LatencyMilliseconds", Value::from(self.delay_ms)),
            ]);
            Value::object([
                ("Execution", named(call.execution.arn(&call.machine), call.execution.name())),
                ("StateMachine", named(call.machine.arn.clone(), call.machine.name.clone())),
                ("State", Value::object([("Name", Value::from(call.state.clone()))])),
                ("Resource", Value::from(&*self.invocation.request.resource)),
                ("Mock", mock),
            ])
        })
    }

    fn variable(&self, _: &str) -> Option<&Value> {
        None
    }

    fn random(&self) -> u64 {
        self.draw.borrow_mut().next()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::draw::tests::call, *};

    fn parse(text: &str) -> Result<Outcome, Problem> {
        Outcome::parse(&Entry::root(Value::parse(text).unwrap().as_ref()))
    }

    fn answer(outcome: &Outcome, execution: u128, input: &str) -> MockedAnswer {
        let request = TaskRequest {
            resource: "arn:aws:states:::lambda:invoke".into(),
            input: Value::parse(input).unwrap(),
            credentials: None,
            deadline_ms: 1000,
            caller: None,
            test_case: None,
        };
        let call = call(execution, 2);
        outcome.answer(&Invocation { request: &request, call: &call, seed: 1, latency: None })
    }

    /// The answer as text: the time, and the result or the error.
    fn shown(outcome: &str, input: &str) -> String {
        match answer(&parse(outcome).unwrap(), 1, input) {
            MockedAnswer::Never => "never".into(),
            MockedAnswer::After { delay_ms, result: Ok(value) } => format!("{delay_ms} {value}"),
            MockedAnswer::After { delay_ms, result: Err(error) } => {
                format!("{delay_ms} !{}: {}", error.error.as_str(), error.cause.as_str())
            }
        }
    }

    #[test]
    fn outcomes_are_answered() {
        assert_eq!(shown(r#"{"Return": {"a": [null]}}"#, "{}"), r#"0 {"a":[null]}"#);
        assert_eq!(shown(r#"{"Return": null, "LatencyMilliseconds": 7}"#, "{}"), "7 null");
        assert_eq!(shown(r#"{"Throw": {"Error": "E", "Cause": "c"}}"#, "{}"), "0 !E: c");
        assert_eq!(shown(r#"{"Hang": true}"#, "{}"), "never");
    }

    #[test]
    fn templates_are_filled_in() {
        let template = r#"{"ReturnTemplate": {"id.$": "$.id", "n.$": "$$.Mock.Invocation", "s.$": "$$.State.Name",
            "ms.$": "$$.Mock.LatencyMilliseconds", "fixed": 1}, "LatencyMilliseconds": 30}"#;
        assert_eq!(shown(template, r#"{"id": "o1"}"#), r#"30 {"id":"o1","n":2,"s":"S","ms":30,"fixed":1}"#);
        assert_eq!(shown(r#"{"ReturnTemplate": "$"}"#, "[1]"), "0 [1]");
        assert_eq!(shown(r#"{"ReturnTemplate": "States.ArrayLength($.a)"}"#, r#"{"a":[1,2]}"#), "0 2");
        let failed = shown(r#"{"ReturnTemplate": "$.no"}"#, "{}");
        assert!(
            failed.starts_with("0 !States.Runtime: The ReturnTemplate that mocks the state 'S' failed."),
            "{failed}"
        );
        let random = r#"{"ReturnTemplate": "States.UUID()"}"#;
        assert_eq!(shown(random, "{}"), shown(random, "{}"));
    }

    #[test]
    fn choices_are_made_by_weight() {
        let outcome = parse(
            r#"{"LatencyMilliseconds": 5, "OneOf": [{"Weight": 90, "Return": "ok"},
            {"Weight": 9.5, "Throw": {"Error": "E"}, "LatencyMilliseconds": 1}, {"Weight": 0.5, "Hang": true},
            {"Weight": 0, "Return": "never"}]}"#,
        )
        .unwrap();
        let mut counts = [0; 3];
        for execution in 0..20_000 {
            match answer(&outcome, execution, "{}") {
                MockedAnswer::After { delay_ms: 5, result: Ok(value) } if value.as_str() == Some("ok") => {
                    counts[0] += 1;
                }
                MockedAnswer::After { delay_ms: 1, result: Err(_) } => counts[1] += 1,
                MockedAnswer::Never => counts[2] += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!((17_800..18_200).contains(&counts[0]), "{counts:?}");
        assert!((1_750..2_050).contains(&counts[1]), "{counts:?}");
        assert!((60..150).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn what_is_no_outcome_is_refused() {
        for (text, pointer) in [
            ("1", ""),
            ("{}", ""),
            (r#"{"Return": 1, "Throw": {"Error": "E"}}"#, ""),
            (r#"{"Throw": {"Cause": "c"}}"#, "/Throw"),
            (r#"{"Throw": {"Error": 1}}"#, "/Throw/Error"),
            (r#"{"Hang": false}"#, "/Hang"),
            (r#"{"Retrun": 1}"#, "/Retrun"),
            (r#"{"OneOf": []}"#, "/OneOf"),
            (r#"{"OneOf": [{"Return": 1, "Weight": 0}]}"#, "/OneOf"),
            (r#"{"OneOf": [{"Return": 1, "Weight": -1}]}"#, "/OneOf/0/Weight"),
            (r#"{"OneOf": [{"OneOf": []}]}"#, "/OneOf/0/OneOf"),
            (r#"{"OneOf": [{"Return": 1}], "Return": 2}"#, "/Return"),
            (r#"{"ReturnTemplate": {"x": {"a.$": "no path"}}}"#, "/ReturnTemplate/x"),
        ] {
            assert_eq!(parse(text).unwrap_err().pointer, pointer, "{text}");
        }
    }
}
