//! Addresses of agents and servers.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::IpAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};

const DEFAULT_PORT: u16 = 8125;

/// Where datagrams go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::export) enum Address {
    Udp {
        host: String,
        port: u16,
    },
    #[cfg(unix)]
    UnixDatagram(PathBuf),
    #[cfg(unix)]
    UnixStream(PathBuf),
    /// Whichever of the two the socket is.
    #[cfg(unix)]
    Unix(PathBuf),
}

/// Why an address of an agent or a server cannot be used. It is not shown: what was meant for
/// another setting may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It is no host with a port. Write it as `127.0.0.1:8125`, `[::1]:8125` or
    /// `agent.example:8125`.
    Host,
    /// It is no path of a socket: empty, with a NUL, or longer than the system takes, which is
    /// about 100 bytes. Choose a shorter one.
    Path,
    /// It is no URL of a known kind. Write `udp://host:port`, `unix:///path`, `unixgram:///path` or
    /// `unixstream:///path`; without Unix sockets there is only the first.
    Scheme,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => {
                "the address is no host with a port; write it like 127.0.0.1:8125, [::1]:8125 or \
                 agent.example:8125"
            }
            Self::Path => {
                "the path is none of a socket: it is empty, has a NUL in it, or is longer than the \
                 system takes; choose one of less than 100 bytes"
            }
            Self::Scheme => {
                "the address is no URL of a known kind; write udp://host:port, unix:///path, \
                 unixgram:///path or unixstream:///path"
            }
        })
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// A host, with its port unless that is 8125.
    pub(in crate::export) fn udp(text: &str) -> Result<Self, AddressError> {
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self::Udp { host: ip.to_string(), port: DEFAULT_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| AddressError::Host)?),
            None => (text, DEFAULT_PORT),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name =
            |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let is_host = match bracketed {
            Some(host) => host.parse::<IpAddr>().is_ok(),
            None => !host.is_empty() && is_name(host),
        };
        if !is_host || port == 0 {
            return Err(AddressError::Host);
        }
        Ok(Self::Udp { host: bracketed.unwrap_or(host).to_owned(), port })
    }

    #[cfg(unix)]
    pub(in crate::export) fn unix_datagram(path: &Path) -> Result<Self, AddressError> {
        Ok(Self::UnixDatagram(socket_path(path)?))
    }

    #[cfg(unix)]
    pub(in crate::export) fn unix_stream(path: &Path) -> Result<Self, AddressError> {
        Ok(Self::UnixStream(socket_path(path)?))
    }

    /// A URL as `DD_DOGSTATSD_URL` may be one.
    pub(in crate::export) fn url(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        match scheme {
            "udp" => Self::udp(rest.strip_suffix('/').unwrap_or(rest)),
            #[cfg(unix)]
            "unix" => Ok(Self::Unix(socket_path(rest.as_ref())?)),
            #[cfg(unix)]
            "unixgram" => Self::unix_datagram(rest.as_ref()),
            #[cfg(unix)]
            "unixstream" => Self::unix_stream(rest.as_ref()),
            _ => Err(AddressError::Scheme),
        }
    }

    /// The address of an IP, for which nobody has to be asked.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Udp { host, .. } => host.parse().ok(),
            #[cfg(unix)]
            _ => None,
        }
    }
}

#[cfg(unix)]
fn socket_path(path: &Path) -> Result<PathBuf, AddressError> {
    let is_usable = std::os::unix::net::SocketAddr::from_pathname(path).is_ok();
    (is_usable && !path.as_os_str().is_empty()).then(|| path.to_owned()).ok_or(AddressError::Path)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { host, port } if host.contains(':') => write!(f, "udp://[{host}]:{port}"),
            Self::Udp { host, port } => write!(f, "udp://{host}:{port}"),
            #[cfg(unix)]
            Self::UnixDatagram(path) => write!(f, "unixgram://{}", path.display()),
            #[cfg(unix)]
            Self::UnixStream(path) => write!(f, "unixstream://{}", path.display()),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_a_port_or_the_default_one() {
        for (text, url) in [
            ("127.0.0.1:8125", "udp://127.0.0.1:8125"),
            ("127.0.0.1", "udp://127.0.0.1:8125"),
            ("[::1]:9125", "udp://[::1]:9125"),
            ("[::1]", "udp://[::1]:8125"),
            ("::1", "udp://[::1]:8125"),
            ("agent.example:1", "udp://agent.example:1"),
            ("dd_agent", "udp://dd_agent:8125"),
        ] {
            let address = Address::udp(text).unwrap();
            assert_eq!(address.to_string(), url);
            assert_eq!(Address::url(url), Ok(address));
        }
        for text in ["", ":8125", "a:", "a:0", "a:70000", "a b:1", "user@host:1", "[x]:1", "a/b"] {
            assert_eq!(Address::udp(text), Err(AddressError::Host), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn urls_name_the_kind_of_socket() {
        let path = || PathBuf::from("/var/run/dsd.socket");
        for (url, address) in [
            ("unix:///var/run/dsd.socket", Address::Unix(path())),
            ("unixgram:///var/run/dsd.socket", Address::UnixDatagram(path())),
            ("unixstream:///var/run/dsd.socket", Address::UnixStream(path())),
        ] {
            assert_eq!(Address::url(url), Ok(address));
        }
        let long = format!("unix:///{}", "a".repeat(200));
        assert_eq!(Address::url(&long), Err(AddressError::Path));
        assert_eq!(Address::url("unix://"), Err(AddressError::Path));
        for url in ["", "key", "https://key@host", "file:///a", "8125"] {
            assert_eq!(Address::url(url), Err(AddressError::Scheme), "{url}");
        }
    }
}
