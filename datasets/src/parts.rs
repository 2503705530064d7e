//! Datasets side by side in one place: folders whose names sort by age, so that old ones can go.

use std::{fs, io, path::Path, time::Duration};

use crate::{
    error::{self, DataError},
    storage::Storage,
};

/// The name of a part that was begun this long after 1970; `number` tells apart those of one moment.
#[must_use]
pub fn name(since: Duration, number: u64) -> String {
    format!("part-{:013}-{number:03}", since.as_millis())
}

/// Whether a name is that of a part. Nothing else in the place is touched.
fn is_part(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name.strip_prefix("part-").and_then(|numbers| numbers.split_once('-'));
    numbers
        .is_some_and(|(since, number)| since.len() == 13 && is_number(since) && is_number(number))
}

/// The names of the parts in a folder, or in `s3://bucket/prefix`, oldest first. A place that is not
/// there has none.
///
/// # Errors
///
/// A place that cannot be read.
pub fn list(root: &Path) -> Result<Vec<String>, DataError> {
    let mut names = match Storage::bucket(root)? {
        Some(bucket) => bucket.folders()?,
        None => folders(root)?,
    };
    names.retain(|name| is_part(name));
    names.sort_unstable();
    Ok(names)
}

/// Removes a part with all that is in it. One that is gone already is no error.
///
/// # Errors
///
/// What cannot be removed.
pub fn remove(root: &Path, part: &str) -> Result<(), DataError> {
    let place = root.join(part);
    if let Some(bucket) = Storage::bucket(&place)? {
        return bucket.names("")?.iter().try_for_each(|name| bucket.remove(name));
    }
    match fs::remove_dir_all(&place) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(error::file(&place, "remove the part")),
    }
}

fn folders(root: &Path) -> Result<Vec<String>, DataError> {
    let entries = match fs::read_dir(root) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(error::file(root, "list the folder"))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(error::file(root, "list the folder"))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_are_told_from_others() {
        let (early, late) =
            (name(Duration::from_millis(7), 12), name(Duration::from_hours(480_000), 0));
        assert!(early < late && is_part(&early) && is_part(&late), "{early} {late}");
        for other in ["part-", "part-1", "part-0000000000007", "part-0000000000007-", "notes"] {
            assert!(!is_part(other), "{other}");
        }
        assert!(!is_part("part-of-somebody-else") && !is_part("part-000000000000x-000"));
    }
}
