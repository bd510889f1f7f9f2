//! Reading requests.

use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

/// A request that was answered with success.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Without its compression.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads all but its body; nothing if the connection ends before.
    pub fn read_head(from: &mut impl BufRead) -> Option<Self> {
        let line = read_line(from)?;
        let path = line.strip_prefix("POST ")?.strip_suffix(" HTTP/1.1")?.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let line = read_line(from)?;
            if line.is_empty() {
                return Some(Self { path, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':')?;
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }

    /// How long the body is on its way.
    pub fn length(&self) -> usize {
        self.headers.get("content-length").map_or(0, |length| length.parse().unwrap())
    }

    pub fn read_body(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        self.body = vec![0; self.length()];
        from.read_exact(&mut self.body)?;
        if self.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
            let mut plain = Vec::new();
            GzDecoder::new(&*self.body).read_to_end(&mut plain).expect("a body is whole");
            self.body = plain;
        }
        Ok(())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body is text")
    }
}

fn read_line(from: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    Some(line.strip_suffix("\r\n")?.to_owned())
}
