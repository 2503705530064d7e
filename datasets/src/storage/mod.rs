//! Where the files of a dataset lie. A file has its name only when it is whole and lasts.

mod local;
#[cfg(feature = "s3")]
mod s3;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::error::{self, DataError};

use local::{LocalFile, LocalFolder};
#[cfg(feature = "s3")]
use s3::{Bucket, Multipart};

/// No bucket: this was built without them.
#[cfg(not(feature = "s3"))]
pub(crate) enum Bucket {}

#[cfg(not(feature = "s3"))]
impl Bucket {
    pub(crate) fn folders(&self) -> Result<Vec<String>, DataError> {
        match *self {}
    }

    pub(crate) fn names(&self, _folder: &str) -> Result<Vec<String>, DataError> {
        match *self {}
    }

    pub(crate) fn remove(&self, _name: &str) -> Result<(), DataError> {
        match *self {}
    }
}

/// What the names of places in S3-compatible storage begin with.
pub(crate) const S3: &str = "s3://";

/// A place for the files of one dataset. Names are relative, with `/` between folders.
pub(crate) enum Storage {
    Local(LocalFolder),
    #[cfg(feature = "s3")]
    S3(Bucket),
}

impl Storage {
    /// The place of this name: a folder, which is made if need be and to which no other process
    /// writes until this value is dropped, or `s3://bucket/prefix`.
    pub(crate) fn open(root: &Path) -> Result<Self, DataError> {
        match root.to_str().filter(|root| root.starts_with(S3)) {
            #[cfg(feature = "s3")]
            Some(root) => Bucket::open(root).map(Self::S3),
            #[cfg(not(feature = "s3"))]
            Some(_) => Err(DataError::NoS3(root.to_owned())),
            None => LocalFolder::open(root).map(Self::Local),
        }
    }

    /// The prefix of a bucket that a name stands for; none for a folder.
    pub(crate) fn bucket(root: &Path) -> Result<Option<Bucket>, DataError> {
        match root.to_str().filter(|root| root.starts_with(S3)) {
            #[cfg(feature = "s3")]
            Some(root) => Bucket::open(root).map(Some),
            #[cfg(not(feature = "s3"))]
            Some(root) => Err(DataError::NoS3(root.into())),
            None => Ok(None),
        }
    }

    /// A file's full name, as errors show it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Local(folder) => folder.path(name),
            #[cfg(feature = "s3")]
            Self::S3(bucket) => bucket.path(name),
        }
    }

    /// Begins a file that replaces the one of this name when it is [finished](Upload::finish).
    pub(crate) fn begin(&self, name: &str) -> Result<Upload, DataError> {
        match self {
            Self::Local(folder) => folder.begin(name).map(Upload::Local),
            #[cfg(feature = "s3")]
            Self::S3(bucket) => Ok(Upload::S3(bucket.begin(name))),
        }
    }

    /// Writes a whole file.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        let mut upload = self.begin(name)?;
        let path = self.path(name);
        io::Write::write_all(&mut upload, bytes).map_err(error::file(&path, "write"))?;
        upload.finish().map(drop)
    }

    /// Takes a file of this machine as it is: a link to it where that can be, a copy elsewhere.
    pub(crate) fn copy(&self, from: &Path, name: &str) -> Result<(), DataError> {
        if let Self::Local(folder) = self
            && folder.link(from, name)?
        {
            return Ok(());
        }
        let mut file = File::open(from).map_err(error::file(from, "open"))?;
        let mut upload = self.begin(name)?;
        io::copy(&mut file, &mut upload).map_err(error::file(&self.path(name), "write"))?;
        upload.finish().map(drop)
    }

    /// Makes the names given so far last. What tells of files is written after it, so that it never
    /// tells of one whose name a loss of power has undone.
    pub(crate) fn settle(&self) {
        match self {
            Self::Local(folder) => folder.settle(),
            // There a name is as lasting as the file.
            #[cfg(feature = "s3")]
            Self::S3(_) => {}
        }
    }

    /// The bytes of a file, or nothing if there is none of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        match self {
            Self::Local(folder) => folder.get(name),
            #[cfg(feature = "s3")]
            Self::S3(bucket) => bucket.get(name),
        }
    }

    /// Whether there is no file but unfinished ones.
    pub(crate) fn is_empty(&self) -> Result<bool, DataError> {
        match self {
            Self::Local(folder) => folder.is_empty(),
            #[cfg(feature = "s3")]
            Self::S3(bucket) => bucket.is_empty(),
        }
    }

    /// The files in a folder and in the folders in it, in order.
    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>, DataError> {
        let mut names = match self {
            Self::Local(local) => local.names(folder)?,
            #[cfg(feature = "s3")]
            Self::S3(bucket) => bucket.names(folder)?,
        };
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), DataError> {
        match self {
            Self::Local(folder) => folder.remove(name),
            #[cfg(feature = "s3")]
            Self::S3(bucket) => bucket.remove(name),
        }
    }
}

/// A file being written. Dropped before it is finished, it leaves nothing.
pub(crate) enum Upload {
    Local(LocalFile),
    #[cfg(feature = "s3")]
    S3(Multipart),
}

impl Upload {
    /// Makes what was written last, gives it its name, and returns its bytes. The name lasts after
    /// [`Storage::settle`].
    pub(crate) fn finish(self) -> Result<u64, DataError> {
        match self {
            Self::Local(file) => file.finish(),
            #[cfg(feature = "s3")]
            Self::S3(file) => file.finish(),
        }
    }
}

impl io::Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Local(file) => file.write(bytes),
            #[cfg(feature = "s3")]
            Self::S3(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Local(file) => file.flush(),
            // A file is not there before it is whole, so there is nothing to bring forward.
            #[cfg(feature = "s3")]
            Self::S3(_) => Ok(()),
        }
    }
}

/// Whether a name is that of a file which was never finished.
pub(crate) fn is_unfinished(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.strip_prefix('.').is_some_and(|file| file.strip_suffix(".tmp").is_some())
}
