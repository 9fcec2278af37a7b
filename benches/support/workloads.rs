//! The workloads W1 to W4, W2 in both languages, the same files that the load generator uses.

/// A definition and an input of its executions.
#[allow(dead_code, reason = "some benches take only the definition")]
pub(crate) struct Workload {
    /// `W1` to `W4`, `W2-JSONata`.
    pub(crate) name: &'static str,
    /// The definition's text.
    pub(crate) definition: &'static str,
    /// The input's text.
    pub(crate) input: &'static str,
}

macro_rules! workload {
    ($name:literal, $file:literal) => {
        workload!($name, $file, $file)
    };
    ($name:literal, $file:literal, $input:literal) => {
        Workload {
            name: $name,
            definition: include_str!(concat!("../definitions/", $file, ".asl.json")),
            input: include_str!(concat!("../definitions/", $input, ".input.json")).trim_ascii_end(),
        }
    };
}

/// One Pass; Pass, Choice, Pass, Pass and Succeed, in either language; a Map over ten items; one Task.
pub(crate) const WORKLOADS: [Workload; 5] = [
    workload!("W1", "w1"),
    workload!("W2", "w2"),
    workload!("W2-JSONata", "w2-jsonata", "w2"),
    workload!("W3", "w3"),
    workload!("W4", "w4"),
];
