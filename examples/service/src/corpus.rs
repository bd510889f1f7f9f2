//! The files that are served: those of the checkout at start, and the index of their words.

use crate::index::Index;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MAX_FILES: usize = 2_000;
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The files known at start. Nothing else is ever read, whatever path a request names.
pub struct Corpus {
    /// By their path inside of the checkout, with `/` between its parts.
    files: BTreeMap<String, PathBuf>,
    index: Index,
}

impl Corpus {
    /// The checkout that this package is a part of.
    pub fn of_checkout() -> io::Result<Self> {
        Self::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?)
    }

    /// The files below a folder.
    pub fn below(root: &Path) -> io::Result<Self> {
        let mut corpus = Self { files: BTreeMap::new(), index: Index::default() };
        corpus.add_folder(root, "")?;
        for (path, location) in &corpus.files {
            // Not all files are text, and one may be gone by now: neither has words to look up.
            if let Ok(text) = fs::read_to_string(location) {
                corpus.index.add(path, &text);
            }
        }
        if corpus.index.words().len() == 0 {
            return Err(io::Error::other(format!("{} has no text in it", root.display())));
        }
        Ok(corpus)
    }

    /// Adds the files of a folder and those below it, but for hidden and big ones, links, and what
    /// a build has left. `inside` is the folder's path inside of the checkout.
    fn add_folder(&mut self, folder: &Path, inside: &str) -> io::Result<()> {
        if folder.ends_with("target") || folder.join("CACHEDIR.TAG").exists() {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // What was deleted since the folder was listed has no metadata.
            let Ok(metadata) = entry.metadata() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{inside}{name}");
            if metadata.is_dir() {
                // A folder that cannot be listed has nothing to serve.
                let _ = self.add_folder(&entry.path(), &format!("{path}/"));
            } else if metadata.is_file()
                && metadata.len() <= MAX_FILE_BYTES
                && self.files.len() < MAX_FILES
            {
                self.files.insert(path, entry.path());
            }
        }
        Ok(())
    }

    /// Where a file of the corpus lies; `None` for any other path.
    pub fn locate(&self, path: &str) -> Option<&Path> {
        self.files.get(path).map(PathBuf::as_path)
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The files: their paths inside of the checkout, and where they lie.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&str, &Path)> {
        self.files.iter().map(|(path, location)| (&**path, &**location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_checkout_are_served() {
        let corpus = Corpus::of_checkout().unwrap();
        assert!(corpus.locate("examples/service/src/corpus.rs").is_some());
        for path in ["", ".", "/", "examples", "../main", "/etc/hosts", ".git/config"] {
            assert_eq!(corpus.locate(path), None, "{path}");
        }
        let detour = "examples/service/src/../src/corpus.rs";
        assert_eq!(corpus.locate(detour), None);
        assert!(corpus.files().all(|(path, _)| !path.starts_with("target/")));
    }
}
