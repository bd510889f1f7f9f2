//! Values that no output may contain.
#![forbid(unsafe_code)]

use std::fmt;

/// What stands where a secret would.
pub(super) const HIDDEN: &str = "[secret]";

/// A DSN or an API key. Its `Debug` shows only `[secret]`, and nothing but
/// [`expose`](Self::expose) reads it.
///
/// ```
/// let secret = quipu::Secret::from("https://key@example.org/1");
/// assert_eq!(format!("{secret:?}"), "[secret]");
/// assert_eq!(secret.expose(), "https://key@example.org/1");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself; what is done with it must keep it out of logs and messages.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}
