//! Adding the cells up.
//!
//! Scalars are read shard by shard (`store/scalar.rs`), histograms one by one, of each shard only the
//! touched range (`store/reader.rs`). A collection writes into the buffers of an earlier snapshot that
//! nobody holds any more: once as many snapshots are about as a program keeps, it allocates nothing.
//!
//! Before it reads, series that were registered are added, and those that may leave are left out.
#![forbid(unsafe_code)]

use super::catalog::Catalog;
use super::histogram::HistogramTotals;
use super::{Moment, Snapshot};
use crate::metric::Gauge;
use crate::series::{Collection, Handle, Series, Table};
use crate::store::{Reader, Scalars, Store, recording_since};
use crate::sync::Arc;

/// Snapshots kept for their buffers: the published one, one to write to, those that exporters have
/// acknowledged, have in work or have waiting, of which most are the same, and a few that readers hold.
const RECYCLED: usize = 8;

pub(crate) struct Collector {
    store: Arc<Store>,
    catalog: std::sync::Arc<Catalog>,
    /// All series, by their positions in the catalog.
    series: Vec<std::sync::Arc<Series>>,
    /// What to read; the number is the series' position in the catalog.
    scalars: Scalars,
    gauges: Vec<(Gauge, u32)>,
    histograms: Vec<(Handle, u32)>,
    new: Vec<std::sync::Arc<Series>>,
    /// Positions of series that leave.
    gone: Vec<u32>,
    reader: Reader,
    recycled: Vec<Arc<Snapshot>>,
    sequence: u64,
}

impl Collector {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        recording_since();
        Self {
            store,
            catalog: std::sync::Arc::default(),
            series: Vec::new(),
            scalars: Scalars::default(),
            gauges: Vec::new(),
            histograms: Vec::new(),
            new: Vec::new(),
            gone: Vec::new(),
            reader: Reader::default(),
            recycled: Vec::new(),
            sequence: 0,
        }
    }

    /// Reads everything that `table` has registered. Callers hold the lock that this collector is
    /// in, which orders collections.
    ///
    /// `clock` is read first: what happened before is in the snapshot.
    pub(crate) fn collect(
        &mut self,
        table: &Table,
        clock: impl FnOnce() -> Moment,
    ) -> Arc<Snapshot> {
        self.sequence += 1;
        let taken = clock();
        table.take_new(&mut self.new);
        self.add_new_series();
        table.families().sweep(taken.at);
        table.settle(Collection { sequence: self.sequence, at: taken.at }, &mut self.gone);
        self.drop_gone_series();

        let mut snapshot = self.free_snapshot(taken);
        let buffer = Arc::get_mut(&mut snapshot).expect("free_snapshot returns what nobody holds");
        buffer.taken = taken;
        buffer.since = Moment::of_first_record();
        buffer.sequence = self.sequence;
        buffer.catalog = self.catalog.clone();
        buffer.values.clear();
        buffer.values.resize(self.catalog.len(), 0);
        let values = &mut buffer.values;
        self.scalars.add_up(self.store.shards(), |at, sum| values[at as usize] = sum);
        for (gauge, at) in &self.gauges {
            buffer.values[*at as usize] = gauge.bits();
        }
        self.read_histograms(buffer);
        self.recycled.push(snapshot.clone());
        snapshot
    }

    fn read_histograms(&mut self, buffer: &mut Snapshot) {
        buffer.histograms.clear();
        buffer.rows.clear();
        for (number, (handle, at)) in self.histograms.iter().enumerate() {
            if let Some((next, _)) = self.histograms.get(number + 1) {
                next.announce(self.store.shards());
            }
            let first = buffer.rows.len();
            let read =
                handle.read_histogram(self.store.shards(), &mut self.reader, &mut buffer.rows);
            let read = read.expect("only histograms are in this list");
            let totals = HistogramTotals {
                rows: first..buffer.rows.len(),
                count: read.count,
                sum: read.sum,
                ..Default::default()
            };
            let totals = totals.bounded(read.layout, &buffer.rows[first..], (read.min, read.max));
            buffer.values[*at as usize] = buffer.histograms.len() as u64;
            buffer.histograms.push(totals);
        }
    }

    /// A snapshot that nobody else holds.
    fn free_snapshot(&mut self, taken: Moment) -> Arc<Snapshot> {
        let free = self.recycled.iter_mut().position(|snapshot| Arc::get_mut(snapshot).is_some());
        if let Some(free) = free {
            return self.recycled.swap_remove(free);
        }
        if self.recycled.len() == RECYCLED {
            self.recycled.swap_remove(0);
        }
        Arc::new(Snapshot {
            catalog: std::sync::Arc::default(),
            values: Vec::new(),
            histograms: Vec::new(),
            rows: Vec::new(),
            taken,
            sequence: self.sequence,
            since: Moment::of_first_record(),
        })
    }

    fn add_new_series(&mut self) {
        if self.new.is_empty() {
            return;
        }
        let first = self.catalog.len() as u32;
        let descriptors = self.new.iter().map(|new| new.descriptor.clone());
        self.catalog = std::sync::Arc::new(self.catalog.extended(descriptors));
        self.scalars.extend(self.new.iter().zip(first..).filter_map(|(series, at)| {
            series.set_position(at);
            match &series.handle {
                Handle::Counter(counter) => return Some((counter.cells().clone(), at)),
                Handle::UpDownCounter(counter) => return Some((counter.cells().clone(), at)),
                Handle::Gauge(gauge) => self.gauges.push((gauge.clone(), at)),
                histogram => self.histograms.push((histogram.clone(), at)),
            }
            None
        }));
        self.series.append(&mut self.new);
    }

    fn drop_gone_series(&mut self) {
        if self.gone.is_empty() {
            return;
        }
        self.gone.sort_unstable();
        let gone = &self.gone;
        let new_position = |at: u32| match gone.binary_search(&at) {
            Ok(_) => None,
            Err(before) => Some(at - before as u32),
        };
        self.catalog = std::sync::Arc::new(self.catalog.without(new_position));
        self.scalars.renumber(new_position);
        renumber(&mut self.gauges, new_position);
        renumber(&mut self.histograms, new_position);
        let mut at = 0..;
        self.series.retain(|_| new_position(at.next().expect("it has no end")).is_some());
        self.series.iter().zip(0..).for_each(|(series, at)| series.set_position(at));
        self.gone.clear();
    }
}

/// Gives each the position that `new_position` says, or drops it if there is none.
fn renumber<T>(read: &mut Vec<(T, u32)>, new_position: impl Fn(u32) -> Option<u32>) {
    read.retain_mut(|(_, at)| match new_position(*at) {
        Some(new) => {
            *at = new;
            true
        }
        None => false,
    });
}
