//! Why the exporter could not be set up.
#![forbid(unsafe_code)]

use crate::series::excerpt;
use std::error::Error;
use std::fmt;

/// Why an [`Otlp`](crate::Otlp) could not be set up. Messages say what to do about it; none has an
/// address or the value of a header in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtlpError {
    /// The endpoint is no address that requests can be sent to. Write one as
    /// `http://127.0.0.1:4318`.
    InvalidEndpoint {
        /// The variable that it comes from; `None` if the program gave it.
        variable: Option<&'static str>,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A header cannot be sent. Correct or remove it.
    InvalidHeader {
        /// The variable that it comes from; `None` if the program gave it.
        variable: Option<&'static str>,
        /// Its name, as messages show it.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A variable of the environment cannot be understood. Write what is allowed, or unset it.
    InvalidVariable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        fault: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
}

impl OtlpError {
    pub(super) fn header(variable: Option<&'static str>, name: &str, fault: &'static str) -> Self {
        Self::InvalidHeader { variable, name: excerpt(name), fault }
    }
}

/// Where it was found, if not in the program.
struct Place(Option<&'static str>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(variable) => write!(f, "in the environment: {variable}: "),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidEndpoint { variable, fault } => write!(
                f,
                "{}the endpoint cannot be used: {fault}; write an address like \
                 http://127.0.0.1:4318",
                Place(*variable)
            ),
            Self::InvalidHeader { variable, name, fault } => write!(
                f,
                "{}the header {name:?} cannot be sent: {fault}; correct or remove it",
                Place(*variable)
            ),
            Self::InvalidVariable { variable, fault, allowed } => {
                write!(f, "{}{fault}; write {allowed}, or unset it", Place(Some(variable)))
            }
        }
    }
}

impl Error for OtlpError {}
