//! What several test files share.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]

pub mod script;
pub mod simulation;
