//! Load generator for Step Functions endpoints.

fn main() {}
