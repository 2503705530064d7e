//! Where the files of a dataset lie. A file has its name only when it is whole and lasts.

mod local;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::error::DataError;

use local::{LocalFile, LocalFolder};

/// A place for the files of one dataset. Names are relative, with `/` between folders.
pub(crate) enum Storage {
    Local(LocalFolder),
}

impl Storage {
    /// The place of this name: a folder, which is made if need be. Nobody else may write to it
    /// until this value is dropped.
    pub(crate) fn open(root: &Path) -> Result<Self, DataError> {
        LocalFolder::open(root).map(Self::Local)
    }

    /// A file's full name, as errors show it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Local(folder) => folder.path(name),
        }
    }

    /// Begins a file that replaces the one of this name when it is [finished](Upload::finish).
    pub(crate) fn begin(&self, name: &str) -> Result<Upload, DataError> {
        match self {
            Self::Local(folder) => folder.begin(name).map(Upload::Local),
        }
    }

    /// Writes a whole file.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        let mut upload = self.begin(name)?;
        let path = self.path(name);
        io::Write::write_all(&mut upload, bytes).map_err(crate::error::file(&path, "write"))?;
        upload.finish().map(drop)
    }

    /// The bytes of a file, or nothing if there is none of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        match self {
            Self::Local(folder) => folder.get(name),
        }
    }

    /// Whether there is no file but unfinished ones.
    pub(crate) fn is_empty(&self) -> Result<bool, DataError> {
        match self {
            Self::Local(folder) => folder.is_empty(),
        }
    }

    /// The files in a folder and in the folders in it, in order.
    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>, DataError> {
        let mut names = match self {
            Self::Local(local) => local.names(folder)?,
        };
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> Result<(), DataError> {
        match self {
            Self::Local(folder) => folder.remove(name),
        }
    }
}

/// A file being written. Dropped before it is finished, it leaves nothing.
pub(crate) enum Upload {
    Local(LocalFile),
}

impl Upload {
    /// Makes what was written last, gives it its name, and returns its bytes.
    pub(crate) fn finish(self) -> Result<u64, DataError> {
        match self {
            Self::Local(file) => file.finish(),
        }
    }
}

impl io::Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Local(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Local(file) => file.flush(),
        }
    }
}

/// Whether a name is that of a file which was never finished.
pub(crate) fn is_unfinished(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.starts_with('.') && file.ends_with(".tmp")
}
