//! The beginning of TLS, with a certificate that nobody trusts.
//!
//! Made by
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
//!     -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
//!     -keyout key.pem -outform DER -out self_signed.der
//! openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out self_signed.key.der
//! ```

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

/// Shows the certificate, and waits for what the client makes of it.
pub(super) fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    let certificate = CertificateDer::from(&include_bytes!("self_signed.der")[..]);
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("self_signed.key.der")[..]);
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .map_err(io::Error::other)?;
    let mut connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(stream)?;
    }
    Ok(())
}
