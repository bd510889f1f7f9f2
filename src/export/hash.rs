//! Numbers made from names, for those that would fall together without.
#![forbid(unsafe_code)]

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>), since the number is the same in all
/// processes and versions.
pub(crate) fn hash(text: &str, round: u32) -> u32 {
    let bytes = text.bytes().chain(round.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
