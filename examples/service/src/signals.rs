//! What asks the service to end.

use std::io;
use tokio::signal::ctrl_c;

/// Returns when Ctrl-C is pressed or, where there is such a thing, SIGTERM arrives. Signals are
/// watched from the first poll on.
pub async fn end_asked_for() -> io::Result<()> {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())?.recv().await;
        Ok(())
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending();
    tokio::select! {
        outcome = ctrl_c() => outcome,
        outcome = terminated => outcome,
    }
}
