//! expressway runs AWS Step Functions Express workflows in memory.
