//! How many events of a pipe may start executions in a second.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use tokio::time::{Instant, sleep};

/// Time as tokio has it, so that a paused clock simulates it.
#[derive(Clone)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.elapsed())
    }
}

/// A token bucket that the lanes of a pipe share. One atomic number; whoever finds it empty waits.
pub struct RateLimit {
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    clock: TokioClock,
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RateLimit").finish_non_exhaustive()
    }
}

impl RateLimit {
    /// So many a second, and so many at once when none came for a while.
    ///
    /// # Errors
    /// What is wrong with the numbers, for the operator.
    pub fn new(per_second: f64, burst: u32) -> Result<Self, String> {
        let period = Some(per_second).filter(|rate| rate.is_finite() && *rate > 0.0);
        let period = period.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
        let quota =
            period.and_then(Quota::with_period).ok_or("it must be more than 0 and less than a billion a second")?;
        let burst = NonZeroU32::new(burst).ok_or("the burst must be 1 at least")?;
        let clock = TokioClock(Instant::now());
        Ok(Self { limiter: RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone()), clock })
    }

    /// Takes a token, as soon as there is one.
    pub async fn wait(&self) {
        while let Err(not_until) = self.limiter.check() {
            let earliest = not_until.earliest_possible();
            sleep(Duration::from(earliest.duration_since(self.clock.now()))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokens_come_one_after_the_other() {
        let limit = RateLimit::new(100.0, 5).unwrap();
        let begun = Instant::now();
        for _ in 0..105 {
            limit.wait().await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        assert!((0.99..1.2).contains(&seconds), "{seconds}");
        assert!(
            RateLimit::new(0.0, 1).is_err() && RateLimit::new(1.0, 0).is_err() && RateLimit::new(f64::NAN, 1).is_err()
        );
    }
}
