//! What lies in a project folder?
//!
//! Regular files alone, within bounds. Links are not followed, so nothing outside of the folder is
//! read, whatever a project says.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use ::import::{MAX_FILES, MAX_TOTAL_BYTES};

use crate::failure::Failure;

const MAX_DEPTH: usize = 8;

/// The texts of a folder, by their paths below it. What is no text, or too large to be one, is there
/// without it.
pub(super) fn read(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::new();
    let mut room = MAX_TOTAL_BYTES;
    below(folder, folder, "", 0, &mut room, &mut files)?;
    Ok(files)
}

fn below(
    root: &Path,
    folder: &Path,
    prefix: &str,
    depth: usize,
    room: &mut usize,
    files: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    let failed = |source: io::Error| Failure::File { file: folder.to_owned(), source };
    let too_much = || Failure::Folder { path: root.to_owned(), most: MAX_FILES, depth: MAX_DEPTH };
    if depth > MAX_DEPTH {
        return Err(too_much());
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(failed)?;
        if name.starts_with('.') || kind.is_symlink() {
            continue;
        }
        let path = format!("{prefix}{name}");
        if kind.is_dir() {
            below(root, &entry.path(), &format!("{path}/"), depth + 1, room, files)?;
        } else if kind.is_file() {
            if files.len() >= MAX_FILES {
                return Err(too_much());
            }
            files.insert(path, text(&entry.path(), room).map_err(failed)?);
        }
    }
    Ok(())
}

fn text(path: &Path, room: &mut usize) -> io::Result<String> {
    let size = usize::try_from(fs::metadata(path)?.len()).unwrap_or(usize::MAX);
    let Some(left) = room.checked_sub(size) else { return Ok(String::new()) };
    let text = String::from_utf8(fs::read(path)?).unwrap_or_default();
    *room = left;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_without_what_its_links_lead_to() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.yaml"), "a: 1").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("Definitions")).unwrap();
        fs::write(folder.path().join("api.yaml"), "type: api").unwrap();
        fs::write(folder.path().join("Definitions/swagger.yaml"), "openapi: 3.0.0").unwrap();
        fs::write(folder.path().join("picture.png"), [0xff, 0xfe, 0x00]).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
        let link = folder.path().join("link.yaml");
        std::os::unix::fs::symlink(outside.path().join("secret.yaml"), link).unwrap();
        let files = read(folder.path()).unwrap();
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(paths, ["Definitions/swagger.yaml", "api.yaml", "picture.png"]);
        assert_eq!(files["picture.png"], "");
    }

    #[test]
    fn a_folder_that_nests_too_deeply_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = "a/".repeat(MAX_DEPTH + 1);
        fs::create_dir_all(folder.path().join(deep)).unwrap();
        assert!(matches!(read(folder.path()), Err(Failure::Folder { .. })));
    }
}
