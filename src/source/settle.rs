//! The second half of a lane: what has ended is handed on, and then settled with the source.

use std::rc::Rc;

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{
    Body, BrokerError, Destination, Lane, Publication, Settlement,
    counters::add,
    lane::{Finished, Verdict},
    places::Places,
};
use crate::model::error_name;

/// Deliveries that are handed on together.
const MOST_TOGETHER: usize = 1024;
/// Groups of results that are being handed on.
const MOST_GROUPS: usize = 64;

/// What a lane's settling needs.
pub(super) struct Settling {
    finished: Notify,
    results: std::sync::Arc<Semaphore>,
    /// Of their own, so that a destination for dead letters that is down does not hold up results.
    dead_letters: std::sync::Arc<Semaphore>,
}

impl Default for Settling {
    fn default() -> Self {
        Self {
            finished: Notify::new(),
            results: Semaphore::new(MOST_GROUPS).into(),
            dead_letters: Semaphore::new(MOST_GROUPS).into(),
        }
    }
}

impl Settling {
    pub(super) fn wake(&self) {
        self.finished.notify_one();
    }
}

/// Publications for one destination, and the deliveries that are done when they are accepted.
#[derive(Default)]
struct Group {
    publications: Vec<Publication>,
    places: Vec<Places>,
}

/// What came of an attempt to publish.
#[derive(Default)]
struct Tried {
    accepted: Vec<(usize, Settlement)>,
    /// To be tried again.
    rest: Group,
    /// Why some of the rest are tried again; `None` when they only were made smaller.
    refusal: Option<BrokerError>,
}

impl Group {
    fn push(&mut self, lane: &Lane, places: Places, body: Body) {
        let delivery = Rc::clone(&lane.state.borrow().in_flight[places.first()].delivery);
        self.publications.push(Publication { delivery, single: places.as_slice().len() == 1, body, cut_to: None });
        self.places.push(places);
    }
}

impl Lane {
    /// Hands on what has ended, for ever.
    pub(super) async fn settle_finished(self: Rc<Self>) {
        loop {
            self.settling.finished.notified().await;
            loop {
                let finished: Vec<_> = {
                    let finished = &mut self.state.borrow_mut().finished;
                    let count = finished.len().min(MOST_TOGETHER);
                    finished.drain(..count).collect()
                };
                if finished.is_empty() {
                    break;
                }
                self.hand_on(finished).await;
            }
        }
    }

    async fn hand_on(self: &Rc<Self>, finished: Vec<Finished>) {
        let (mut results, mut dead_letters, mut settlements) = (Group::default(), Group::default(), Vec::new());
        for Finished { places, verdict } in finished {
            match verdict {
                Verdict::Publish(result) => results.push(self, places, Body::Result(result)),
                Verdict::DeadLetter { error, cause } => {
                    dead_letters.push(self, places, Body::DeadLetter { error, cause });
                }
                Verdict::Acknowledge => {
                    settlements.extend(places.as_slice().iter().map(|place| (*place, Settlement::Acknowledge)));
                }
                Verdict::HandBack { after } => {
                    settlements.extend(places.as_slice().iter().map(|place| (*place, Settlement::Retry { after })));
                }
            }
        }
        if !settlements.is_empty() {
            let lane = Rc::clone(self);
            self.spawn(async move { lane.settle(settlements).await });
        }
        for (group, destination, settlement, permits) in [
            (results, &self.results, Settlement::Acknowledge, &self.settling.results),
            (dead_letters, &self.dead_letters, Settlement::Terminate, &self.settling.dead_letters),
        ] {
            if group.publications.is_empty() {
                continue;
            }
            let (lane, destination, permits) = (Rc::clone(self), Rc::clone(destination), permits.clone());
            if let Ok(permit) = std::sync::Arc::clone(&permits).try_acquire_owned() {
                self.spawn(lane.publish(group, destination, settlement, permit));
            } else if settlement == Settlement::Terminate {
                // Dead letters wait by themselves; the window bounds how many there can be.
                self.spawn(async move {
                    let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
                    lane.publish(group, destination, settlement, permit).await;
                });
            } else {
                let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
                self.spawn(lane.publish(group, destination, settlement, permit));
            }
        }
    }

