//! One request in, one reply out: what the client sent, what it likes, what it gets, and the errors of the contract.

mod accept;
mod call;
mod fail;
mod params;
mod reply;

pub(crate) use accept::{Format, Version};
pub(crate) use call::{Call, Peer, Shutdown};
pub(crate) use fail::Fail;
pub(crate) use params::Params;
pub(crate) use reply::{Content, Reply, Vary, finish, preflight};
