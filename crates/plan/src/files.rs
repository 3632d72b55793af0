//! Which resources lie in a file or a folder?
//!
//! The only I/O of this crate, for the command line and for gateways without a control plane.
//! Folders are read in the order of their names; hidden entries are skipped, and so are documents
//! that are OpenAPI definitions and no resources. Nothing outside the root is read, whatever a
//! link or a `..` says.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{ApiSpec, Definition, Problem, Resource};

use crate::compile::MAX_DEFINITION_BYTES;
use crate::document::{MAX_FILE_BYTES, Tree, parse, read_document};
use crate::openapi::operations_of;
use crate::problem::{At, Problems};
use crate::resource::key;

const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 16;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The resources that can be read, in the order of the files.
    pub resources: Vec<Resource>,
    /// Everything that is wrong with the others.
    pub problems: Vec<Problem>,
    /// The files that were read, definitions included: watch these for changes.
    pub read: Vec<PathBuf>,
}

/// Why a file or folder cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file system refused.
    #[error("{} cannot be read", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not be.
        #[source]
        source: io::Error,
    },
    /// More files than anybody means.
    #[error("{} holds more than {MAX_FILES} files, or folders nested deeper than {MAX_DEPTH}", path.display())]
    TooMany {
        /// The root.
        path: PathBuf,
    },
}

/// Reads a file, or every `*.yaml`, `*.yml` and `*.json` below a folder.
pub fn read(path: &Path) -> Result<Files, FilesError> {
    let real = fs::canonicalize(path).map_err(|source| io_error(path, source))?;
    let whole_folder = real.is_dir();
    let root = match real.parent() {
        Some(parent) if !whole_folder => parent.to_path_buf(),
        _ => real,
    };
    let mut list = Vec::new();
    if whole_folder {
        find(path, path, &root, 0, &mut list)?;
    } else {
        list.push(path.to_path_buf());
    }
    let mut files = Files::default();
    for file in list {
        read_file(&file, &root, whole_folder, &mut files)?;
    }
    Ok(files)
}

fn io_error(path: &Path, source: io::Error) -> FilesError {
    FilesError::Io { path: path.to_path_buf(), source }
}

fn find(
    start: &Path,
    folder: &Path,
    root: &Path,
    depth: usize,
    list: &mut Vec<PathBuf>,
) -> Result<(), FilesError> {
    if depth > MAX_DEPTH {
        return Err(FilesError::TooMany { path: start.to_path_buf() });
    }
    let entries = fs::read_dir(folder).map_err(|source| io_error(folder, source))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| io_error(folder, source))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        // A link out of the root, or to nowhere, is as if it were not there.
        let Some(real) = fs::canonicalize(&path).ok().filter(|real| real.starts_with(root)) else {
            continue;
        };
        if real.is_dir() {
            // A folder is read where it lies, and links to folders may lead in circles.
            if path.is_symlink() {
                continue;
            }
            find(start, &path, root, depth + 1, list)?;
        } else if has_ending(&path) {
            list.push(path);
        }
        if list.len() > MAX_FILES {
            return Err(FilesError::TooMany { path: start.to_path_buf() });
        }
    }
    Ok(())
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    ending.is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json")
}

