//! ringhold: a storage daemon for Linux that takes in and hands out files over HTTP.
//!
//! Modules are floors of a house: a module imports lower floors only, and modules on one floor
//! do not import each other (`tests/tidy/` holds both rules). From the top:
//!
//! | floor | module | does |
//! |---|---|---|
//! | 6 | [`cli`] | one file per subcommand; wires the parts together and prints |
//! | 5 | [`config`] | flags and environment to one `Options` per part |
//! | 4 | [`http`] | the daemon's face: routes, handlers, bodies, errors |
//! | 4 | [`client`] | files to a daemon and from any server, from any tokio program |
//! | 4 | [`relay`] | two ends meet, their bytes are moved |
//! | 3 | [`worker`] | threads, pinning, listeners, hand-over, drain |
//! | 3 | [`store`] | objects: write, seal, publish, read, recover |
//! | 3 | [`import`] | fetching a file for somebody else |
//! | 3 | [`copy`] | a file to another place, chunks in flight |
//! | 2 | [`disk`] | the `Disk` trait and its engines; the slab; the probe |
//! | 1 | [`plan`] | the chunk planner; pure |
//! | 1 | [`wire`] | codecs shared by both ends; pure |
//! | 1 | [`id`] | file IDs; pure |
//! | 1 | [`telemetry`] | metrics and logs |
//! | 0 | [`base`] | limits, units, clock, cores |

pub mod base;
pub mod cli;
pub mod client;
pub mod config;
pub mod copy;
pub mod disk;
pub mod http;
pub mod id;
pub mod import;
pub mod plan;
pub mod relay;
pub mod store;
pub mod telemetry;
pub mod wire;
pub mod worker;
