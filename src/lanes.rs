//! How many packages are sent at once: few at first, as servers are used to; more with each that goes well; half as many
//! when the server asks for patience.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many at first: what other uploaders do.
const FIRST: usize = 3;
/// … and at most.
pub const MOST: usize = 12;

/// The lanes to a server.
#[derive(Debug)]
pub struct Lanes {
    free: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lanes: usize,
    /// How many lanes are closed as soon as they are left.
    too_many: usize,
    /// How often their number was halved.
    halved: u64,
}

/// A lane in use.
#[derive(Debug)]
#[must_use = "leave it with what the server made of what was sent"]
pub struct Lane<'a> {
    lanes: &'a Lanes,
    /// How often their number had been halved when this one was entered: who entered before the last time has met the
    /// same trouble.
    halved: u64,
    permit: SemaphorePermit<'a>,
}

/// What the server made of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// It took it at the first attempt.
    Smooth,
    /// Something had to be sent again.
    Heavy,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { free: Semaphore::new(FIRST), state: Mutex::new(State { lanes: FIRST, too_many: 0, halved: 0 }) }
    }
}

impl Lanes {
    /// Waits for a lane. `None` never comes as long as the lanes are there.
    pub async fn enter(&self) -> Option<Lane<'_>> {
        let permit = self.free.acquire().await.ok()?;
        let halved = self.state().halved;
        Some(Lane { lanes: self, halved, permit })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane<'_> {
    /// Leaves the lane.
    pub fn leave(self, traffic: Traffic) {
        let Self { lanes, halved, permit } = self;
        let mut state = lanes.state();
        match traffic {
            Traffic::Smooth if state.halved == halved && state.lanes < MOST => {
                state.lanes += 1;
                lanes.free.add_permits(1);
            }
            Traffic::Heavy if state.halved == halved => {
                let half = (state.lanes / 2).max(1);
                state.too_many += state.lanes - half;
                state.lanes = half;
                state.halved += 1;
            }
            Traffic::Smooth | Traffic::Heavy => {}
        }
        if state.too_many > 0 {
            state.too_many -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn enter(lanes: &Lanes) -> Vec<Lane<'_>> {
        std::iter::from_fn(|| lanes.enter().now_or_never().flatten()).collect()
    }

    #[test]
    fn lanes_are_opened_one_by_one_and_closed_by_halves() {
        let lanes = Lanes::default();
        assert_eq!(enter(&lanes).len(), FIRST);
        for _ in 0..100 {
            lanes.enter().now_or_never().flatten().unwrap().leave(Traffic::Smooth);
        }
        for expected in [MOST, MOST / 2, MOST / 4, MOST / 8, 1] {
            let all = enter(&lanes);
            assert_eq!(all.len(), expected);
            // All of them have met the same trouble: it is halved once.
            for lane in all {
                lane.leave(Traffic::Heavy);
            }
        }
    }
}
