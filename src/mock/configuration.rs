//! The mock configuration: the file as a whole.

use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    sync::{Arc, OnceLock},
};

use super::{
    entry::{Entry, Problem},
    pattern,
    response::MockedResponse,
    test_case::TestCase,
};
use crate::{
    Value,
    clock::Clock,
    model::error_name,
    task::{MockedAnswer, MockedIntegrations, TaskError, TaskRequest, TestCaseCall, TestCaseError},
};

/// Longest mock configuration file, in bytes: ours.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most names that a message lists.
const MAX_LISTED: usize = 20;

/// A mock configuration file, see the [module](super). Test cases are read when they are first chosen, so that one with
/// errors does not keep the others from running, as in Step Functions Local.
pub struct MockConfiguration {
    /// The name of the file, for messages.
    name: String,
    file: Value,
    /// For responses without a seed.
    seed: u64,
    clock: Arc<dyn Clock>,
    machines: HashMap<String, Machine>,
    /// Names of machines with wildcards, the one that says most first.
    patterns: Vec<(String, Machine)>,
    responses: HashMap<String, Lazy<Arc<MockedResponse>>>,
}

/// Test cases by their name.
type Machine = HashMap<String, Lazy<TestCase>>;
type Lazy<T> = OnceLock<Result<T, Problem>>;

/// Why a mock configuration cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum MockConfigurationError {
    /// The file cannot be read.
    #[error("{name}: {error}")]
    Unreadable {
        /// The name of the file.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// It is not JSON, or not the object that a mock configuration is.
    #[error("{name}: {message}")]
    Invalid {
        /// The name of the file.
        name: String,
        /// What is wrong and where.
        message: String,
    },
}

