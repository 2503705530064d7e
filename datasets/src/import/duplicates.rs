//! Files with the same bytes.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::FILE_BYTES_MAX;

/// Which of some files have the bytes of an earlier one: their places, each with the place of the
/// first such file.
///
/// Only files that have the size of another are read, one at a time on each thread, and 40 bytes
/// of each are kept. A file that cannot be read, or is larger than any replay, is no duplicate; who
/// reads it later says why.
#[must_use]
pub fn duplicates(files: &[PathBuf]) -> HashMap<usize, usize> {
    let sizes: Vec<Option<u64>> =
        files.par_iter().map(|path| fs::metadata(path).ok().map(|m| m.len())).collect();
    let mut of_size = HashMap::new();
    for &size in sizes.iter().flatten() {
        *of_size.entry(size).or_insert(0_u32) += 1;
    }
    let is_alone =
        |size: &Option<u64>| size.is_none_or(|size| size > FILE_BYTES_MAX || of_size[&size] == 1);
    let contents: Vec<Option<blake3::Hash>> = files
        .par_iter()
        .zip(&sizes)
        .map(|(path, size)| if is_alone(size) { None } else { hash(path).ok() })
        .collect();
    let mut first = HashMap::new();
    let mut copies = HashMap::new();
    for (place, content) in contents.into_iter().enumerate() {
        let Some(content) = content else { continue };
        let original = *first.entry(content).or_insert(place);
        if original != place {
            copies.insert(place, original);
        }
    }
    copies
}

fn hash(path: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_files_stays_and_others_point_to_it() {
        let folder = std::env::temp_dir().join(format!("bivouac-copies-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let texts = ["one", "two", "one", "longer", "two", "one"];
        let mut files: Vec<PathBuf> =
            (0..texts.len()).map(|i| folder.join(format!("{i}.gior"))).collect();
        for (path, text) in files.iter().zip(texts) {
            fs::write(path, text).unwrap();
        }
        files.push(folder.join("absent.gior"));
        files.push(folder.join("absent.gior"));
        assert_eq!(duplicates(&files), HashMap::from([(2, 0), (4, 1), (5, 0)]));
        fs::remove_dir_all(folder).unwrap();
    }
}
