//! What a collector says to a request that it took: messages `ExportMetricsServiceResponse`.
#![forbid(unsafe_code)]

use super::field::{partial_success, response};

/// That it did not take all of it, or has something to remark.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    pub(super) rejected: u64,
    pub(super) message: String,
}

/// What an answer says, if anything. What is no such message says nothing: the request was taken.
pub(super) fn partial_success(mut body: &[u8]) -> Option<PartialSuccess> {
    let mut partial = PartialSuccess::default();
    while !body.is_empty() {
        if let (response::PARTIAL_SUCCESS, Field::Bytes(mut message)) = field(&mut body)? {
            while !message.is_empty() {
                match field(&mut message)? {
                    (partial_success::REJECTED_DATA_POINTS, Field::Varint(rejected)) => {
                        // A negative number of them is none.
                        partial.rejected = i64::try_from(rejected).unwrap_or(0) as u64;
                    }
                    (partial_success::ERROR_MESSAGE, Field::Bytes(text)) => {
                        partial.message = String::from_utf8_lossy(text).into_owned();
                    }
                    _ => {}
                }
            }
        }
    }
    (partial != PartialSuccess::default()).then_some(partial)
}

enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The next field: its number and value.
fn field<'a>(message: &mut &'a [u8]) -> Option<(u32, Field<'a>)> {
    let key = varint(message)?;
    let field = match key & 7 {
        0 => Field::Varint(varint(message)?),
        1 => taken(message, 8).map(|_| Field::Other)?,
        2 => {
            let length = varint(message)?.try_into().ok()?;
            Field::Bytes(taken(message, length)?)
        }
        5 => taken(message, 4).map(|_| Field::Other)?,
        _ => return None,
    };
    Some((u32::try_from(key >> 3).ok()?, field))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = taken(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn taken<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::wire::{push_bytes, push_varint_field};
    use proptest::prelude::*;

    fn answer(rejected: u64, message: &str) -> Vec<u8> {
        let (mut partial, mut answer) = (Vec::new(), Vec::new());
        push_varint_field(&mut partial, 1, rejected);
        push_bytes(&mut partial, 2, message.as_bytes());
        push_bytes(&mut answer, 1, &partial);
        answer
    }

    #[test]
    fn what_was_not_taken_is_read() {
        let partial = partial_success(&answer(3, "too old")).unwrap();
        assert_eq!(partial, PartialSuccess { rejected: 3, message: "too old".to_owned() });
        let remark = partial_success(&answer(0, "use TLS")).unwrap();
        assert_eq!((remark.rejected, &*remark.message), (0, "use TLS"));
        assert_eq!(partial_success(&answer(-1_i64 as u64, "x")).unwrap().rejected, 0);
    }

    #[test]
    fn all_else_says_that_everything_was_taken() {
        for body in [&b""[..], b"{}", b"<html>", &answer(0, ""), b"\x0a\x00", b"\x0a\xff\xff"] {
            assert_eq!(partial_success(body), None, "{body:?}");
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let mut body = vec![0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x28, 0x96, 1];
        body.extend(answer(7, ""));
        assert_eq!(partial_success(&body).unwrap().rejected, 7);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn no_answer_panics(body: Vec<u8>) {
            let _ = partial_success(&body);
            let _ = partial_success(&[&[0x0a, body.len() as u8][..], &body].concat());
        }
    }
}
