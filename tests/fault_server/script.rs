//! What a server may do.

use std::time::Duration;

/// What the server does with those who come.
#[derive(Clone, Debug)]
pub enum Script {
    /// Answers each request at once.
    Answers(Answer),
    /// Nobody listens at its port.
    Refuses,
    /// Reads the request and never answers.
    BlackHole,
    /// Accepts a connection and reads nothing.
    NeverReads,
    /// Reads a little at a time, for ever.
    Sips { pace: Duration },
    /// Answers with success, one byte at a time after those that come at once.
    Trickles { pace: Duration, at_once: usize },
    /// Reads a half of the request and resets the connection.
    ResetsMidway,
    /// Reads the request and resets the connection instead of an answer.
    ResetsUnanswered,
    /// Answers with 100 MB.
    Huge { status: u16 },
    /// Answers something that is not HTTP, nor TLS.
    Garbage,
    /// Speaks TLS, and shows a certificate that it has signed itself. Only where no other compiler is
    /// needed for its library.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    SelfSigned,
    /// Closes the connection after each answer, without saying so before.
    ClosesAfterAnswers(Answer),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What counts are kept by.
    pub name: &'static str,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Script {
    /// Takes everything: `200`, without a body.
    pub fn serves() -> Self {
        Self::Answers(Answer::new("serves", 200))
    }

    /// `429`, with such a `Retry-After` or none.
    pub fn too_many(retry_after: Option<&str>) -> Self {
        Self::Answers(Answer::new("too many", 429).retry_after(retry_after))
    }

    /// `500`.
    pub fn fails() -> Self {
        Self::Answers(Answer::new("fails", 500))
    }

    /// `503`, with such a `Retry-After` or none.
    pub fn unavailable(retry_after: Option<&str>) -> Self {
        Self::Answers(Answer::new("unavailable", 503).retry_after(retry_after))
    }

    /// The status of its answers, if it has whole ones.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answers(answer) | Self::ClosesAfterAnswers(answer) => Some(answer.status),
            Self::Huge { status } => Some(*status),
            _ => None,
        }
    }

    /// What counts are kept by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answers(answer) => answer.name,
            Self::Refuses => "refuses",
            Self::BlackHole => "black hole",
            Self::NeverReads => "never reads",
            Self::Sips { .. } => "sips",
            Self::Trickles { .. } => "trickles",
            Self::ResetsMidway => "resets midway",
            Self::ResetsUnanswered => "resets unanswered",
            Self::Huge { .. } => "huge",
            Self::Garbage => "garbage",
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::SelfSigned => "self-signed",
            Self::ClosesAfterAnswers(_) => "closes after answers",
        }
    }
}

impl Answer {
    pub fn new(name: &'static str, status: u16) -> Self {
        Self { name, status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn retry_after(self, retry_after: Option<&str>) -> Self {
        match retry_after {
            Some(value) => self.header("retry-after", value),
            None => self,
        }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Its head, for a body of so many bytes.
    pub fn head(&self, length: usize) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} As scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {length}\r\n\r\n");
        head.into_bytes()
    }
}
