//! Has a runtime's shards do what they have to do, for tests that move the clock.

use std::{sync::mpsc, time::Duration};

use expressway::Runtime;

/// Longer than any shard takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until every shard has handled the messages it had, and looked at the clock since.
pub(crate) fn poke(runtime: &Runtime) {
    for _ in 0..2 {
        let (sender, receiver) = mpsc::channel();
        assert!(runtime.spawn_on_shards(move |_| {
            let sender = sender.clone();
            Box::pin(async move {
                let _ = sender.send(());
            })
        }));
        for _ in 0..runtime.shards() {
            receiver.recv_timeout(PATIENCE).expect("the shards live");
        }
    }
}
