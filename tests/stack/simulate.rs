//! The simulation: a seed decides on jobs, packages, services' switches, faults, deaths and clocks; all of it runs in
//! this process, in a time that jumps, and a short model says what must hold at the end. The same seed runs the same
//! way again.

mod cover;
mod draw;
mod log;
mod model;
mod process;
mod slot;
mod time;
mod weather;
mod world;

use std::sync::{Mutex, MutexGuard};

use self::draw::Fate;
use self::log::Log;
use self::world::World;
use super::http::Traffic;

pub(crate) use self::cover::{COVERED, Covered};
pub(crate) use self::process::PROCESS;

/// What one seed came to.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) requests: usize,
    pub(crate) deaths: usize,
    /// Ticks of the schedule from the end of the last dead invocation's lease to the last answer.
    pub(crate) ticks: u32,
    /// What came about, each of [`COVERED`] once.
    pub(crate) covered: Covered,
    /// What happened, line by line, where that was asked for or an invariant is broken.
    pub(crate) story: String,
    pub(crate) verdict: Result<(), String>,
}

/// Runs one seed.
pub(crate) fn run(seed: u64) -> Told {
    told(seed, false)
}

/// Runs one seed, and tells its story whatever it comes to.
pub(crate) fn story(seed: u64) -> String {
    told(seed, true).story
}

fn told(seed: u64, always: bool) -> Told {
    // The library's own dice: owners of claims, jitter of pauses.
    fastrand::seed(seed);
    let log = Log::default();
    let listening = log.listen();
    let traffic = Traffic::default();
    let told = time::run(traffic.movement(), async {
        let world = World::begin(Fate::of(seed), traffic, log).await;
        let lived = world.live().await;
        let witness = world.witness();
        let verdict = lived.and_then(|()| model::judge(&world, &witness));
        let told = world.tell(&witness, verdict, always);
        drop(witness);
        world.end();
        told
    });
    drop(listening);
    told
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("nobody panics while holding this")
}
