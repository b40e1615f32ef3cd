//! The daemon's face: routes, handlers, bodies, errors. Floor 4.

mod access_log;
mod body;
mod connection;
mod counter;
mod delete;
mod digest_check;
mod download;
mod error;
mod face;
mod file_answer;
mod form;
mod gate;
mod health;
mod import;
mod linger;
mod manifest;
mod multipart;
mod outlet;
mod public;
mod request_body;
mod routes;
mod running;
mod stand_in;
mod upload;
mod watch;

pub use face::{Face, FaceParts, HttpOptions};
pub use routes::{ROUTES, RouteSpec};
