//! Simulated services and scaled time, for every command that runs executions.

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use crate::{
    clock::SystemClock, mock::MockConfiguration, program::Program, runtime::RuntimeBuilder,
    task::MockedIntegrations as _,
};

/// What is simulated.
#[derive(Args, Clone, Debug, Default)]
pub struct SimulationArguments {
    /// Mock configuration: a JSON file in the format of Step Functions Local, whose test cases answer Task states.
    #[arg(long, env = "SFN_MOCK_CONFIG", value_name = "FILE")]
    pub mock: Option<PathBuf>,
    /// Test case of every execution that is started without one, of the state machines that have it.
    #[arg(long, env = "EXPRESSWAY_MOCK_CASE", value_name = "NAME")]
    pub mock_case: Option<String>,
    /// What the times of Wait states, retries and mocked calls are multiplied by, such as 0.01 [default: 1].
    #[arg(long, env = "WAIT_TIME_SCALE", value_name = "FACTOR")]
    pub wait_time_scale: Option<f64>,
}

/// What is simulated, read and checked.
#[derive(Clone, Default)]
pub(super) struct Simulation {
    pub(super) mocked: Option<Arc<MockConfiguration>>,
    test_case: Option<String>,
    wait_time_scale: Option<f64>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Simulation").field("test_case", &self.test_case).finish_non_exhaustive()
    }
}

impl SimulationArguments {
    /// Fills in from another source what is not given here.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            mock: self.mock.or(other.mock),
            mock_case: self.mock_case.or(other.mock_case),
            wait_time_scale: self.wait_time_scale.or(other.wait_time_scale),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) fn load(&self) -> Result<Simulation, String> {
        if self.wait_time_scale.is_some_and(|scale| !(0.0..=f64::MAX).contains(&scale)) {
            return Err("--wait-time-scale must be a number of at least 0".into());
        }
        let mocked = match &self.mock {
            Some(path) => {
                let clock = Arc::new(SystemClock::new());
                Some(Arc::new(MockConfiguration::read(path, clock).map_err(|error| error.to_string())?))
            }
            None if self.mock_case.is_some() => return Err("--mock-case needs the file of --mock".into()),
            None => None,
        };
        Ok(Simulation { mocked, test_case: self.mock_case.clone(), wait_time_scale: self.wait_time_scale })
    }
}

impl Simulation {
    /// Checks the default test case wherever a state machine has it, so that executions do not fail for it later.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) fn check_default(&self) -> Result<(), String> {
        match (&self.mocked, &self.test_case) {
            (Some(mocked), Some(name)) => mocked.check_everywhere(name).map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }

    /// The test case for a state machine alone: the given one, or the only one that it has.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) fn test_case_of(&self, machine_name: &str) -> Result<Option<Arc<str>>, String> {
        let Some(mocked) = &self.mocked else { return Ok(None) };
        let name = match (&self.test_case, &*mocked.test_cases(machine_name)) {
            (Some(name), _) => name,
            (None, [only]) => *only,
            (None, []) => {
                return Err(format!("--mock: the file has no test case of the state machine '{machine_name}'"));
            }
            (None, several) => {
                return Err(format!("--mock: choose one of the test cases with --mock-case: {}", several.join(", ")));
            }
        };
        mocked.check_test_case(machine_name, name).map_err(|error| error.to_string())?;
        Ok(Some(name.into()))
    }

    /// What to tell the user about a test case that mocks states which the program does not have; none when all is well.
    pub(super) fn warning(&self, machine_name: &str, test_case: &str, program: &Program) -> Option<String> {
        let tasks: Vec<_> = program.task_states().collect();
        let keys = self.mocked.as_ref()?.keys_for_nothing(machine_name, test_case, &tasks);
        let keys = keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
        let message =
            format!("--mock: the test case {test_case} mocks what {machine_name} has no Task state for: {keys}");
        (!keys.is_empty()).then_some(message)
    }

    /// The warnings about all test cases of a state machine that executions may ask for.
    pub(super) fn warnings(&self, machine_name: &str, program: &Program) -> Vec<String> {
        let test_cases = self.mocked.as_ref().map(|mocked| mocked.test_cases(machine_name)).unwrap_or_default();
        test_cases.into_iter().filter_map(|test_case| self.warning(machine_name, test_case, program)).collect()
    }

    /// Sets a runtime up.
    pub(super) fn apply(self, mut builder: RuntimeBuilder) -> RuntimeBuilder {
        if let Some(mocked) = self.mocked {
            builder = builder.mocked_integrations(mocked);
        }
        if let Some(name) = &self.test_case {
            builder = builder.default_test_case(name);
        }
        match self.wait_time_scale {
            Some(scale) => builder.wait_time_scale(scale),
            None => builder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, case: Option<&str>) -> Simulation {
        let mocked = MockConfiguration::parse("f.json", text.into(), Arc::new(SystemClock::new())).unwrap();
        Simulation { mocked: Some(Arc::new(mocked)), test_case: case.map(str::to_owned), wait_time_scale: None }
    }

    #[test]
    fn the_only_test_case_needs_no_name() {
        let one = r#"{"StateMachines": {"m": {"TestCases": {"A": {}}}}}"#;
        let two = r#"{"StateMachines": {"m": {"TestCases": {"A": {}, "B": {"S": "missing"}}}}}"#;
        assert_eq!(with(one, None).test_case_of("m"), Ok(Some("A".into())));
        assert_eq!(with(two, Some("A")).test_case_of("m"), Ok(Some("A".into())));
        assert!(with(two, None).test_case_of("m").unwrap_err().ends_with("A, B"));
        assert!(with(two, Some("B")).test_case_of("m").unwrap_err().contains("/StateMachines/m/TestCases/B/S"));
        assert!(with(one, None).test_case_of("n").unwrap_err().contains("'n'"));
        assert_eq!(Simulation::default().test_case_of("m"), Ok(None));
        let typo = r#"{"StateMachines": {"m": {"TestCases": {"A": {"Chrage": null, "*": null}}}}}"#;
        let warning = with(typo, None).warning("m", "A", &Program::default());
        assert!(warning.is_some_and(|warning| warning.ends_with("'*', 'Chrage'")));
        assert_eq!(with(one, None).warning("m", "A", &Program::default()), None);
        assert_eq!(with(typo, None).warnings("m", &Program::default()).len(), 1);
        assert!(with(typo, None).warnings("n", &Program::default()).is_empty());
        assert!(with(two, Some("B")).check_default().is_err() && with(two, Some("C")).check_default().is_err());
        assert_eq!(with(two, Some("A")).check_default(), Ok(()));
    }

    #[test]
    fn arguments_are_checked() {
        let case = SimulationArguments { mock_case: Some("A".into()), ..SimulationArguments::default() };
        assert!(case.load().unwrap_err().contains("--mock"));
        for scale in [-1.0, f64::NAN, f64::INFINITY] {
            let scaled = SimulationArguments { wait_time_scale: Some(scale), ..SimulationArguments::default() };
            assert!(scaled.load().is_err(), "{scale}");
        }
        let missing = SimulationArguments { mock: Some("/no/such/file.json".into()), ..SimulationArguments::default() };
        assert!(missing.load().unwrap_err().starts_with("/no/such/file.json: "));
    }
}
