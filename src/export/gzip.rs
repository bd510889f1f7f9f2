//! Compressing bodies; the only file that names `flate2`.
#![forbid(unsafe_code)]

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// RFC 1952, section 2.3: the two bytes of gzip, deflate, no flags, no time, no hint, an unknown
/// system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A compressor that keeps its memory, about 300 KiB, from one body to the next.
pub(crate) struct Gzip {
    compress: Compress,
}

impl Gzip {
    pub(crate) fn new() -> Self {
        // The fastest level: somebody waits for it, and metrics repeat themselves enough.
        Self { compress: Compress::new(Compression::fast(), false) }
    }

    /// Appends `plain`, compressed, to `out`.
    pub(crate) fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&HEADER);
        self.compress.reset();
        loop {
            let done = self.compress.total_in() as usize;
            // Metrics shrink to a tenth or less.
            out.reserve((plain.len() - done) / 8 + 1024);
            let status = self.compress.compress_vec(&plain[done..], out, FlushCompress::Finish);
            if matches!(status, Ok(Status::StreamEnd)) {
                break;
            }
        }
        let mut check = Crc::new();
        check.update(plain);
        out.extend_from_slice(&check.sum().to_le_bytes());
        out.extend_from_slice(&check.amount().to_le_bytes());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    fn decompressed(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn one_compressor_serves_body_after_body() {
        let mut gzip = Gzip::new();
        let long: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        for plain in [&b""[..], b"a", &long, b"after the long one"] {
            let mut out = b"kept".to_vec();
            gzip.compress(plain, &mut out);
            assert_eq!(&out[..4], b"kept");
            assert!(decompressed(&out[4..]) == plain);
        }
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(plain: Vec<u8>) {
            let mut out = Vec::new();
            Gzip::new().compress(&plain, &mut out);
            prop_assert_eq!(decompressed(&out), plain);
        }
    }
}
