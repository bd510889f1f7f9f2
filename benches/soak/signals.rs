//! Ctrl-C and SIGTERM end a run early, with its verdicts.

use super::run::Run;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Watches for signals from when it returns, until the process ends. A second one is as good as the
/// first.
pub fn watch(run: &Arc<Run>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupts, mut terminations) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let run = run.clone();
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => run.end(),
                    _ = terminations.recv() => run.end(),
                }
            }
        })
    })?;
    Ok(())
}
