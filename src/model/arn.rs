//! Amazon Resource Names of Step Functions: `arn:<partition>:states:<region>:<account>:<type>:<name>[:<qualifier>]`.

/// Where resources live: what all ARNs of one server begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Home {
    /// The partition that the region belongs to.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        if self.region.starts_with("cn-") {
            "aws-cn"
        } else if self.region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }

    fn resource(&self, kind: &str, name: &str) -> String {
        let Self { region, account } = self;
        let partition = self.partition();
        format!("arn:{partition}:states:{region}:{account}:{kind}:{name}")
    }

    /// The ARN of a state machine.
    #[must_use]
    pub fn state_machine_arn(&self, name: &str) -> String {
        self.resource("stateMachine", name)
    }

    /// What the ARNs of a machine's Express executions begin with, the last colon included.
    #[must_use]
    pub fn express_execution_arn_prefix(&self, machine_name: &str) -> String {
        let mut prefix = self.resource("express", machine_name);
        prefix.push(':');
        prefix
    }
}

impl Default for Home {
    /// Account `123456789012` in `us-east-1`, as Step Functions Local has it.
    fn default() -> Self {
        Self { region: "us-east-1".into(), account: "123456789012".into() }
    }
}

/// A text that is no ARN, or not one of the kind that is asked for: AWS's words, as they stand in `Invalid Arn: '…'`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ArnError(pub String);

/// The parts of an ARN of Step Functions that requests are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `stateMachine`, `execution`, `express`, `activity` or `mapRun`.
    pub resource_type: &'a str,
    /// What stands behind the resource type: the name, and for some types more.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart.
    ///
    /// # Errors
    /// [`ArnError`] when it does not begin like an ARN or has too few parts.
    pub fn parse(text: &'a str) -> Result<Self, ArnError> {
        if !text.starts_with("arn:") {
            return Err(ArnError(format!("Invalid ARN prefix: {text}")));
        }
        let mut parts = text.splitn(7, ':').skip(5);
        match (parts.next(), parts.next()) {
            (Some(resource_type), Some(resource)) if !resource_type.is_empty() && !resource.is_empty() => {
                Ok(Self { resource_type, resource })
            }
            _ => Err(ArnError(format!("Invalid ARN: {text}"))),
        }
    }

    /// Takes an ARN apart that must be one of a state machine.
    ///
    /// # Errors
    /// [`ArnError`] when it is no ARN, or one of something else.
    pub fn parse_state_machine(text: &'a str) -> Result<Self, ArnError> {
        Self::parse(text)?.must_be(&["stateMachine"])
    }

    /// This ARN, when its resource is of one of the given types.
    ///
    /// # Errors
    /// [`ArnError`] when it is of another type.
    pub fn must_be(self, resource_types: &[&str]) -> Result<Self, ArnError> {
        if resource_types.contains(&self.resource_type) {
            Ok(self)
        } else {
            Err(ArnError(format!("Resource type not valid in this context: {}", self.resource_type)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_made_for_their_partition() {
        let home = Home { region: "cn-north-1".into(), account: "1".into() };
        assert_eq!(home.state_machine_arn("m"), "arn:aws-cn:states:cn-north-1:1:stateMachine:m");
        assert_eq!(
            Home::default().express_execution_arn_prefix("m"),
            "arn:aws:states:us-east-1:123456789012:express:m:"
        );
    }

    #[test]
    fn arns_are_taken_apart() {
        let arn = Arn::parse("arn:aws:states:us-east-1:1:express:m:e:u").unwrap();
        assert_eq!(arn, Arn { resource_type: "express", resource: "m:e:u" });
    }

    #[test]
    fn errors_have_the_words_of_aws() {
        let message = |text| Arn::parse_state_machine(text).unwrap_err().0;
        assert_eq!(message("nonsense"), "Invalid ARN prefix: nonsense");
        assert_eq!(message("arn:aws:states"), "Invalid ARN: arn:aws:states");
        assert_eq!(
            message("arn:aws:states:us-east-1:1:execution:m:e"),
            "Resource type not valid in this context: execution"
        );
    }
}
