//! Why a delivery failed.
#![forbid(unsafe_code)]

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

/// Why an [`Exporter`](crate::Exporter) could not deliver.
///
/// Every error converts into it by `?`; the cause of an `std::io::Error` follows from its kind. It
/// is no `std::error::Error` itself, which is what makes that conversion possible.
///
/// Its text ends up in log lines and reports: it must hold no secret.
pub struct ExportError {
    cause: FailureCause,
    source: Box<dyn Error + Send + Sync>,
    retry_after: Option<Duration>,
}

/// What kind of failure a delivery met: the label `cause` of `quipu.export.failures`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureCause {
    /// Nobody answers at the destination, or the connection broke.
    Unreachable,
    /// The destination took too long.
    TimedOut,
    /// The destination asks for fewer or later requests.
    RateLimited,
    /// The destination refuses what it was sent.
    Rejected,
    /// The destination does not accept the key or the token.
    Unauthorized,
    /// The destination answers that it cannot take anything now.
    Unavailable,
    /// A file could not be written: disk full, no permission.
    Storage,
    /// The exporter panicked.
    Panicked,
    /// The attempt went on after its deadline. Counted once for each such attempt, whatever it
    /// returns in the end.
    Overran,
    /// Anything else.
    Other,
}

impl FailureCause {
    pub(super) const ALL: [Self; 10] = [
        Self::Unreachable,
        Self::TimedOut,
        Self::RateLimited,
        Self::Rejected,
        Self::Unauthorized,
        Self::Unavailable,
        Self::Storage,
        Self::Panicked,
        Self::Overran,
        Self::Other,
    ];

    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::RateLimited => "rate_limited",
            Self::Rejected => "rejected",
            Self::Unauthorized => "unauthorized",
            Self::Unavailable => "unavailable",
            Self::Storage => "storage",
            Self::Panicked => "panicked",
            Self::Overran => "overran",
            Self::Other => "other",
        }
    }
}

/// Why an exporter gave up values that it was to deliver: the label `cause` of `quipu.export.dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropCause {
    /// The destination refused them for good.
    Refused,
    /// The format has no way to say them, such as a gauge that is not a number.
    Unrepresentable,
    /// A name, a label or a value is longer than the destination takes.
    TooLarge,
}

impl DropCause {
    pub(super) const ALL: [Self; 3] = [Self::Refused, Self::Unrepresentable, Self::TooLarge];

    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unrepresentable => "unrepresentable",
            Self::TooLarge => "too_large",
        }
    }
}

impl ExportError {
    /// A failure with its cause, and an error or a text that says more.
    pub fn new(cause: FailureCause, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause, source: source.into(), retry_after: None }
    }

    /// The same failure with the time that the destination wants to be left alone. It is honoured
    /// up to 5 minutes.
    pub fn with_retry_after(self, delay: Duration) -> Self {
        Self { retry_after: Some(delay), ..self }
    }

    /// Its cause.
    pub fn cause(&self) -> FailureCause {
        self.cause
    }

    /// The time that the destination wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ExportError {
    fn from(error: E) -> Self {
        let io_error = (&error as &dyn Any).downcast_ref::<std::io::Error>();
        let cause = io_error.map_or(FailureCause::Other, |error| cause_of(error.kind()));
        Self::new(cause, error)
    }
}

fn cause_of(kind: ErrorKind) -> FailureCause {
    match kind {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => FailureCause::TimedOut,
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::NotConnected
        | ErrorKind::BrokenPipe
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::UnexpectedEof => FailureCause::Unreachable,
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::FileTooLarge
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::PermissionDenied
        | ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::WriteZero => FailureCause::Storage,
        _ => FailureCause::Other,
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.source.to_string();
        let mut source = self.source.source();
        while let Some(error) = source {
            // What broke is often said by the innermost error alone, and often by all of them.
            let reason = error.to_string();
            if !text.contains(&reason) {
                text += ": ";
                text += &reason;
            }
            source = error.source();
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportError")
            .field("cause", &self.cause)
            .field("source", &self.source)
            .field("retry_after", &self.retry_after)
            .finish()
    }
}
