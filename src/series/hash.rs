//! Hashing label values.
//!
//! Values may come from outside, so the hash is keyed: each table has secrets of its own, and who does
//! not know them cannot choose values that begin at one slot. It is made of the product of two words,
//! upper half and lower half folded together, as wyhash and its kin are
//! (<https://github.com/wangyi-fudan/wyhash>), and not of SipHash, which takes several times as long for
//! labels of usual lengths. That is the trade: SipHash is made to withstand whoever sees its results,
//! and nobody sees these, though how long a look-up takes may tell a little. What stands behind it is the
//! limit of a family or a registry, which bounds how many values can meet at one slot.
#![forbid(unsafe_code)]

use crate::sync;

/// Spreads a length over the upper bits.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A table's secrets.
pub(crate) struct HashKey([u64; 4]);

impl HashKey {
    pub(crate) fn random() -> Self {
        Self(std::array::from_fn(|_| sync::random()))
    }

    #[inline(always)]
    pub(crate) fn hash<const N: usize>(&self, values: [&str; N]) -> u64 {
        let [one, two, three, four] = self.0;
        let mut state = one;
        for value in values {
            let mut rest = value.as_bytes();
            while rest.len() > 16 {
                let (first, others) = rest.split_at(16);
                let (low, high) = ends(first);
                state = fold(low ^ state, high ^ two);
                rest = others;
            }
            let (low, high) = ends(rest);
            // The length tells apart what the ends do not, and where one value stops and the next begins.
            // It is added to what nobody can foresee: in the words it could be made up for.
            let len = (value.len() as u64).wrapping_mul(ODD);
            state = fold(low ^ state, high ^ three).wrapping_add(len);
        }
        fold(state ^ two, four)
    }
}

/// All of at most 16 bytes, as two words that overlap where they are fewer.
#[inline(always)]
pub(crate) fn ends(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return (0, 0) };
    (u64::from(*first) << 8 | u64::from(bytes[bytes.len() / 2]), (*last).into())
}

#[inline(always)]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    #[cfg_attr(miri, ignore = "an interpreter takes minutes for so many")]
    fn values_that_differ_anywhere_have_other_hashes() {
        let key = HashKey::random();
        let text = "abcdefghijklmnopqrstuvwxyz0123456789";
        let mut hashes = HashSet::new();
        let mut values = 0;
        for len in 0..=text.len() {
            for at in 0..len {
                let mut changed = text[..len].to_owned();
                changed.replace_range(at..=at, "#");
                hashes.insert(key.hash([&changed]));
                values += 1;
            }
            for split in 0..=len {
                hashes.insert(key.hash([&text[..split], &text[split..len]]));
                values += 1;
            }
        }
        assert_eq!(hashes.len(), values);
    }

    #[test]
    fn tables_hash_differently() {
        assert_ne!(HashKey::random().hash(["GET", "/"]), HashKey::random().hash(["GET", "/"]));
    }

    #[test]
    #[cfg_attr(miri, ignore = "an interpreter takes minutes for so many")]
    fn both_halves_of_a_hash_are_spread() {
        let key = HashKey::random();
        for shift in [0, 32] {
            let mut slots = [0_u32; 256];
            for value in 0..25_600 {
                slots[(key.hash([&value.to_string()]) >> shift) as usize % 256] += 1;
            }
            // 100 on average, with a standard deviation of 10.
            assert!(slots.iter().all(|&values| (40..180).contains(&values)), "{slots:?}");
        }
    }
}
