//! The `expressway` command: sets the allocator, has it give memory back, and hands over to the command line.

use std::{
    process::ExitCode,
    thread::{Builder, park_timeout},
    time::Duration,
};

use expressway::allocator::{self, Allocator};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// How often memory that nothing has used for a second is given back.
const GIVE_BACK_EVERY: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    // mimalloc gives freed memory back while it allocates more. After a burst of executions that wait, a server that has nothing
    // to do would keep the memory of all of them. The thread ends with the process; without it, only that memory stays.
    let _ = Builder::new().name("expressway-free".to_owned()).spawn(give_back);
    expressway::cli::main()
}

/// Has the allocator give back what is unused, on a thread of its own, so that no execution waits for the system meanwhile.
fn give_back() {
    // The allocator does nothing for a thread that has never allocated.
    let _held = std::hint::black_box(Box::new(0_u8));
    loop {
        park_timeout(GIVE_BACK_EVERY);
        allocator::give_back();
    }
}
