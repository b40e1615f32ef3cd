//! Threads for blocking calls, and the queue in front of them.
//!
//! Per worker one for what the `threads` engine does, and one for small files. Its threads are fewer
//! than the jobs that the gates let through: one that has done its job finds the next in the queue,
//! and nobody has to sleep and be woken in between, which costs more than most of the calls.
//!
//! 1. [`Crew::run`] queues a job and waits for its answer; the queue is bounded by the gates.
//! 2. A thread takes a job, does it, drops what it owned, and only then answers.
//! 3. With its last handle the crew ends: what is queued is still done, then the threads leave.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::base::limits::DISK_THREAD_STACK_SIZE;

type Job = Box<dyn FnOnce() + Send>;

/// The threads' employer. Clones share the threads.
#[derive(Clone)]
pub(super) struct Crew(Arc<Handle>);

/// Ends the crew when dropped.
struct Handle(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle_count: usize,
    is_over: bool,
}

impl Crew {
    /// Starts so many threads of that name.
    ///
    /// # Errors
    /// When the system has no room for one.
    pub(super) fn start(name: &str, thread_count: usize) -> io::Result<Crew> {
        let crew = Crew(Arc::new(Handle(Arc::default())));
        for index in 0..thread_count {
            let queue = Arc::clone(&crew.0.0);
            thread::Builder::new()
                .name(format!("{name}-{index}"))
                .stack_size(DISK_THREAD_STACK_SIZE)
                .spawn(move || queue.work_off())?;
        }
        Ok(crew)
    }

    /// Runs `call` on a thread. What it owns is dropped there, before the answer is sent.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        self.0.0.push(Box::new(move || {
            let answer = call();
            // Nobody listens when the runtime is gone.
            drop(sender.send(answer));
        }));
        match receiver.await {
            Ok(answer) => answer,
            Err(_dropped) => unreachable!("a thread answers every job it takes"),
        }
    }
}

impl Queue {
    fn push(&self, job: Job) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        let wakes = state.idle_count > 0;
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// One thread's life.
    fn work_off(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_over {
                return None;
            }
            state.idle_count += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle_count -= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_queued_is_done_before_the_crew_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let crew = Crew::start("test", 2).unwrap();
            let (sender, done) = std::sync::mpsc::channel();
            let jobs = (0..100).map(|index| {
                let (crew, sender) = (crew.clone(), sender.clone());
                Box::pin(async move { crew.run(move || sender.send(index).unwrap()).await })
            });
            let mut jobs: Vec<_> = jobs.collect();
            for job in &mut jobs {
                // Queued at the first poll; the answer is of no interest.
                let _answer = futures_util::poll!(job);
            }
            drop((jobs, crew, sender));
            // The channel ends when the last job is gone: done, or dropped undone.
            let mut seen: Vec<u32> = done.iter().collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..100));
        });
    }

    #[test]
    fn as_many_jobs_run_at_once_as_there_are_threads() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let crew = Crew::start("test", 3).unwrap();
            // Each waits for the two others.
            let barrier = Arc::new(std::sync::Barrier::new(3));
            let jobs = (0..9).map(|_| {
                let barrier = Arc::clone(&barrier);
                crew.run(move || barrier.wait().is_leader())
            });
            let leaders = futures_util::future::join_all(jobs).await;
            assert_eq!(leaders.into_iter().filter(|&is_leader| is_leader).count(), 3);
        });
    }
}
