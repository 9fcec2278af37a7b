//! Random numbers that belong to one call: the same call of the same execution draws the same ones in every run, whatever
//! happens beside it.

use crate::task::TestCaseCall;

/// What a number is drawn for. Each purpose has numbers of its own, so that changing one part of a response leaves what is
/// drawn for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Latency = 1,
    Outcome = 2,
    Template = 3,
}

/// The numbers of one call for one purpose.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

/// FNV-1a. Unlike the hashes of maps it is the same in every process and on every machine.
struct StableHash(u64);

impl StableHash {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        self
    }

    /// Text with its length, so that where one ends and the next begins counts.
    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).number(text.len() as u64)
    }

    fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }
}

impl Draw {
    /// The numbers of a call. Executions are told apart by their name when their caller gave one, else by their unique
    /// number.
    pub(super) fn new(seed: u64, call: &TestCaseCall, purpose: Purpose) -> Self {
        let hash = StableHash(0xcbf2_9ce4_8422_2325).number(seed).text(&call.machine.name);
        let hash = match &call.execution.name {
            Some(name) => hash.text(name.as_str()),
            None => hash.bytes(&call.execution.id.to_le_bytes()),
        };
        let hash = hash.text(call.state.as_str()).number(call.branch).number(u64::from(call.branch_invocation));
        Self(hash.number(purpose as u64).0)
    }

    /// The next number (SplitMix64).
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next number of the unit interval, 1 excluded.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next number of the standard normal distribution (Box and Muller's method).
    pub(super) fn normal(&mut self) -> f64 {
        // The logarithm is of a number above 0.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::execution::{ExecutionName, MachineIdentity};

    /// A call of the state `S` in an execution of the machine `m`.
    pub(in crate::mock) fn call(execution: u128, invocation: u32) -> TestCaseCall {
        TestCaseCall {
            test_case: "Case".into(),
            machine: Arc::new(MachineIdentity {
                arn: "arn:aws:states:us-east-1:123456789012:stateMachine:m".into(),
                name: "m".into(),
                role_arn: String::new(),
                execution_arn_prefix: "arn:aws:states:us-east-1:123456789012:express:m:".into(),
            }),
            execution: ExecutionName { name: None, id: execution },
            state: "S".into(),
            invocation,
            branch: 0,
            branch_invocation: invocation,
        }
    }

    #[test]
    fn calls_draw_their_own_numbers_again_and_again() {
        let first = |seed, call: &TestCaseCall, purpose| Draw::new(seed, call, purpose).next();
        let number = first(7, &call(1, 0), Purpose::Latency);
        assert_eq!(number, first(7, &call(1, 0), Purpose::Latency));
        let others = [
            first(8, &call(1, 0), Purpose::Latency),
            first(7, &call(2, 0), Purpose::Latency),
            first(7, &call(1, 1), Purpose::Latency),
            first(7, &call(1, 0), Purpose::Outcome),
        ];
        assert!(!others.contains(&number));
        // The number is the same in every process: whoever changes it changes what seeded runs of users do.
        assert_eq!(number, PINNED);
    }

    const PINNED: u64 = 9_972_962_170_447_916_789;

    #[test]
    fn units_and_normals_are_spread_as_they_should() {
        let mut draw = Draw::new(1, &call(1, 0), Purpose::Latency);
        let count = 10_000;
        let mean = (0..count).map(|_| draw.unit()).sum::<f64>() / f64::from(count);
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        let normals: Vec<_> = (0..count).map(|_| draw.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(count);
        let variance = normals.iter().map(|normal| (normal - mean).powi(2)).sum::<f64>() / f64::from(count);
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
