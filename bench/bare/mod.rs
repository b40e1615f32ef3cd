//! `ringhold-bench bare`: a server that receives and sends and does nothing else. What a request
//! costs with it is what the kernel and the generator leave to any server; the rest is the server's
//! own. Floor 1 of the bench.

mod arguments;
mod server;
mod shelf;

pub(crate) use arguments::BareArguments;
pub(crate) use server::run;
