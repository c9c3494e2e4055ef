//! Time in a simulation: one thread, a paused clock, and a keeper that lets it jump only when nothing is on its way.
//!
//! Tokio's paused clock jumps to the next timer as soon as no task can run, and does not ask whether bytes lie in a
//! socket that nobody has been woken for yet: with servers on loopback every time-out would come before every answer.
//! Before each jump the keeper has the sockets looked at a few times more, and begins again whenever a server of the
//! stack has seen something. Loopback delivers at once, so what has not shown up by then is not on its way.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use tokio::runtime::{Builder, Runtime};

/// How often the sockets are looked at before the clock may jump. Between two moments that a server notices lie at most
/// a few looks: connect, accept, read; answer, read, next request.
const LOOKS: usize = 10;

#[derive(Debug, Default)]
struct Keeper {
    waker: Mutex<Option<Waker>>,
    looks: AtomicUsize,
    last: AtomicU64,
}

impl Keeper {
    /// Called when no task can run. With a task woken here, the runtime looks at its sockets and goes on without a jump.
    fn before_jump(&self, movement: u64) {
        if self.last.swap(movement, Ordering::Relaxed) != movement {
            self.looks.store(0, Ordering::Relaxed);
        }
        if self.looks.fetch_add(1, Ordering::Relaxed) >= LOOKS {
            self.looks.store(0, Ordering::Relaxed);
            return;
        }
        if let Some(waker) = self.waker.lock().expect("nobody panics while holding this").as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// Runs this on a runtime of its own, on this thread, whose time is paused and jumps from timer to timer. `movement`
/// counts what the servers see.
pub(crate) fn run<F: Future>(movement: Arc<AtomicU64>, whole: F) -> F::Output {
    let keeper = Arc::new(Keeper::default());
    let (hook, watched) = (Arc::clone(&keeper), Arc::clone(&keeper));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        // Of two plans that are made side by side, which is done first must not depend on the machine.
        .max_blocking_threads(1)
        .on_thread_park(move || hook.before_jump(movement.load(Ordering::Relaxed)))
        .build()
        .expect("a runtime can be built");
    runtime.spawn(std::future::poll_fn(move |context| {
        *watched.waker.lock().expect("nobody panics while holding this") = Some(context.waker().clone());
        Poll::<()>::Pending
    }));
    let output = runtime.block_on(whole);
    // The waker holds the runtime, and the runtime, through its hook, the waker.
    keeper.waker.lock().expect("nobody panics while holding this").take();
    output
}
