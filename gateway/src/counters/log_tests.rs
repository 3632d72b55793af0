//! What is read of files that end anywhere, and of damaged ones.

use super::*;

fn subject(byte: u8) -> Subject {
    Subject([byte; 16])
}

/// Writes batches of `words` (one entry for each letter), cuts off `cut` bytes, turns the byte at `turn`
/// from the end, and compares what is read.
#[track_caller]
fn check(words: &str, cut: u64, turn: Option<u64>, read: &str, good: bool) {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::begin(directory.path(), 7, |log| {
        for word in words.split_whitespace() {
            let mut batch = Batch::default();
            word.bytes().for_each(|letter| batch.put(subject(letter), &[letter; 3]));
            log.write(&batch)?;
        }
        log.sync()
    });
    let log = log.unwrap();
    let path = log.path().to_owned();
    assert_eq!(files(directory.path()).unwrap(), [(7, path.clone())]);
    let file = OpenOptions::new().write(true).read(true).open(&path).unwrap();
    if let Some(turn) = turn {
        let mut byte = [0];
        let at = log.bytes() - turn;
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
    file.set_len(log.bytes() - cut).unwrap();
    let mut told = String::new();
    let mut reader = Reader::open(&path).unwrap();
    let result = reader.read_on(|subject, used| {
        assert_eq!(used, [subject.0[0]; 3]);
        told.push(char::from(subject.0[0]));
    });
    assert_eq!((told.as_str(), result.is_ok()), (read, good), "{words} {cut} {turn:?}");
    assert!(!reader.is_abandoned());
    drop(log);
    assert!(reader.is_abandoned());
}

#[test]
fn what_was_written_is_read() {
    check("", 0, None, "", true);
    check("abc d", 0, None, "abcd", true);
}

#[test]
fn a_batch_that_is_not_whole_never_happened() {
    for cut in 1..=29 {
        check("abc d", cut, None, "abc", true);
    }
    check("abc d", 30, None, "", true);
    check("abc d", 0, Some(1), "abc", true);
}

#[test]
fn damage_within_is_noticed_and_what_stands_before_counts() {
    check("a b c", 0, Some(30), "a", false);
}

#[test]
fn a_file_is_read_on_where_it_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::begin(directory.path(), 1, |_| Ok(())).unwrap();
    let mut reader = Reader::open(log.path()).unwrap();
    for letter in *b"xy" {
        let mut batch = Batch::default();
        batch.put(subject(letter), b"");
        log.write(&batch).unwrap();
        let mut told = Vec::new();
        reader.read_on(|subject, _| told.push(subject.0[0])).unwrap();
        assert_eq!(told, [letter]);
    }
}

#[test]
fn another_file_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("counters.1");
    for text in ["", "TPSPOOL1", "TPC"] {
        fs::write(&path, text).unwrap();
        assert!(matches!(Reader::open(&path), Err(Damage::Foreign)), "{text}");
    }
}
