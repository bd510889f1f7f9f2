//! An exporter for a backend that adds up what it is sent, so that a batch must not count twice.
//!
//! An attempt that broke off leaves a doubt: the backend may have added the batch and died before
//! its answer, or not have seen it, or see it later. Another attempt must not send anything that
//! overlaps with that batch, and by then there is a newer snapshot. The scheme, with one snapshot
//! kept for as long as there is a doubt:
//!
//! 1. Each batch says which snapshot it goes on from (its base) and up to which it leads. The backend
//!    adds it only if the base is where it stands, and otherwise answers where that is.
//! 2. A batch is noted as in doubt before its first byte is sent, and repeated unchanged until there
//!    is an answer, whatever newer snapshots come. So there is never more than one in doubt.
//! 3. There are two good answers: `ok` with its sequence, it was added now; and `have` with its
//!    sequence, it had been added before. Both settle it. A copy of it that reaches the backend later,
//!    from a connection that was given up, has a base where the backend no longer stands.
//! 4. `Ok` would acknowledge the snapshot of the present delivery, which is newer than the batch that
//!    was settled. So what lies between the two is the next batch, in the same attempt: the delta
//!    against the settled snapshot instead of the acknowledged one.
//! 5. Any other answer means that the backend lost what it had, or that somebody else writes to the
//!    stream. That cannot be made good from here, and is an error rather than a guess.
//!
//! Sequences are those of one registry in one process: each exporter names a stream of its own, and
//! the backend adds up streams.

use quipu::{Delivery, ExportError, Exporter, FailureCause, Snapshot};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::SystemTime;

const LONGEST_ANSWER: usize = 64;

pub struct TcpExporter {
    stream: String,
    backend: SocketAddr,
    in_doubt: Option<Batch>,
    /// What the backend is known to have, where that is more than was acknowledged.
    settled: Option<Arc<Snapshot>>,
}

struct Batch {
    leads_to: Arc<Snapshot>,
    line: String,
}

impl TcpExporter {
    pub fn new(backend: SocketAddr) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            stream: format!("{}-{}", std::process::id(), since.as_nanos()),
            backend,
            in_doubt: None,
            settled: None,
        }
    }

    /// What lies between the backend's state and the delivery's snapshot.
    fn batch(&self, delivery: &Delivery<'_>) -> Batch {
        let line = |base: Option<&Snapshot>, delta: &Snapshot| {
            let base = base.map_or(0, Snapshot::sequence);
            let sequence = delivery.snapshot().sequence();
            let counter = delta.counter("c", &[]).unwrap_or(0);
            let recorded = delta.histogram("h", &[]).map_or(0, |histogram| histogram.count());
            format!("{} {base} {sequence} {counter} {recorded}\n", self.stream)
        };
        let line = match &self.settled {
            Some(settled) => line(Some(settled), &delivery.snapshot().delta(settled)),
            None => line(delivery.acknowledged(), delivery.delta()),
        };
        Batch { leads_to: delivery.snapshot().clone(), line }
    }

    /// Sends the batch in doubt, if there is one, until the backend says that it has it.
    fn settle(
        &mut self,
        connection: &mut TcpStream,
        delivery: &Delivery<'_>,
    ) -> Result<(), ExportError> {
        let Some(Batch { leads_to, line }) = &self.in_doubt else { return Ok(()) };
        let answer = exchange(connection, line, delivery)?;
        let fields = answer.split_once(' ');
        let sequence = fields
            .filter(|(verdict, _)| ["ok", "have"].contains(verdict))
            .and_then(|(_, sequence)| sequence.parse::<u64>().ok());
        if sequence != Some(leads_to.sequence()) {
            let text = format!("{} was answered by {answer:?}", line.trim_end());
            return Err(ExportError::new(FailureCause::Rejected, text));
        }
        self.settled = self.in_doubt.take().map(|batch| batch.leads_to);
        Ok(())
    }
}

/// Sends a line and reads one, in the time that is left.
fn exchange(
    connection: &mut TcpStream,
    line: &str,
    delivery: &Delivery<'_>,
) -> Result<String, ExportError> {
    connection.set_nodelay(true)?;
    connection.set_write_timeout(Some(delivery.time_left()))?;
    connection.write_all(line.as_bytes())?;
    delivery.count_bytes(line.len());
    let mut answer = Vec::new();
    // Without its end a number may be half of one.
    while answer.last() != Some(&b'\n') {
        if answer.len() > LONGEST_ANSWER {
            return Err(ExportError::new(FailureCause::Other, "an answer without an end"));
        }
        let mut bytes = [0; LONGEST_ANSWER];
        connection.set_read_timeout(Some(delivery.time_left()))?;
        let read = connection.read(&mut bytes)?;
        if read == 0 {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        answer.extend_from_slice(&bytes[..read]);
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}

impl Exporter for TcpExporter {
    fn name(&self) -> &str {
        "tcp"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        // Of each attempt its own: an answer to an earlier one cannot be taken for that to this one.
        // While nobody can be reached nothing is sent, and nothing new is in doubt.
        let mut connection = TcpStream::connect_timeout(&self.backend, delivery.time_left())?;
        self.settle(&mut connection, delivery)?;
        let newest = delivery.snapshot().sequence();
        if self.settled.as_ref().is_none_or(|settled| settled.sequence() != newest) {
            self.in_doubt = Some(self.batch(delivery));
            self.settle(&mut connection, delivery)?;
        }
        // From here on it is `acknowledged` that says what the backend has.
        self.settled = None;
        Ok(())
    }
}
