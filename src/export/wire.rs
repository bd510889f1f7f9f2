//! Protobuf's wire format: <https://protobuf.dev/programming-guides/encoding/>.
#![forbid(unsafe_code)]

pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes `push_varint` appends.
#[cfg(all(feature = "otlp", not(loom)))]
pub(super) fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn push_varint_field(out: &mut Vec<u8>, field: u32, value: u64) {
    push_varint(out, u64::from(field << 3));
    push_varint(out, value);
}

pub(super) fn push_fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    push_varint(out, u64::from((field << 3) | 1));
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn push_double(out: &mut Vec<u8>, field: u32, value: f64) {
    push_fixed64(out, field, value.to_bits());
}

pub(super) fn push_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    push_varint(out, u64::from((field << 3) | 2));
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(all(test, feature = "otlp", not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_varints_are_known_ahead() {
        for value in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit]).chain([u64::MAX]) {
            let mut out = Vec::new();
            push_varint(&mut out, value);
            assert_eq!(varint_len(value), out.len(), "{value}");
        }
    }
}
