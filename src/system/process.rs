//! Reading the process; the only file that names `sysinfo`.
#![forbid(unsafe_code)]

use std::time::Duration;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Reads this process, wherever it was forked.
pub(super) struct Process {
    system: System,
    id: u32,
}

/// What the process takes.
pub(super) struct Reading {
    pub(super) resident_bytes: Option<u64>,
    /// Of all threads, those that have ended included, since the process began.
    pub(super) cpu_time: Duration,
    pub(super) open_files: Option<usize>,
    pub(super) uptime: Duration,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { system: System::new(), id: std::process::id() }
    }

    /// `None` where the system does not tell.
    pub(super) fn read(&mut self) -> Option<Reading> {
        if self.id != std::process::id() {
            *self = Self::new();
        }
        let pid = Pid::from_u32(self.id);
        // Without its tasks, which would be those of every process.
        let what = ProcessRefreshKind::nothing().without_tasks().with_memory().with_cpu();
        let these = [pid];
        let these = ProcessesToUpdate::Some(&these);
        if self.system.refresh_processes_specifics(these, false, what) == 0 {
            return None;
        }
        let process = self.system.process(pid)?;
        Some(Reading {
            // Nothing runs without memory: zero is what could not be read.
            resident_bytes: Some(process.memory()).filter(|&bytes| bytes > 0),
            cpu_time: Duration::from_millis(process.accumulated_cpu_time()),
            open_files: process.open_files().map(without_the_listing),
            uptime: Duration::from_secs(process.run_time()),
        })
    }
}

/// On Linux the open files are a folder's entries, one of which is that folder, open to be listed.
fn without_the_listing(open_files: usize) -> usize {
    if cfg!(target_os = "linux") { open_files.saturating_sub(1) } else { open_files }
}