impl MockConfiguration {
    /// Reads a file. `clock` is what `LimitPerSecond` goes by.
    ///
    /// # Errors
    /// [`MockConfigurationError`] when there is no such file, or it is no mock configuration at all. Errors in a test case come
    /// when it is chosen.
    pub fn read(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, MockConfigurationError> {
        let name = path.display().to_string();
        let unreadable = |error| MockConfigurationError::Unreadable { name: name.clone(), error };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_FILE_BYTES {
            let message = format!("the file has {size} bytes; {MAX_FILE_BYTES} are the most");
            return Err(MockConfigurationError::Invalid { name, message });
        }
        let text = fs::read(path).map_err(unreadable)?;
        Self::parse(&name, text, clock)
    }

    /// Takes the text of a file; `name` is what messages call it.
    ///
    /// # Errors
    /// [`MockConfigurationError`], as [`MockConfiguration::read`].
    pub fn parse(name: &str, text: Vec<u8>, clock: Arc<dyn Clock>) -> Result<Self, MockConfigurationError> {
        let invalid = |message: String| MockConfigurationError::Invalid { name: name.into(), message };
        let file = Value::parse_bytes(text).map_err(|error| invalid(error.to_string()))?;
        let mut configuration = Self {
            name: name.into(),
            file: Value::NULL,
            seed: 0,
            clock,
            machines: HashMap::new(),
            patterns: Vec::new(),
            responses: HashMap::new(),
        };
        configuration.survey(&Entry::root(file.as_ref())).map_err(|problem| invalid(problem.to_string()))?;
        configuration.file = file;
        Ok(configuration)
    }

    /// Notes what there is, without reading test cases and responses.
    fn survey(&mut self, root: &Entry<'_>) -> Result<(), Problem> {
        root.allow_only(&["StateMachines", "MockedResponses", "Seed"])?;
        // Without a seed every run is another one.
        self.seed = root.get("Seed").map_or_else(|| Ok(fastrand::u64(..)), |seed| seed.integer())?;
        for (name, machine) in root.require("StateMachines")?.fields()? {
            machine.allow_only(&["TestCases"])?;
            let test_cases = machine.require("TestCases")?.fields()?;
            let test_cases = test_cases.into_iter().map(|(name, _)| (name.to_owned(), Lazy::new())).collect();
            if name.contains('*') {
                self.patterns.push((name.to_owned(), test_cases));
            } else {
                self.machines.insert(name.to_owned(), test_cases);
            }
        }
        self.patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern::weight(pattern)));
        if let Some(responses) = root.get("MockedResponses") {
            self.responses = responses.fields()?.into_iter().map(|(name, _)| (name.to_owned(), Lazy::new())).collect();
        }
        Ok(())
    }

    /// The machines that may stand for one: by their name in the file.
    fn machines<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = (&'a str, &'a Machine)> + use<'a, 'b> {
        let exact = self.machines.get_key_value(name).map(|(name, machine)| (&**name, machine));
        let patterns = self.patterns.iter().filter(move |(pattern, _)| pattern::fits(pattern, name));
        exact.into_iter().chain(patterns.map(|(pattern, machine)| (&**pattern, machine)))
    }

    /// The names of the test cases that a state machine has, in order.
    #[must_use]
    pub fn test_cases(&self, machine_name: &str) -> Vec<&str> {
        let mut names: Vec<_> =
            self.machines(machine_name).flat_map(|(_, machine)| machine.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What a test case mocks that a state machine does not have, given the names of its Task states with their resources.
    /// None of it is an error; all of it is most likely misspelt.
    #[must_use]
    pub fn keys_for_nothing(&self, machine_name: &str, test_case: &str, tasks: &[(&str, &str)]) -> Vec<&str> {
        match self.test_case(machine_name, test_case) {
            Some(Ok(test_case)) => test_case.keys_for_nothing(tasks),
            _ => Vec::new(),
        }
    }

    /// Checks a test case of all state machines that have it.
    ///
    /// # Errors
    /// [`TestCaseError`] when none has it, or one has errors.
    pub fn check_everywhere(&self, test_case: &str) -> Result<(), TestCaseError> {
        let machines = self.machines.iter().chain(self.patterns.iter().map(|(name, machine)| (name, machine)));
        let mut names: Vec<_> =
            machines.filter(|(_, machine)| machine.contains_key(test_case)).map(|(name, _)| name).collect();
        names.sort_unstable();
        if names.is_empty() {
            let message = format!("{}: /StateMachines: no state machine has a test case '{test_case}'", self.name);
            return Err(TestCaseError(message));
        }
        names.into_iter().try_for_each(|name| self.check_test_case(name, test_case))
    }

    /// A test case, read now if it never was.
    fn test_case(&self, machine_name: &str, test_case: &str) -> Option<Result<&TestCase, &Problem>> {
        let (key, lazy) =
            self.machines(machine_name).find_map(|(key, machine)| machine.get(test_case).map(|lazy| (key, lazy)))?;
        Some(lazy.get_or_init(|| self.read_test_case(key, test_case)).as_ref())
    }

    fn read_test_case(&self, machine_key: &str, test_case: &str) -> Result<TestCase, Problem> {
        let root = Entry::root(self.file.as_ref());
        let entry = root.require("StateMachines")?.require(machine_key)?.require("TestCases")?.require(test_case)?;
        TestCase::parse(&entry, self.seed, |at, name| self.response(at, name))
    }

    /// The response of a name, that is asked for at a place in the file.
    fn response(&self, at: &Entry<'_>, name: &str) -> Result<Arc<MockedResponse>, Problem> {
        let Some(lazy) = self.responses.get(name) else {
            let names = listed(self.responses.keys().map(String::as_str).collect());
            return Err(at.problem(format!("there is no response '{name}' in /MockedResponses: it has {names}")));
        };
        lazy.get_or_init(|| {
            let entry = Entry::root(self.file.as_ref()).require("MockedResponses")?.require(name)?;
            MockedResponse::parse(&entry, self.seed).map(Arc::new)
        })
        .clone()
    }
}

impl MockedIntegrations for MockConfiguration {
    fn has_test_case(&self, machine_name: &str, test_case: &str) -> bool {
        self.machines(machine_name).any(|(_, machine)| machine.contains_key(test_case))
    }

    fn check_test_case(&self, machine_name: &str, test_case: &str) -> Result<(), TestCaseError> {
        match self.test_case(machine_name, test_case) {
            Some(Ok(_)) => Ok(()),
            Some(Err(problem)) => Err(TestCaseError(format!("{}: {problem}", self.name))),
            None => {
                let (file, names) = (&self.name, listed(self.test_cases(machine_name)));
                Err(TestCaseError(format!(
                    "{file}: /StateMachines: the state machine '{machine_name}' has no test case '{test_case}': it has {names}"
                )))
            }
        }
    }

    fn answer(&self, request: &TaskRequest, call: &TestCaseCall) -> Option<MockedAnswer> {
        let test_case = match self.test_case(&call.machine.name, &call.test_case)? {
            Ok(test_case) => test_case,
            Err(problem) => {
                // A test case that is not what was meant must not call real services in the place of simulated ones.
                let error = TaskError::new(error_name::RUNTIME, format!("{}: {problem}", self.name));
                return Some(MockedAnswer::After { delay_ms: 0, result: Err(error) });
            }
        };
        let response = test_case.find(call.state.as_str(), &request.resource)?;
        Some(response.answer(&self.name, request, call, self.clock.monotonic_us()))
    }
}

/// Names for a message.
fn listed(mut names: Vec<&str>) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names.sort_unstable();
    let more = names.len().saturating_sub(MAX_LISTED);
    names.truncate(MAX_LISTED);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::{super::draw::tests::call, *};
    use crate::{clock::SimClock, value::Text};

    const FILE: &str = r#"{
        "StateMachines": {
            "m": {"TestCases": {
                "Happy": {"S": "Ok", "T*": "Failing", "arn:aws:states:::sqs:*": "Queue", "Real": null, "*": "Other"},
                "Typo": {"S": "Okay"},
                "Broken": {"S": "Broken"}}},
            "m*": {"TestCases": {"Happy": {}, "Inline": {"S": {"0": {"Return": "inline"}}}}}
        },
        "MockedResponses": {
            "Ok": {"0": {"Return": "ok"}}, "Failing": {"*": {"Throw": {"Error": "E"}}}, "Queue": {"*": {"Return": "queue"}},
            "Other": {"*": {"Return": "other"}}, "Broken": {"0": {"Retrun": 1}}
        }
    }"#;

    fn configuration() -> MockConfiguration {
        MockConfiguration::parse("f.json", FILE.into(), Arc::new(SimClock::default())).unwrap()
    }

    /// The answer of a test case to the first call of a state.
    fn answer(machine: &str, test_case: &str, state: &str, resource: &str) -> String {
        let mut call = call(1, 0);
        Arc::get_mut(&mut call.machine).unwrap().name = machine.into();
        (call.test_case, call.state) = (test_case.into(), Text::from(state));
        let request = TaskRequest {
            resource: resource.into(),
            input: Value::NULL,
            credentials: None,
            deadline_ms: 1,
            caller: None,
            test_case: None,
        };
        match configuration().answer(&request, &call) {
            None => "handler".into(),
            Some(MockedAnswer::After { result: Ok(value), .. }) => value.as_str().unwrap().into(),
            Some(MockedAnswer::After { result: Err(error), .. }) => error.error.as_str().into(),
            Some(MockedAnswer::Never) => "never".into(),
        }
    }

    #[test]
    fn names_and_wildcards_choose_the_response() {
        let lambda = "arn:aws:states:::lambda:invoke";
        assert_eq!(answer("m", "Happy", "S", lambda), "ok");
        assert_eq!(answer("m", "Happy", "Two", lambda), "E");
        assert_eq!(answer("m", "Happy", "X", "arn:aws:states:::sqs:sendMessage"), "queue");
        // The longer pattern says more.
        assert_eq!(answer("m", "Happy", "Two", "arn:aws:states:::sqs:sendMessage"), "queue");
        assert_eq!(answer("m", "Happy", "X", lambda), "other");
        assert_eq!(answer("m", "Happy", "Real", lambda), "handler");
        assert_eq!(answer("m", "Inline", "S", lambda), "inline");
        assert_eq!(answer("machine", "Happy", "S", lambda), "handler");
        assert_eq!(answer("other", "Happy", "S", lambda), "handler");
        assert_eq!(answer("m", "Typo", "S", lambda), "States.Runtime");
    }

    #[test]
    fn test_cases_are_checked_when_they_are_chosen() {
        let check = |machine, case| configuration().check_test_case(machine, case).map_err(|error| error.0);
        assert_eq!(check("m", "Happy"), Ok(()));
        assert_eq!(
            check("m", "Sad"),
            Err("f.json: /StateMachines: the state machine 'm' has no test case 'Sad': it has Broken, Happy, Inline, Typo".into())
        );
        assert_eq!(
            check("m", "Typo"),
            Err("f.json: /StateMachines/m/TestCases/Typo/S: there is no response 'Okay' in /MockedResponses: it has Broken, \
                 Failing, Ok, Other, Queue"
                .into())
        );
        assert!(
            check("m", "Broken")
                .unwrap_err()
                .starts_with("f.json: /MockedResponses/Broken/0/Retrun: there is no field")
        );
        assert!(check("x", "Happy").unwrap_err().ends_with("it has none"));
    }

    #[test]
    fn what_is_no_mock_configuration_is_refused() {
        for (text, message) in [
            ("{", "f.json: Unexpected end-of-input"),
            ("[]", "f.json: : this must be an object, but is a array"),
            ("{}", "f.json: : the field 'StateMachines' is missing"),
            (r#"{"StateMachines": {"m": {}}}"#, "f.json: /StateMachines/m: the field 'TestCases' is missing"),
            (r#"{"StateMachines": {}, "MockedResponse": {}}"#, "f.json: /MockedResponse: there is no field"),
        ] {
            let error = MockConfiguration::parse("f.json", text.into(), Arc::new(SimClock::default())).err().unwrap();
            assert!(error.to_string().starts_with(message), "{text}: {error}");
        }
    }
}