fn read_file(
    path: &Path,
    root: &Path,
    skip_definitions: bool,
    files: &mut Files,
) -> Result<(), FilesError> {
    let shown = path.display().to_string();
    let mut told = Problems::of("", shown.as_str());
    let text = match read_text(path, MAX_FILE_BYTES) {
        Ok(text) => text,
        Err(TextError::Io(source)) => return Err(io_error(path, source)),
        Err(other) => {
            told.add(&At::ROOT, other.to_string(), other.suggestion());
            files.problems.extend(told.into_list());
            return Ok(());
        }
    };
    if skip_definitions && is_definition(&text) {
        return Ok(());
    }
    files.read.push(path.to_path_buf());
    let (resources, problems) = read_document(&text, &shown);
    files.problems.extend(problems);
    for mut resource in resources {
        match resolve(&mut resource, path, root, &shown) {
            Ok(named) => {
                files.read.extend(named);
                files.resources.push(resource);
            }
            Err(problems) => files.problems.extend(problems),
        }
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum TextError {
    #[error("it cannot be read: {0}")]
    Io(#[source] io::Error),
    #[error("it is no regular file")]
    Special,
    #[error("it has {0} bytes, and at most {1} are read")]
    TooLarge(u64, usize),
    #[error("it is not UTF-8 text")]
    NotText,
}

impl TextError {
    const fn suggestion(&self) -> &'static str {
        match self {
            Self::TooLarge(..) => "split it into several files",
            Self::NotText => "save it as UTF-8",
            Self::Io(_) | Self::Special => "",
        }
    }
}

fn read_text(path: &Path, limit: usize) -> Result<String, TextError> {
    let about = fs::metadata(path).map_err(TextError::Io)?;
    if !about.is_file() {
        return Err(TextError::Special);
    }
    if about.len() > limit as u64 {
        return Err(TextError::TooLarge(about.len(), limit));
    }
    let bytes = fs::read(path).map_err(TextError::Io)?;
    if bytes.len() > limit {
        return Err(TextError::TooLarge(bytes.len() as u64, limit));
    }
    String::from_utf8(bytes).map_err(|_| TextError::NotText)
}

/// An OpenAPI document that lies beside the resources.
fn is_definition(text: &str) -> bool {
    if !text.contains("openapi") && !text.contains("swagger") {
        return false;
    }
    match parse(text, false).as_slice() {
        [Ok(tree)] => {
            tree.get("apiVersion").is_none()
                && (tree.get("openapi").is_some() || tree.get("swagger").is_some())
                && matches!(tree, Tree::Map(_))
        }
        _ => false,
    }
}

/// Puts the texts of files that a resource names in their place, and adds to an API the operations that its
/// definition declares and the resource does not: listed ones override. The files that were read.
fn resolve(
    resource: &mut Resource,
    from: &Path,
    root: &Path,
    shown: &str,
) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let name = key(resource).map(|key| key.to_string()).unwrap_or_default();
    let mut problems = Problems::of(name, shown);
    let mut read = Vec::new();
    match resource.resource.as_mut() {
        Some(Any::Api(api)) => {
            let Some(spec) = api.spec.as_mut() else { return Ok(read) };
            let Some(definition) = spec.definition.as_mut().filter(|it| !it.file.is_empty()) else {
                return Ok(read);
            };
            let (file, field) = (definition.file.clone(), "spec.definition.file");
            let largest = MAX_DEFINITION_BYTES;
            read.extend(put_text(definition, (from, root), largest, field, &mut problems));
            if problems.is_empty() {
                match operations_of(&definition.text, &file) {
                    Ok(declared) => merge(spec, declared),
                    Err(list) => tell(list, &file, field, &mut problems),
                }
            }
        }
        Some(Any::XacmlPolicySet(set)) => {
            let documents = set.spec.iter_mut().flat_map(|spec| &mut spec.documents);
            for (index, document) in documents.enumerate().filter(|(_, it)| !it.file.is_empty()) {
                let field = format!("spec.documents[{index}].file");
                let largest = xacml::MAX_BYTES;
                read.extend(put_text(document, (from, root), largest, &field, &mut problems));
            }
        }
        _ => {}
    }
    if problems.is_empty() { Ok(read) } else { Err(problems.into_list()) }
}

/// Puts the text of `definition.file`, which lies beside the file `from` and within `root`, in its place.
fn put_text(
    definition: &mut Definition,
    (from, root): (&Path, &Path),
    largest: usize,
    field: &str,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let file = std::mem::take(&mut definition.file);
    if !definition.text.is_empty() {
        problems.add_at(field, "`file` and `text` exclude each other", "keep one of them");
        return None;
    }
    let asked = from.parent().unwrap_or(Path::new(".")).join(&file);
    let Ok(real) = fs::canonicalize(&asked) else {
        let reason = format!("there is no file {}", asked.display());
        problems.add_at(field, reason, "the path is relative to this file");
        return None;
    };
    if !real.starts_with(root) {
        let reason = format!("{file} lies outside of {}", root.display());
        problems.add_at(field, reason, "put it beside the resources");
        return None;
    }
    match read_text(&real, largest) {
        Ok(text) => definition.text = text,
        Err(error) => {
            problems.add_at(field, format!("{file}: {error}"), error.suggestion());
            return None;
        }
    }
    Some(real)
}

/// What is wrong within a file, told of the field that names it.
fn tell(list: Vec<Problem>, file: &str, field: &str, problems: &mut Problems) {
    for problem in list {
        let place =
            if problem.field.is_empty() { String::new() } else { format!(", {}", problem.field) };
        problems.add_at(field, format!("{file}{place}: {}", problem.reason), problem.suggestion);
    }
}

fn merge(spec: &mut ApiSpec, declared: Vec<turnpike_proto::config::v1::Operation>) {
    for operation in declared {
        let same = |one: &turnpike_proto::config::v1::Operation| {
            one.method == operation.method && one.path == operation.path && one.r#match.is_none()
        };
        match spec.operations.iter_mut().find(|one| same(one)) {
            Some(listed) if listed.id.is_empty() => listed.id = operation.id,
            Some(_) => {}
            None => spec.operations.push(operation),
        }
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
