//! Which texts are imported?

use std::collections::BTreeMap;

/// The most files of a folder.
pub const MAX_FILES: usize = 2_000;
/// The most bytes of all files together.
pub const MAX_TOTAL_BYTES: usize = 64 * 1024 * 1024;

/// The texts to import.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Names the file or folder in reports and problems.
    pub name: String,
    /// The texts, by their paths below the folder, with `/` between the steps. One file: one text.
    pub files: BTreeMap<String, String>,
    /// Whether they are the files of a folder.
    pub is_folder: bool,
}

impl Sources {
    /// A single file.
    pub fn file(name: &str, text: &str) -> Self {
        let files = BTreeMap::from([(name.to_owned(), text.to_owned())]);
        Self { name: name.to_owned(), files, is_folder: false }
    }

    /// The files of a folder, by their paths below it.
    pub fn folder(name: &str, files: BTreeMap<String, String>) -> Self {
        Self { name: name.to_owned(), files, is_folder: true }
    }

    /// The text of a single file.
    pub(crate) fn single(&self) -> &str {
        self.files.values().next().map_or("", String::as_str)
    }

    /// The first of these paths that is there, and its text.
    pub(crate) fn first(&self, paths: &[&str]) -> Option<(&str, &str)> {
        let found = paths.iter().find_map(|path| self.files.get_key_value(*path))?;
        Some((found.0.as_str(), found.1.as_str()))
    }

    /// What lies below a folder of these, as sources of their own.
    pub(crate) fn below(&self, folder: &str) -> Self {
        let prefix = format!("{folder}/");
        let inside = self.files.iter().filter_map(|(path, text)| {
            Some((path.strip_prefix(&prefix)?.to_owned(), text.clone()))
        });
        let name = format!("{}/{folder}", self.name);
        Self { name, files: inside.collect(), is_folder: true }
    }
}
