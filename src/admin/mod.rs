//! Health, metrics, status and control.
//!
//! [`http`] answers monitoring over the network and changes nothing; [`socket`] takes the
//! administrator's orders from this host, as [`protocol`] defines them, sent by [`client`].

pub mod client;
pub mod http;
pub mod metrics;
pub mod protocol;
pub mod socket;
