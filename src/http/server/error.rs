//! Why an endpoint cannot be served.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why an endpoint cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// This is no address, or a name without one. Write it as `"127.0.0.1:9464"`.
    Address {
        /// What was given.
        address: String,
        /// The system's error.
        error: io::Error,
    },
    /// The port cannot be had. The remedy depends on the error: stop who has it, choose another one, or
    /// an address that this machine has.
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// The system's error.
        error: io::Error,
    },
    /// The system refused a thread. Raise the limit on threads or memory.
    Thread(io::Error),
    /// The system refused what waits for connections. Raise the limit on open files.
    Runtime(io::Error),
}

impl ServeError {
    pub(super) fn address(address: &impl fmt::Debug, error: io::Error) -> Self {
        Self::Address { address: format!("{address:?}"), error }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, error } => write!(
                f,
                "{address} is no address to serve at: {error}; write an address and a port, such \
                 as \"127.0.0.1:9464\""
            ),
            Self::Bind { address, error } => {
                let (ip, port) = (address.ip(), address.port());
                match error.kind() {
                    io::ErrorKind::AddrInUse => write!(
                        f,
                        "port {port} of {ip} is in use, by this program or another one; stop that, \
                         or serve on another port (port 0 lets the system choose)"
                    ),
                    io::ErrorKind::PermissionDenied => write!(
                        f,
                        "this program may not serve on port {port} of {ip}; choose a port above \
                         1023, or give it the permission ({error})"
                    ),
                    io::ErrorKind::AddrNotAvailable => write!(
                        f,
                        "this machine has no address {ip} to serve port {port} on; serve on \
                         127.0.0.1 for this machine alone, or on 0.0.0.0 for all of its addresses"
                    ),
                    _ => write!(f, "port {port} of {ip} cannot be served on: {error}"),
                }
            }
            Self::Thread(error) => write!(
                f,
                "the system refuses a thread for the endpoint: {error}; raise the limit on \
                 threads or memory"
            ),
            Self::Runtime(error) => write!(
                f,
                "the system refuses what the endpoint waits for connections with: {error}; raise \
                 the limit on open files"
            ),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address { error, .. }
            | Self::Bind { error, .. }
            | Self::Thread(error)
            | Self::Runtime(error) => Some(error),
        }
    }
}
