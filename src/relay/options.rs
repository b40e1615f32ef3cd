//! What the operator decides about the relay.

use std::time::Duration;

use crate::base::limits::{
    RELAY_EXPIRE_S_DEFAULT, RELAY_IDLE_S_DEFAULT, RELAY_LIFETIME_S_DEFAULT,
    RELAY_WAITING_MAX_DEFAULT, RELAY_WAITING_PER_ADDRESS_DEFAULT,
};

/// The limits of one relay, all workers together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayOptions {
    /// Ends that wait.
    pub waiting_max: usize,
    /// The same from one address, and connections from there of which nothing was heard.
    pub waiting_per_address_max: usize,
    /// How long an end waits for the other one.
    pub expire: Duration,
    /// How long a pairing lives in which no byte moves.
    pub idle: Duration,
    /// How long a pairing lives.
    pub lifetime: Duration,
    /// Most bytes a second of one pairing, both directions together; `None` for as many as come.
    pub rate: Option<u64>,
}

impl Default for RelayOptions {
    fn default() -> RelayOptions {
        RelayOptions {
            waiting_max: RELAY_WAITING_MAX_DEFAULT,
            waiting_per_address_max: RELAY_WAITING_PER_ADDRESS_DEFAULT,
            expire: Duration::from_secs(RELAY_EXPIRE_S_DEFAULT),
            idle: Duration::from_secs(RELAY_IDLE_S_DEFAULT),
            lifetime: Duration::from_secs(RELAY_LIFETIME_S_DEFAULT),
            rate: None,
        }
    }
}
