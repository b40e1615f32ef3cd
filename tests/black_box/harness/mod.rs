//! What every black-box test stands on: the daemon as a child process, a small HTTP/1.1 client
//! over plain sockets, form bodies, and payloads that a seed can make again.

mod bender;
mod client;
mod daemon;
mod files;
mod form;
mod hosts;
mod page;
mod payload;
mod peers;
mod relay_end;
mod seal;
mod source;
mod taker;
mod volume;

pub(crate) use bender::{Bend, Bender, Part};
pub(crate) use client::{Client, Response, Uploaded, request};
pub(crate) use daemon::{Daemon, Engine, Setup, UNOPTIMIZED_KIB, engines, heavy, signal};
pub(crate) use files::{flip, free_bytes, names_below, objects, page_cache_is_told, staged};
pub(crate) use form::Form;
pub(crate) use hosts::Hosts;
pub(crate) use page::fenced;
pub(crate) use payload::{Payload, payload};
pub(crate) use peers::{Halfway, Sender, ended, failure, receive, received_into, success};
pub(crate) use relay_end::{RelayEnd, paired_at_a_channel, paired_by_nameplate};
pub(crate) use seal::verify_object;
pub(crate) use source::{Asked, Source, Stream};
pub(crate) use taker::{Taker, answer, stored, take_request};
pub(crate) use volume::{Volume, allocated_bytes};
