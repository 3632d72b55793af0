//! What do the `.proto` files say of their messages, fields and methods?

use std::collections::HashMap;
use std::sync::LazyLock;

use turnpike_proto::POOL;

/// By file and place in it.
type Comments = HashMap<(String, Vec<i32>), String>;

/// The comment before a thing, in one line; empty: there is none.
pub(super) fn comment(file: &str, path: &[i32]) -> &'static str {
    static COMMENTS: LazyLock<Comments> = LazyLock::new(read);
    COMMENTS.get(&(file.to_owned(), path.to_vec())).map_or("", String::as_str)
}

fn read() -> Comments {
    let mut comments = Comments::new();
    for file in POOL.files() {
        let proto = file.file_descriptor_proto();
        for at in proto.source_code_info.iter().flat_map(|info| &info.location) {
            let Some(text) = &at.leading_comments else { continue };
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            comments.insert((file.name().to_owned(), at.path.clone()), line);
        }
    }
    comments
}

/// Whether a comment says that a field must be there, whatever the others are.
pub(super) fn is_required(comment: &str) -> bool {
    comment.ends_with("Required.") || comment.contains("Required. ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_required_without_a_condition_is() {
        for (comment, expected) in [
            ("Its name. Required.", true),
            ("Its name. Required. At most 10.", true),
            ("Required for Api, refused for every other kind.", false),
            ("The backends. Required unless lifecycle is CREATED.", false),
            ("Absent: none.", false),
        ] {
            assert_eq!(is_required(comment), expected, "{comment}");
        }
    }
}
