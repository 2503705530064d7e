//! Files in S3-compatible storage, where a file is there as a whole or not at all.
//!
//! A large file is uploaded in parts. Storage keeps the parts of an upload that nobody finished, and
//! bills them; so an upload's id lies beside the file under a name for unfinished files as long as
//! it is under way, and who removes that name ends the upload.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use object_store::{
    Error, ObjectStore as _, ObjectStoreExt as _, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    multipart::{MultipartStore as _, PartId},
    path::Path as Key,
};
use tokio::runtime::{Builder, Runtime};

use crate::error::DataError;

/// Bytes of a part. Storage takes 10,000 parts of a file, each of at least 5 MiB but the last.
const PART_BYTES: usize = 8 << 20;

/// How long requests that fail are tried again.
const PATIENCE: Duration = Duration::from_mins(1);

/// A prefix of a bucket.
#[derive(Clone)]
pub(crate) struct Bucket(Arc<Inner>);

struct Inner {
    store: AmazonS3,
    runtime: Runtime,
    /// `s3://bucket/prefix`.
    root: String,
    prefix: Key,
}

impl Bucket {
    /// The place `s3://bucket/prefix`, with the endpoint and the credentials of the usual
    /// environment variables.
    pub(crate) fn open(root: &str) -> Result<Self, DataError> {
        let fail = |doing| {
            move |source: io::Error| DataError::File { path: PathBuf::from(root), doing, source }
        };
        let path = root.strip_prefix(super::S3).unwrap_or(root);
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            let source = io::Error::other("the bucket has no name: write s3://bucket/prefix");
            return Err(fail("open the storage")(source));
        }
        // Fails only if a provider was chosen already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = Builder::new_current_thread().enable_all().build();
        let retry = RetryConfig { max_retries: 6, retry_timeout: PATIENCE, ..Default::default() };
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build();
        Ok(Self(Arc::new(Inner {
            store: store.map_err(io::Error::other).map_err(fail("open the storage"))?,
            runtime: runtime.map_err(fail("start requests"))?,
            root: root.trim_end_matches('/').to_owned(),
            prefix: Key::from(prefix),
        })))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}/{name}", self.0.root))
    }

    fn key(&self, name: &str) -> Key {
        let parts = name.split('/').filter(|part| !part.is_empty());
        parts.fold(self.0.prefix.clone(), Key::join)
    }

    pub(crate) fn begin(&self, name: &str) -> Multipart {
        Multipart {
            bucket: self.clone(),
            name: name.to_owned(),
            buffer: Vec::new(),
            parts: None,
            bytes: 0,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        let Inner { store, runtime, .. } = &*self.0;
        let bytes = runtime.block_on(async { store.get(&self.key(name)).await?.bytes().await });
        match bytes {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(name, "read", error)),
        }
    }

    pub(crate) fn is_empty(&self) -> Result<bool, DataError> {
        let mut names = self.names("")?.into_iter();
        Ok(names.all(|name| super::is_unfinished(&name)))
    }

    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>, DataError> {
        let Inner { store, runtime, prefix, .. } = &*self.0;
        let (mut names, mut folders) = (Vec::new(), vec![self.key(folder)]);
        while let Some(folder) = folders.pop() {
            let list = runtime
                .block_on(store.list_with_delimiter(Some(&folder)))
                .map_err(|error| self.error(folder.as_ref(), "list the folder", error))?;
            folders.extend(list.common_prefixes);
            for object in list.objects {
                let below = object.location.prefix_match(prefix).into_iter().flatten();
                let parts: Vec<_> = below.map(|part| part.as_ref().to_owned()).collect();
                names.push(parts.join("/"));
            }
        }
        Ok(names)
    }

    /// The names of the folders right below, in any order.
    pub(crate) fn folders(&self) -> Result<Vec<String>, DataError> {
        let Inner { store, runtime, prefix, .. } = &*self.0;
        let list = runtime
            .block_on(store.list_with_delimiter(Some(prefix)))
            .map_err(|error| self.error("", "list the folder", error))?;
        let names = list.common_prefixes.iter().filter_map(Key::filename);
        Ok(names.map(str::to_owned).collect())
    }

    /// Removes a file; if it tells of an upload under way, that is ended.
    pub(crate) fn remove(&self, name: &str) -> Result<(), DataError> {
        if super::is_unfinished(name)
            && let Some(id) = self.get(name)?
        {
            let id = String::from_utf8_lossy(&id).into_owned();
            self.abort(&whole(name), &id)?;
        }
        let Inner { store, runtime, .. } = &*self.0;
        match runtime.block_on(store.delete(&self.key(name))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(name, "remove", error)),
        }
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let Inner { store, runtime, .. } = &*self.0;
        runtime.block_on(store.put(&self.key(name), PutPayload::from(bytes))).map(drop)
    }

    fn abort(&self, name: &str, id: &String) -> Result<(), DataError> {
        let Inner { store, runtime, .. } = &*self.0;
        match runtime.block_on(store.abort_multipart(&self.key(name), id)) {
            // It was finished or ended already.
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(name, "abort the upload", error)),
        }
    }

    fn error(&self, name: &str, doing: &'static str, error: Error) -> DataError {
        DataError::File { path: self.path(name), doing, source: io::Error::other(error) }
    }
}

