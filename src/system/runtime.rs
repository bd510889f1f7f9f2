//! Reading a tokio runtime; the only file that names `tokio`.
#![forbid(unsafe_code)]

use super::collector::SystemCollector;
use crate::metric::Gauge;
use crate::registry::Registry;
use tokio::runtime::Handle;

/// The gauges of a runtime.
pub(super) struct Runtime {
    handle: Handle,
    gauges: Option<Gauges>,
}

struct Gauges {
    tasks_alive: Gauge,
    workers: Gauge,
    global_queue_depth: Gauge,
}

impl SystemCollector {
    /// Also reads a tokio runtime: `tokio.tasks.alive`, `tokio.workers`,
    /// `tokio.global_queue.depth`.
    pub fn tokio(mut self, handle: Handle) -> Self {
        self.runtime = Some(Runtime { handle, gauges: None });
        self
    }
}

impl Runtime {
    pub(super) fn collect(&mut self, registry: &Registry) {
        let gauges = self.gauges.get_or_insert_with(|| Gauges::register(registry));
        let metrics = self.handle.metrics();
        gauges.tasks_alive.set(metrics.num_alive_tasks() as f64);
        gauges.workers.set(metrics.num_workers() as f64);
        gauges.global_queue_depth.set(metrics.global_queue_depth() as f64);
    }
}

impl Gauges {
    fn register(registry: &Registry) -> Self {
        let gauge = |name, help| registry.gauge(name).help(help).register_or_detached();
        Self {
            tasks_alive: gauge("tokio.tasks.alive", "Tasks that were spawned and have not ended"),
            workers: gauge("tokio.workers", "Worker threads of the runtime"),
            global_queue_depth: gauge(
                "tokio.global_queue.depth",
                "Tasks that wait in the queue of all workers",
            ),
        }
    }
}
