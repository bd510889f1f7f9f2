//! Which threads the process has; the only file that reads the system's list of them.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

const THREADS: &str = "/proc/self/task";

/// The threads of the process at some instant, those that Rust did not start included.
///
/// ```
/// use quipu::ThreadCensus;
///
/// let before = ThreadCensus::take();
/// std::thread::spawn(|| {}).join().unwrap();
/// // A thread that was joined may be listed for a moment longer.
/// if let (Some(before), Some(after)) = (before, ThreadCensus::take()) {
///     println!("{} threads were {}", after.count(), before.count());
///     for thread in after.started_since(&before) {
///         println!("left running: {thread}");
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ThreadCensus {
    names: BTreeMap<u64, String>,
}

/// A thread: what it calls itself and the system's number for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadName {
    /// The system's number for the thread.
    pub id: u64,
    /// The name, of which Linux keeps 15 bytes.
    pub name: String,
}

impl ThreadCensus {
    /// Lists the threads; `None` where the system does not tell, which Linux alone does.
    ///
    /// Reads a file for each thread.
    pub fn take() -> Option<Self> {
        let mut names = BTreeMap::new();
        for (id, path) in threads()? {
            // A thread may end between the two readings.
            if let Ok(name) = std::fs::read(path.join("comm")) {
                names.insert(id, String::from_utf8_lossy(&name).trim_end().to_owned());
            }
        }
        Some(Self { names })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Those of this census that are not in `earlier`.
    pub fn started_since(&self, earlier: &Self) -> Vec<ThreadName> {
        let new = self.names.iter().filter(|(id, _)| !earlier.names.contains_key(id));
        new.map(|(&id, name)| ThreadName { id, name: name.clone() }).collect()
    }
}

impl fmt::Display for ThreadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.id)
    }
}

/// How many threads the process has; `None` where the system does not tell.
#[cfg(feature = "system")]
pub(crate) fn thread_count() -> Option<usize> {
    Some(threads()?.count())
}

fn threads() -> Option<impl Iterator<Item = (u64, std::path::PathBuf)>> {
    let entries = std::fs::read_dir(Path::new(THREADS)).ok()?;
    Some(entries.filter_map(|entry| {
        let entry = entry.ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))
    }))
}
