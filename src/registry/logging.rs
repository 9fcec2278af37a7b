//! What a state machine logs, and where (API reference, LoggingConfiguration).

use super::RegistryError;

/// `level` of a logging configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// All events.
    All,
    /// Errors.
    Error,
    /// Failed executions.
    Fatal,
    /// Nothing.
    #[default]
    Off,
}

impl LogLevel {
    /// The API's words, in the order in which its model lists them.
    pub const NAMES: &'static [&'static str] = &["ALL", "ERROR", "FATAL", "OFF"];

    /// The API's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Off => "OFF",
        }
    }

    /// The level that one of [`LogLevel::NAMES`] stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::All, Self::Error, Self::Fatal, Self::Off].into_iter().find(|level| level.as_str() == name)
    }
}

/// `loggingConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggingConfiguration {
    /// Which events are logged; default `OFF`.
    pub level: LogLevel,
    /// Whether input and output are logged too; default false.
    pub include_execution_data: bool,
    /// ARNs of log groups; none when the configuration had no such field.
    pub destinations: Option<Vec<String>>,
}

impl LoggingConfiguration {
    /// Checks that there is one destination, or none when nothing is logged, and that it can be a log group.
    ///
    /// # Errors
    /// [`RegistryError::InvalidLoggingConfiguration`].
    pub fn check(&self) -> Result<(), RegistryError> {
        let destinations = self.destinations.as_deref().unwrap_or_default();
        let wanted = usize::from(self.level != LogLevel::Off);
        if destinations.len() < wanted || destinations.len() > 1 {
            return Err(RegistryError::InvalidLoggingConfiguration("Must specify exactly one Log Destination."));
        }
        if destinations.iter().any(|arn| !is_log_group_arn(arn)) {
            return Err(RegistryError::InvalidLoggingConfiguration("Log Destination not found."));
        }
        Ok(())
    }
}

/// `arn:<partition>:logs:<region>:<account>:log-group:<name>`, with `:*` behind it or not.
fn is_log_group_arn(arn: &str) -> bool {
    let mut parts = arn.splitn(7, ':');
    parts.next() == Some("arn")
        && parts.nth(1) == Some("logs")
        && parts.nth(2) == Some("log-group")
        && parts.next().is_some_and(|name| !name.is_empty() && !name.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "arn:aws:logs:eu-west-1:1:log-group:orders:*";

    fn check(level: LogLevel, destinations: &[&str]) -> Result<(), RegistryError> {
        let destinations = Some(destinations.iter().map(|arn| (*arn).to_owned()).collect());
        LoggingConfiguration { level, include_execution_data: false, destinations }.check()
    }

    #[test]
    fn logging_needs_one_destination() {
        assert_eq!(LoggingConfiguration::default().check(), Ok(()));
        assert_eq!(check(LogLevel::Off, &[]), Ok(()));
        assert_eq!(check(LogLevel::Fatal, &[GROUP]), Ok(()));
        for (level, destinations) in [(LogLevel::All, &[][..]), (LogLevel::Error, &[GROUP, GROUP])] {
            let error = check(level, destinations).unwrap_err();
            assert_eq!(error.to_string(), "Invalid Logging Configuration: Must specify exactly one Log Destination.");
        }
    }

    #[test]
    fn destinations_are_log_groups() {
        for arn in ["orders", "arn:aws:s3:::bucket", "arn:aws:logs:eu-west-1:1:log-group:"] {
            let error = check(LogLevel::All, &[arn]).unwrap_err();
            assert_eq!(error.to_string(), "Invalid Logging Configuration: Log Destination not found.");
        }
    }

    #[test]
    fn levels_have_their_names() {
        for name in LogLevel::NAMES {
            assert_eq!(LogLevel::from_name(name).map(LogLevel::as_str), Some(*name));
        }
        assert_eq!(LogLevel::from_name("all"), None);
    }
}
