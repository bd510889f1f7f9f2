//! Lines in datagrams: what DogStatsD and plain StatsD have in common.
//!
//! - `address`: where to. `socket`: carries datagrams there, and knows no metrics.
//! - `packets`: which lines of which series are in the next datagram, so that each is in exactly one
//!   that the socket took. `points`, `rate`: distributions as values with weights.
#![forbid(unsafe_code)]

mod address;
mod packets;
mod points;
mod rate;
mod socket;

pub use address::AddressError;

pub(super) use address::Address;
#[cfg(feature = "dogstatsd")]
pub(super) use packets::Sent;
pub(super) use packets::{Encoder, Item, Lines, Packets};
pub(super) use points::{Point, points};
pub(super) use rate::{MAX_WEIGHT, push_rate};
pub(super) use socket::Socket;

/// What an Ethernet frame holds beside the headers of IPv6 and UDP, as Datadog's own clients have
/// it.
pub(super) const UDP_BYTES: usize = 1_432;

/// The smallest and the largest datagram that can be chosen; IPv4 carries no larger one.
const DATAGRAM_BYTES: std::ops::RangeInclusive<usize> = 64..=65_507;
