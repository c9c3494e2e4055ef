//! Work that blocks: it has a thread of its own, and where it needs what only the runtime can do (fetch a part of an
//! artifact), it waits there for it. While the work itself goes on, the runtime counts it as a blocking task, so that a
//! paused clock stands still; while it waits, it does not.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};

use thiserror::Error;
use tokio::task::JoinHandle;

/// Something that the runtime does for a thread which waits for it.
type Errand = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// The way to whoever runs errands for this thread.
    static RUNNER: RefCell<Option<Sender<Errand>>> = const { RefCell::new(None) };
}

/// Why work on a thread of its own came to no end.
#[derive(Debug, Error)]
pub enum ApartError {
    /// A bug of ours.
    #[error("the work panicked")]
    Panicked(Box<dyn Any + Send>),
    /// The system gives no thread.
    #[error("no thread can be started")]
    NoThread(#[source] io::Error),
}

/// Nobody waits any more for what a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("nobody waits for it any more")]
pub struct Abandoned;

/// Does `work` on a thread of its own and runs its errands meanwhile. Where the future is dropped, the work goes on until
/// its next errand.
pub async fn apart<T, W>(work: W) -> Result<T, ApartError>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let (runner, mut errands) = channel();
    let (done, outcome) = channel();
    let body = move || {
        RUNNER.set(Some(runner));
        let outcome = catch_unwind(AssertUnwindSafe(work));
        // Nobody hears it where the future was dropped.
        let _ = done.send(outcome);
        RUNNER.set(None);
    };
    std::thread::Builder::new().name("apart".to_owned()).spawn(body).map_err(ApartError::NoThread)?;
    while let Some((errand, rest)) = next(errands).await? {
        errand.await;
        errands = rest;
    }
    match outcome.recv() {
        Ok(outcome) => outcome.map_err(ApartError::Panicked),
        Err(gone) => Err(ApartError::Panicked(Box::new(gone))),
    }
}

/// The same, begun now, whether anybody waits for it or not.
pub fn begin<T, W>(work: W) -> JoinHandle<Result<T, ApartError>>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    tokio::spawn(apart(work))
}

/// The thread's next errand; `None` once it is done.
async fn next(errands: Receiver<Errand>) -> Result<Option<(Errand, Receiver<Errand>)>, ApartError> {
    let waiting = tokio::task::spawn_blocking(move || errands.recv().ok().map(|errand| (errand, errands)));
    waiting.await.map_err(|error| ApartError::Panicked(Box::new(error)))
}

/// Does this on one more thread, whose errands are run by whoever runs those of this one.
pub fn beside(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runner = RUNNER.with_borrow(Clone::clone);
    let body = move || {
        RUNNER.set(runner);
        work();
        RUNNER.set(None);
    };
    std::thread::Builder::new().name("beside".to_owned()).spawn(body).map(drop)
}

/// Waits, on a thread of [`apart`], until the runtime has done this.
pub fn wait<T: Send + 'static>(errand: impl Future<Output = T> + Send + 'static) -> Result<T, Abandoned> {
    let runner = RUNNER.with_borrow(Clone::clone).ok_or(Abandoned)?;
    let (done, outcome) = channel();
    let errand = Box::pin(async move {
        let _ = done.send(errand.await);
    });
    runner.send(errand).map_err(|_| Abandoned)?;
    drop(runner);
    outcome.recv().map_err(|_| Abandoned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn errands_are_run_while_the_work_waits_and_only_then_does_a_paused_clock_move() {
        let begun = Instant::now();
        let work = || {
            std::thread::sleep(Duration::from_millis(20));
            let errand = async {
                tokio::time::sleep(Duration::from_hours(1)).await;
                "done"
            };
            wait(errand).unwrap()
        };
        assert_eq!(apart(work).await.unwrap(), "done");
        assert_eq!(begun.elapsed(), Duration::from_hours(1));
    }

    #[tokio::test]
    async fn a_panic_is_told() {
        let outcome = apart(|| -> u8 { panic!("a bug") }).await;
        assert!(matches!(outcome, Err(ApartError::Panicked(_))));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends_at_its_next_errand() {
        let (told, heard) = channel();
        let work = move || told.send(wait(std::future::pending::<()>())).unwrap();
        let dropped = tokio::time::timeout(Duration::from_millis(50), apart(work)).await;
        assert!(dropped.is_err());
        let heard = tokio::task::spawn_blocking(move || heard.recv().unwrap()).await.unwrap();
        assert_eq!(heard, Err(Abandoned));
    }

    #[test]
    fn nobody_runs_errands_for_another_thread() {
        assert_eq!(wait(async {}), Err(Abandoned));
    }
}
