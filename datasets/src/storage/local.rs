//! Files in a folder of this machine.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::error::{self, DataError};

/// A folder that this process alone writes to.
pub(crate) struct LocalFolder {
    root: PathBuf,
    unsettled: Unsettled,
    /// Held open for its lock, which ends with the process however that ends.
    _lock: Option<File>,
}

impl LocalFolder {
    pub(crate) fn open(root: &Path) -> Result<Self, DataError> {
        let unsettled = Unsettled::default();
        make_folder(root, &unsettled)?;
        // Some systems cannot open or lock a folder; two writers are then the user's to avoid.
        let lock = File::open(root).ok();
        if let Some(lock) = &lock
            && let Err(TryLockError::WouldBlock) = lock.try_lock()
        {
            return Err(DataError::Busy(root.to_owned()));
        }
        Ok(Self { root: root.to_owned(), unsettled, _lock: lock })
    }

    /// Makes the names given since the last call outlast a loss of power.
    pub(crate) fn settle(&self) {
        for folder in std::mem::take(&mut *self.unsettled.lock()) {
            sync_folder(&folder);
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn begin(&self, name: &str) -> Result<LocalFile, DataError> {
        let path = self.path(name);
        make_folder(path.parent().unwrap_or(&path), &self.unsettled)?;
        let temporary = temporary(&path);
        let file = File::create(&temporary).map_err(error::file(&temporary, "create the file"))?;
        let unsettled = self.unsettled.clone();
        Ok(LocalFile { file, temporary, path, unsettled, is_finished: false })
    }

    /// Gives a file another name here, if it is on the same file system and that has links.
    pub(crate) fn link(&self, from: &Path, name: &str) -> Result<bool, DataError> {
        let path = self.path(name);
        make_folder(path.parent().unwrap_or(&path), &self.unsettled)?;
        let is_linked = fs::hard_link(from, &path).is_ok();
        if is_linked {
            self.unsettled.add(path.parent());
        }
        Ok(is_linked)
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error::file(&path, "read")(error)),
        }
    }

    pub(crate) fn is_empty(&self) -> Result<bool, DataError> {
        let mut has_file = false;
        walk(&self.root, &mut |path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            has_file |= !super::is_unfinished(&name);
            !has_file
        })?;
        Ok(!has_file)
    }

    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>, DataError> {
        let mut names = Vec::new();
        walk(&self.root.join(folder), &mut |path| {
            let below = path.strip_prefix(&self.root).unwrap_or(path);
            let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
            names.push(parts.join("/"));
            true
        })?;
        Ok(names)
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), DataError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error::file(&path, "remove")(error));
            }
            _ => {}
        }
        // Folders that this leaves empty go too, up to the dataset's own.
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(|folder| *folder != self.root) {
            if fs::remove_dir(empty).is_err() {
                break;
            }
            folder = empty.parent();
        }
        Ok(())
    }
}

/// A file that gets its name when it is whole.
pub(crate) struct LocalFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    unsettled: Unsettled,
    is_finished: bool,
}

impl LocalFile {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Syncs the file and renames it, so that the name never shows a part of it.
    pub(crate) fn finish(mut self) -> Result<u64, DataError> {
        let Self { file, temporary, path, unsettled, .. } = &self;
        file.sync_all().map_err(error::file(temporary, "sync"))?;
        let bytes = file.metadata().map_err(error::file(temporary, "read the size"))?.len();
        fs::rename(temporary, path).map_err(error::file(path, "rename the finished file"))?;
        unsettled.add(path.parent());
        self.is_finished = true;
        Ok(bytes)
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        // After an error or a panic: what is not whole must not stay.
        if !self.is_finished {
            drop(fs::remove_file(&self.temporary));
        }
    }
}

/// The name under which a file is written until it is whole. Readers skip names with a dot first.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Folders in which names were given that a loss of power might undo.
///
/// Each sync of a folder waits for the disk, some milliseconds on many, so the names of a few files
/// are made to last together.
#[derive(Clone, Default)]
struct Unsettled(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Unsettled {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, folder: Option<&Path>) {
        self.lock().extend(folder.map(Path::to_owned));
    }
}

/// Makes a folder and those above it.
fn make_folder(folder: &Path, unsettled: &Unsettled) -> Result<(), DataError> {
    if folder.is_dir() {
        return Ok(());
    }
    let made: Vec<&Path> = folder.ancestors().take_while(|above| !above.is_dir()).collect();
    fs::create_dir_all(folder).map_err(error::file(folder, "create the folder"))?;
    made.into_iter().for_each(|folder| unsettled.add(folder.parent()));
    Ok(())
}

/// Makes the names in a folder last. Some file systems cannot; a rename is atomic on them all the
/// same.
fn sync_folder(folder: &Path) {
    drop(File::open(folder).and_then(|folder| folder.sync_all()));
}

/// Shows the files below a folder until `take` has seen enough. A folder that is not there has none.
fn walk(root: &Path, take: &mut dyn FnMut(&Path) -> bool) -> Result<(), DataError> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error::file(&folder, "list the folder")(error)),
        };
        for entry in entries {
            let entry = entry.map_err(error::file(&folder, "list the folder"))?;
            // A link to a folder is not followed: it counts as a file.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            } else if !take(&entry.path()) {
                return Ok(());
            }
        }
    }
    Ok(())
}
