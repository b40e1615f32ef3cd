//! `ringhold-bench http`: load over real sockets on any HTTP server.
//!
//! ```text
//!  arguments ──> run ──> driver, one a thread ──> connection ──> socket
//!                 │        │ turns: which request, when        │ request: what goes out
//!                 │        │ tally: what came of it            │ answer, body: what comes in
//!                 └─> summary                                  └ stage: where it stands
//! ```
//! A driver is one loop over `epoll` with its share of the connections; drivers share the counter
//! of requests and nothing else. `content`, `sizes`, `turns`, `request`, `answer`, `body` and
//! `stage` are pure.

mod answer;
mod arguments;
mod body;
mod connection;
mod content;
mod driver;
mod idle;
mod request;
mod run;
mod sizes;
mod stage;
mod stored;
mod summary;
mod tally;
mod turns;
mod work;

pub(crate) use arguments::HttpArguments;
pub(crate) use run::run;
