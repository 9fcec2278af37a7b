//! One limit at work: a semaphore for what is under way, a token bucket for what begins.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

type Bucket = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<<MonotonicClock as Clock>::Instant>>;

/// A limit that allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("concurrency, rate and burst must be above 0")]
pub struct InvalidLimit;

/// How many calls there may be.
#[derive(Clone, Debug)]
pub struct Limit {
    concurrency: Option<usize>,
    quota: Option<Quota>,
    max_waiting: usize,
}

impl Limit {
    /// A limit of calls under way (`concurrency`) and of calls that begin (`rate` in a second on average, `burst` at once;
    /// default the rate, at least 1). `max_waiting` calls wait, one more fails.
    ///
    /// # Errors
    /// [`InvalidLimit`] when no call would ever begin.
    pub fn new(
        concurrency: Option<usize>,
        rate: Option<f64>,
        burst: Option<u32>,
        max_waiting: usize,
    ) -> Result<Self, InvalidLimit> {
        if concurrency.is_some_and(|concurrency| concurrency == 0 || concurrency > Semaphore::MAX_PERMITS) {
            return Err(InvalidLimit);
        }
        let quota = match rate {
            None => None,
            Some(rate) => {
                let period = Duration::try_from_secs_f64(1.0 / rate).map_err(|_| InvalidLimit)?;
                let burst = NonZeroU32::new(burst.unwrap_or((rate as u32).max(1))).ok_or(InvalidLimit)?;
                Some(Quota::with_period(period).ok_or(InvalidLimit)?.allow_burst(burst))
            }
        };
        Ok(Self { concurrency, quota, max_waiting })
    }
}

/// A limit and what stands against it. All shards share it.
pub(super) struct Limiter {
    places: Option<Arc<Semaphore>>,
    bucket: Option<Bucket>,
    /// Whose turn it is to wait for the bucket: the others wait for the turn, so that they begin in their order.
    turn: Mutex<()>,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
}

/// The right to a call that is under way.
pub(super) struct Pass {
    _permit: Option<OwnedSemaphorePermit>,
}

/// One of the calls that wait, counted for as long as it does.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limiter {
    pub(super) fn new(limit: &Limit) -> Self {
        Self {
            places: limit.concurrency.map(|concurrency| Arc::new(Semaphore::new(concurrency))),
            bucket: limit.quota.map(|quota| RateLimiter::direct_with_clock(quota, MonotonicClock)),
            turn: Mutex::new(()),
            waiting: Arc::default(),
            max_waiting: limit.max_waiting,
        }
    }

    /// Waits until a call may begin. `Err` when too many wait already.
    pub(super) async fn enter(&self) -> Result<Pass, ()> {
        let mut waiting = None;
        let permit = match &self.places {
            None => None,
            Some(places) => Some(match Arc::clone(places).try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => {
                    waiting = Some(self.wait()?);
                    Arc::clone(places).acquire_owned().await.map_err(|_| ())?
                }
            }),
        };
        if let Some(bucket) = &self.bucket {
            // Who comes while others wait for the bucket gets behind them, even when there is a token just now.
            let free = self.turn.try_lock().ok();
            if free.is_none() || bucket.check().is_err() {
                if waiting.is_none() {
                    waiting = Some(self.wait()?);
                }
                let _turn = match free {
                    Some(turn) => turn,
                    None => self.turn.lock().await,
                };
                while let Err(not_until) = bucket.check() {
                    tokio::time::sleep(not_until.wait_time_from(MonotonicClock.now())).await;
                }
            }
        }
        drop(waiting);
        Ok(Pass { _permit: permit })
    }

    fn wait(&self) -> Result<Waiting, ()> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.max_waiting {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(());
        }
        Ok(Waiting(Arc::clone(&self.waiting)))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::*;

    fn ready<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn places_are_freed_by_dropping_and_few_calls_wait() {
        let limiter = Limiter::new(&Limit::new(Some(1), None, None, 1).unwrap());
        let pass = ready(pin!(limiter.enter())).unwrap().ok().unwrap();
        {
            let mut second = pin!(limiter.enter());
            assert!(ready(second.as_mut()).is_none());
            assert!(ready(pin!(limiter.enter())).unwrap().is_err(), "a second one does not wait");
        }
        let mut third = pin!(limiter.enter());
        assert!(ready(third.as_mut()).is_none(), "the one that was dropped waits no more");
        drop(pass);
        assert!(ready(third.as_mut()).unwrap().is_ok());
    }

    #[tokio::test]
    async fn calls_begin_at_their_rate() {
        let limiter = Limiter::new(&Limit::new(None, Some(1000.0), Some(1), 100).unwrap());
        let begun = tokio::time::Instant::now();
        for _ in 0..6 {
            assert!(limiter.enter().await.is_ok());
        }
        assert!(begun.elapsed() >= Duration::from_millis(4), "{:?}", begun.elapsed());
    }

    #[test]
    fn limits_let_calls_through() {
        assert!(Limit::new(Some(0), None, None, 1).is_err());
        assert!(Limit::new(None, Some(0.0), None, 1).is_err());
        assert!(Limit::new(None, Some(-1.0), None, 1).is_err());
        assert!(Limit::new(None, Some(1.0), Some(0), 1).is_err());
        assert!(Limit::new(None, Some(0.5), None, 1).is_ok());
    }
}