    /// Publishes until everything is accepted, and settles what is.
    async fn publish(
        self: Rc<Self>,
        mut group: Group,
        destination: Rc<dyn Destination>,
        settlement: Settlement,
        _permit: OwnedSemaphorePermit,
    ) {
        let mut failures = 0;
        loop {
            let answers = destination.publish(&group.publications).await;
            debug_assert_eq!(answers.len(), group.publications.len(), "there is an answer for each publication");
            let Tried { accepted, refusal, rest } = self.look_at_answers(group, answers, settlement);
            if !accepted.is_empty() {
                self.settle(accepted).await;
            }
            if rest.places.is_empty() {
                return;
            }
            group = rest;
            // What was only made smaller is tried at once.
            let Some(error) = refusal else { continue };
            failures += 1;
            if failures == 1 {
                let what = if settlement == Settlement::Terminate { "dead letters" } else { "results" };
                self.report(&format!("{} {what} were not accepted, trying again: {error}", group.places.len()));
            }
            sleep(self.settings.broker_backoff.after(failures)).await;
        }
    }

    /// Sorts publications by their answers.
    fn look_at_answers(&self, group: Group, answers: Vec<Result<(), BrokerError>>, settlement: Settlement) -> Tried {
        let mut tried = Tried::default();
        for ((publication, places), answer) in group.publications.into_iter().zip(group.places).zip(answers) {
            let (kept, refusal) = match answer {
                Ok(()) => {
                    let counter = match settlement {
                        Settlement::Terminate => &self.counters().dead_lettered,
                        _ => &self.counters().published,
                    };
                    add(counter, 1);
                    tried.accepted.extend(places.as_slice().iter().map(|place| (*place, settlement)));
                    continue;
                }
                Err(error) if error.is_too_large() && settlement == Settlement::Acknowledge => {
                    self.result_too_large(&places, &error);
                    continue;
                }
                Err(error) if error.is_too_large() => match publication.cut() {
                    Some(cut) => {
                        if publication.cut_to.is_none() {
                            let sequence = &publication.delivery.sequence;
                            self.report(&format!("the dead letter of {sequence} is cut: {error}"));
                        }
                        (cut, None)
                    }
                    None => (publication, Some(error)),
                },
                Err(error) => (publication, Some(error)),
            };
            tried.refusal = refusal.or(tried.refusal);
            tried.rest.publications.push(kept);
            tried.rest.places.push(places);
        }
        tried
    }

    /// A result that its destination will never take makes its events dead letters.
    fn result_too_large(&self, places: &Places, error: &BrokerError) {
        let cause = format!("The result was not accepted: {error}");
        for &place in places.as_slice() {
            let error = error_name::DATA_LIMIT_EXCEEDED.to_owned();
            self.finish(Places::One(place), Verdict::DeadLetter { error, cause: cause.clone() });
        }
    }

    /// Tells the source what became of deliveries, until it was told; then they leave the window.
    async fn settle(self: &Rc<Self>, settlements: Vec<(usize, Settlement)>) {
        let told: Vec<_> = {
            let state = self.state.borrow();
            settlements
                .iter()
                .map(|(place, settlement)| (Rc::clone(&state.in_flight[*place].delivery), *settlement))
                .collect()
        };
        let mut failures = 0;
        while let Err(error) = self.acknowledger.settle(&told).await {
            failures += 1;
            if failures == 1 {
                self.report(&format!("{} events were not settled, trying again: {error}", told.len()));
            }
            sleep(self.settings.broker_backoff.after(failures)).await;
        }
        let back = settlements.iter().filter(|(_, settlement)| matches!(settlement, Settlement::Retry { .. })).count();
        add(&self.counters().handed_back, back as u64);
        add(&self.counters().acknowledged, (settlements.len() - back) as u64);
        let places: Vec<_> = settlements.into_iter().map(|(place, _)| place).collect();
        self.release(&places);
    }
}
