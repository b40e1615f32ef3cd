//! SIGINT and SIGTERM: the first ends the measuring in order, so that nothing is left behind; a
//! second one ends the process at once. One per process, on a thread of its own.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use futures_util::poll;
use ringhold::worker::{RuntimeKind, interrupted, run_alone};

/// Whether the measuring is to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Catches the signals from the moment this returns.
    ///
    /// # Errors
    /// When the process may not catch signals.
    pub(crate) fn at_signals() -> io::Result<Stop> {
        let stop = Stop::default();
        let told = stop.clone();
        let (report, catches) = mpsc::channel();
        let watch = async move {
            let first = interrupted();
            tokio::pin!(first);
            // Its first poll begins to catch.
            let is_early = poll!(&mut first).is_ready();
            // Who waits for it waits below, and does not go before it came.
            let _ = report.send(());
            if is_early || first.await.is_ok() {
                told.0.store(true, Ordering::Relaxed);
                if interrupted().await.is_ok() {
                    process::exit(1);
                }
            }
        };
        thread::Builder::new()
            .name("rb-signals".to_owned())
            .spawn(|| run_alone(RuntimeKind::Plain, watch))?;
        catches.recv().map_err(|_| io::Error::other("signals cannot be caught"))?;
        Ok(stop)
    }

    /// Whether a signal came.
    pub(crate) fn is_asked(&self) -> bool {
        // Relaxed: it guards nothing but itself.
        self.0.load(Ordering::Relaxed)
    }
}
