//! Compression, as a library offers it that was written for any program: it records through `metrics`
//! and knows nothing of what becomes of that.

use flate2::Compression;
use flate2::write::GzEncoder;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use std::io::{self, Write};
use std::time::Instant;

/// Says what it records. Before it does, so that units are known.
pub fn describe_metrics() {
    describe_counter!("archive_bytes_total", Unit::Bytes, "Bytes that went in and came out");
    describe_histogram!("archive_seconds", Unit::Seconds, "Time to compress a file");
    describe_histogram!("archive_ratio", "Share of a file's size that is left");
}

/// `bytes` in gzip's format.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let start = Instant::now();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    let archive = encoder.finish()?;
    histogram!("archive_seconds").record(start.elapsed());
    histogram!("archive_ratio").record(archive.len() as f64 / bytes.len().max(1) as f64);
    counter!("archive_bytes_total", "side" => "in").increment(bytes.len() as u64);
    counter!("archive_bytes_total", "side" => "out").increment(archive.len() as u64);
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use quipu::{MetricsRecorder, Registry, Unit};
    use std::io::Read;
    use std::sync::Arc;

    #[test]
    fn an_archive_is_measured_and_has_what_went_in() {
        let registry = Arc::new(Registry::new());
        let recorder = MetricsRecorder::new().registry(registry.clone());
        let archive = metrics::with_local_recorder(&recorder, || {
            describe_metrics();
            gzip(&[b'a'; 10_000]).unwrap()
        });
        let mut content = Vec::new();
        GzDecoder::new(&*archive).read_to_end(&mut content).unwrap();
        assert_eq!(content, [b'a'; 10_000]);
        let snapshot = registry.snapshot();
        let bytes = |side| snapshot.counter("archive_bytes_total", &[("side", side)]);
        assert_eq!((bytes("in"), bytes("out")), (Some(10_000), Some(archive.len() as u64)));
        let took = snapshot.iter().find(|(it, _)| it.name() == "archive_seconds").unwrap().0;
        assert_eq!(took.unit(), Unit::Nanoseconds);
    }
}
