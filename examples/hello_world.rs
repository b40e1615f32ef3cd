//! Hello World over HTTP from every worker, on the machinery of the daemon: one pinned thread a
//! core, connections evenly spread, a drain at SIGTERM or Ctrl-C. No store, no disk.
//!
//! ```text
//! cargo run --example hello_world -- [HOST:PORT]      127.0.0.1:8080 unless given
//! curl http://127.0.0.1:8080
//! ```
//! Each answer names the worker that gave it. Connections that are open at the same time are on
//! different workers; one that is alone stays where the kernel put it.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ringhold::base::cores::default_worker_count;
use ringhold::telemetry::Metrics;
use ringhold::worker::{
    Factory, Listen, Pool, PoolOptions, RuntimeKind, Seat, Service, Signals, Socket, Team,
};

/// Connections a worker holds; further ones wait in the kernel.
const CONNECTIONS_MAX: usize = 1_000;
/// How long running requests have once a signal came.
const GRACE: Duration = Duration::from_secs(5);

/// What a worker does: one `Hello` per worker, made on its thread.
struct Hello {
    seat: Seat,
}

impl Service for Hello {
    /// Called for each connection this worker was given. The future stays on the worker's thread,
    /// so nothing in it has to be `Send`.
    fn serve(&self, socket: Socket, peer: SocketAddr) -> LocalBoxFuture<'static, ()> {
        let Seat { worker_index, drain } = self.seat.clone();
        let greet = move |_request: Request<Incoming>| async move {
            let text = format!("Hello, {peer}! This is worker {worker_index}.\n");
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
        };
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(greet));
        async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => return tell(peer, ended),
                () = drain.wait() => connection.as_mut().graceful_shutdown(),
            }
            tell(peer, connection.await);
        }
        .boxed_local()
    }

    /// Called when the last connection is gone. A service with a disk drains it here.
    fn close(&self) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }
}

fn tell(peer: SocketAddr, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        eprintln!("{peer}: {error}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let options = PoolOptions {
        listen: Listen::Address(address.parse()?),
        worker_count: default_worker_count(),
        connections_max: CONNECTIONS_MAX,
        // A service that reads files would ask `ringhold::disk::choose` for a ring.
        runtime: RuntimeKind::Plain,
        grace: GRACE,
        team: Team::default(),
    };
    let factory: Arc<Factory> = Arc::new(|seat| {
        async move { Ok(Rc::new(Hello { seat }) as Rc<dyn Service>) }.boxed_local()
    });
    // Caught before the workers start: a signal in between is not lost.
    let signals = Signals::catch()?;
    let pool = Pool::start(&options, &Metrics::new(options.worker_count), &factory)?;
    println!("http://{} answers from {} workers", pool.local_addr(), options.worker_count);
    signals.supervise(vec![pool], || println!("stopping"))?;
    Ok(())
}
