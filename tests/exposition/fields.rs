//! Protobuf's wire format, read strictly.

/// A field's number and value.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    Varint(u32, u64),
    /// An integer, or the bits of a double.
    Fixed64(u32, u64),
    Bytes(u32, &'a [u8]),
}

/// The fields of a message; panics at what is not well-formed.
pub fn fields(mut message: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let number = (key >> 3) as u32;
        fields.push(match key & 7 {
            0 => Field::Varint(number, varint(&mut message)),
            1 => {
                let bytes = taken(&mut message, 8).try_into().expect("eight bytes");
                Field::Fixed64(number, u64::from_le_bytes(bytes))
            }
            2 => {
                let length = varint(&mut message) as usize;
                Field::Bytes(number, taken(&mut message, length))
            }
            other => panic!("wire type {other}"),
        });
    }
    fields
}

/// Takes a number.
pub fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = taken(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a number of more than ten bytes");
}

/// A number that was zigzag-encoded.
pub fn signed(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Takes as many bytes.
pub fn taken<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at_checked(length).expect("a message that is complete");
    *bytes = rest;
    taken
}

/// A text in UTF-8.
pub fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).expect("a text").to_owned()
}
