//! Whether a dataset would be written over what it is made of.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use crate::{
    error::{self, DataError},
    storage,
};

/// Refuses an output that is one of the inputs, lies in one, or has one in it: to begin a dataset
/// removes what its folder holds, and then the input would be gone before it was read.
///
/// # Errors
///
/// [`DataError::Overlap`], and folders that cannot be looked at.
pub(crate) fn refuse<'p>(
    out: &Path,
    inputs: impl IntoIterator<Item = &'p Path>,
) -> Result<(), DataError> {
    if out.to_str().is_some_and(|out| out.starts_with(storage::S3)) {
        return Ok(());
    }
    let place = resolved(out)?;
    for input in inputs {
        let other = resolved(input)?;
        if place.starts_with(&other) || other.starts_with(&place) {
            return Err(DataError::Overlap { out: out.to_owned(), input: input.to_owned() });
        }
    }
    Ok(())
}

/// A path without links and dots, as far as it is there.
fn resolved(path: &Path) -> Result<PathBuf, DataError> {
    let absolute = std::path::absolute(path).map_err(error::file(path, "look at the path"))?;
    for above in absolute.ancestors() {
        let mut found = match above.canonicalize() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error::file(above, "look at the path")(error)),
        };
        // What is below is not there yet, so it has no links, and `..` leads to where it came from.
        let below = absolute.strip_prefix(above).unwrap_or(Path::new(""));
        for part in below.components() {
            match part {
                Component::ParentDir => {
                    found.pop();
                }
                part => found.push(part),
            }
        }
        return Ok(found);
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_output_that_is_holds_or_lies_in_an_input_is_refused() {
        let root = std::env::temp_dir().join(format!("bivouac-overlap-{}", std::process::id()));
        fs::create_dir_all(root.join("games/data")).unwrap();
        fs::write(root.join("games/data/a.parquet"), "").unwrap();
        let refuse = |out: &str, input: &str| refuse(&root.join(out), [&*root.join(input)]);
        for (out, input) in [
            ("games", "games"),
            ("games/../games/", "games"),
            ("new/../games", "games"),
            ("games/rows", "games"),
            ("games", "games/data"),
            ("games", "games/data/a.parquet"),
            (".", "games"),
        ] {
            let told = refuse(out, input).map_err(|error| error.to_string());
            assert!(told.is_err_and(|told| told.contains("--out")), "{out} of {input}");
        }
        for (out, input) in [("games-2", "games"), ("new/deep", "games"), ("rows", "games/data")] {
            assert!(refuse(out, input).is_ok(), "{out} of {input}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("games"), root.join("link")).unwrap();
            assert!(refuse("link", "games").is_err(), "a link to the input is the input");
        }
        fs::remove_dir_all(root).unwrap();
    }
}
