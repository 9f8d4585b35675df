//! Work that blocks a thread, with a limit on how much of it runs at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The threads that one kind of work may take.
#[derive(Clone)]
pub struct Threads(Arc<Semaphore>);

/// The right to run work on one of the threads.
pub struct Thread(OwnedSemaphorePermit);

impl Threads {
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Waits for a thread; `None` where none comes free in time.
    pub async fn wait(&self, within: Duration) -> Option<Thread> {
        tokio::time::timeout(within, self.0.clone().acquire_owned()).await.ok()?.ok().map(Thread)
    }
}

impl Thread {
    /// Runs the work to its end, and returns what it gave. A request that is dropped meanwhile does not end the work,
    /// so its thread stays taken.
    ///
    /// # Panics
    /// Where the work panics.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let taken = self.0;
        let ended = tokio::task::spawn_blocking(move || {
            let _taken = taken;
            work()
        });
        ended.await.expect("the work does not panic")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// How long the test waits, at most, for what must come.
    const AT_LAST: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_hang_up_frees_no_thread_before_its_work_ends() {
        let threads = Threads::new(1);
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = mpsc::channel::<()>();
        let thread = threads.wait(AT_LAST).await.unwrap();
        let request = tokio::spawn(thread.run(move || {
            begun.send(()).unwrap();
            let _ = ends.recv();
        }));
        begins.await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(threads.0.available_permits(), 0, "the work goes on");
        assert!(threads.wait(Duration::ZERO).await.is_none());
        end.send(()).unwrap();
        assert!(threads.wait(AT_LAST).await.is_some());
    }
}