/// A file that is uploaded in parts if it is large, and is not there until all of it is.
pub(crate) struct Multipart {
    bucket: Bucket,
    name: String,
    buffer: Vec<u8>,
    /// The upload's id and its parts, once there is one.
    parts: Option<(String, Vec<PartId>)>,
    bytes: u64,
}

impl Multipart {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.bytes += bytes.len() as u64;
        while self.buffer.len() >= PART_BYTES {
            let rest = self.buffer.split_off(PART_BYTES);
            let part = std::mem::replace(&mut self.buffer, rest);
            self.upload(part).map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn upload(&mut self, part: Vec<u8>) -> Result<(), Error> {
        let Inner { store, runtime, .. } = &*self.bucket.0;
        let key = self.bucket.key(&self.name);
        if self.parts.is_none() {
            let id = runtime.block_on(store.create_multipart(&key))?;
            self.parts = Some((id.clone(), Vec::new()));
            self.bucket.put(&unfinished(&self.name), id.into_bytes())?;
        }
        let Some((id, parts)) = &mut self.parts else { return Ok(()) };
        let payload = PutPayload::from(part);
        parts.push(runtime.block_on(store.put_part(&key, id, parts.len(), payload))?);
        Ok(())
    }

    /// Makes the file be there, and returns its bytes.
    pub(crate) fn finish(mut self) -> Result<u64, DataError> {
        let rest = std::mem::take(&mut self.buffer);
        if self.parts.is_none() {
            let put = self.bucket.put(&self.name, rest);
            put.map_err(|error| self.bucket.error(&self.name, "write", error))?;
            return Ok(self.bytes);
        }
        let result = if rest.is_empty() { Ok(()) } else { self.upload(rest) };
        result.map_err(|error| self.bucket.error(&self.name, "write", error))?;
        if let Some((id, parts)) = &self.parts {
            let Inner { store, runtime, .. } = &*self.bucket.0;
            let key = self.bucket.key(&self.name);
            runtime
                .block_on(store.complete_multipart(&key, id, parts.clone()))
                .map_err(|error| self.bucket.error(&self.name, "finish the upload", error))?;
        }
        self.parts = None;
        self.bucket.remove(&unfinished(&self.name))?;
        Ok(self.bytes)
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        // After an error or a panic; if storage cannot be reached, --resume ends the upload. The id
        // is the one known here: the file that holds it may be what could not be written.
        if let Some((id, _)) = self.parts.take() {
            drop(self.bucket.abort(&self.name, &id));
            drop(self.bucket.remove(&unfinished(&self.name)));
        }
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.bucket.path(&self.name).display(), self.bytes)
    }
}

/// The name that holds the id of a file's upload.
fn unfinished(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((folder, file)) => format!("{folder}/.{file}.tmp"),
        None => format!(".{name}.tmp"),
    }
}

/// The file whose upload's id has this name.
fn whole(unfinished: &str) -> String {
    let (folder, file) = unfinished.rsplit_once('/').unwrap_or(("", unfinished));
    let file = file.strip_prefix('.').and_then(|file| file.strip_suffix(".tmp")).unwrap_or(file);
    if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_upload_leads_back_to_its_file() {
        for name in ["README.md", "data/chunk-000/file-007.parquet"] {
            assert!(super::super::is_unfinished(&unfinished(name)), "{name}");
            assert_eq!(whole(&unfinished(name)), name);
        }
    }

    #[test]
    fn a_bucket_without_a_name_is_an_error() {
        assert!(Bucket::open("s3:///prefix").is_err());
    }
}
