use std::fs::OpenOptions;

use super::*;

const SMALL: Bounds = Bounds { total: 1_800, segment: 500 };

/// A spool in a directory of its own that can be closed, opened and looked into.
struct Bench {
    directory: tempfile::TempDir,
    spool: Option<Spool>,
    boot: &'static str,
    openings: u8,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, spool: None, boot: "boot-1", openings: 0 }
    }

    fn spool(&mut self) -> &mut Spool {
        let (directory, boot, openings) = (self.directory.path(), self.boot, &mut self.openings);
        self.spool.get_or_insert_with(|| {
            *openings += 1;
            Spool::open(directory, SMALL, boot, [*openings; 16]).expect("a spool")
        })
    }

    /// As kill -9 leaves it: nothing is said to the spool.
    fn kill(&mut self) {
        self.spool = None;
    }

    fn newest(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.directory.path()).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_some_and(|e| e == ENDING)).max().expect("a segment")
    }
}

/// Runs a script and compares what it says. Steps: `name*n` appends a batch of n events named so
/// (100 bytes), `ack=n` acknowledges, `refuse=n` says that batch n is never taken, `kill` ends the
/// process, `reboot` the machine, `tear` cuts the last byte of the newest segment, `rot` turns a bit
/// in it, `read>n` tells every batch after n as `sequence:name*events(+dropped)/epoch`, `files`
/// counts segments, `dropped` events.
#[track_caller]
fn check(script: &str, said: &str) {
    let mut bench = Bench::new();
    let mut answers = Vec::new();
    for step in script.split_whitespace() {
        if let Some((name, count)) = step.split_once('*') {
            let events = format!("{name:<100}");
            let count = count.parse().expect("a number");
            bench.spool().append(events.as_bytes(), count, 0).expect("room");
        } else if let Some(sequence) = step.strip_prefix("ack=") {
            bench.spool().acknowledge(sequence.parse().expect("a number")).expect("a position");
        } else if let Some(sequence) = step.strip_prefix("refuse=") {
            bench.spool().refused(sequence.parse().expect("a number")).expect("a position");
        } else if let Some(sequence) = step.strip_prefix("read>") {
            answers.push(read(bench.spool(), sequence.parse().expect("a number")));
        } else {
            match step {
                "kill" => bench.kill(),
                "reboot" => {
                    bench.kill();
                    bench.boot = "boot-2";
                }
                "tear" => cut(&bench.newest(), 1),
                "rot" => turn_a_bit(&bench.newest()),
                "dropped" => answers.push(format!("{} dropped", bench.spool().dropped())),
                "files" => answers.push(format!("{} files", bench.spool().segments.len())),
                other => unreachable!("unknown step {other}"),
            }
        }
    }
    assert_eq!(answers.join(" | "), said);
}

fn read(spool: &mut Spool, mut after: u64) -> String {
    let mut told = Vec::new();
    while let Some(frame) = spool.after(after).expect("readable") {
        after = frame.sequence;
        let name = String::from_utf8_lossy(&frame.events).trim().to_owned();
        let dropped =
            if frame.dropped == 0 { String::new() } else { format!("+{}", frame.dropped) };
        let epoch = frame.epoch.first().copied().unwrap_or_default();
        told.push(format!("{}:{name}*{}{dropped}/{epoch}", frame.sequence, frame.count));
    }
    told.join(" ")
}

fn cut(path: &Path, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).expect("a segment");
    let length = file.metadata().expect("a length").len();
    file.set_len(length - bytes).expect("a cut");
}

fn turn_a_bit(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a segment");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(path, bytes).expect("a segment");
}

#[test]
fn batches_come_back_in_their_order() {
    check("a*1 b*2 c*3 read>0 read>2 read>3", "1:a*1/1 2:b*2/1 3:c*3/1 | 3:c*3/1 | ");
}

#[test]
fn what_was_appended_survives_a_kill_and_numbers_go_on() {
    check("a*1 b*2 kill c*1 read>0", "1:a*1/1 2:b*2/1 3:c*1/1");
}

#[test]
fn numbers_go_on_when_everything_was_acknowledged() {
    check("a*1 b*2 ack=2 kill c*1 read>0", "1:a*1/1 2:b*2/1 3:c*1/1");
}

#[test]
fn a_torn_end_is_cut_and_the_rest_is_kept() {
    check("a*1 b*2 kill tear c*1 read>0", "1:a*1/1 2:c*1/2");
}

#[test]
fn a_damaged_batch_ends_its_segment() {
    check("a*1 b*2 kill rot c*1 read>0", "1:a*1/1 2:c*1/2");
}

#[test]
fn a_machine_that_went_down_starts_a_new_epoch_and_still_owes_the_old() {
    check("a*1 b*2 reboot c*1 read>0", "1:a*1/1 2:b*2/1 3:c*1/2");
}

#[test]
fn acknowledged_segments_are_removed() {
    check("a*1 b*1 c*1 d*1 e*1 f*1 g*1 files ack=6 files", "3 files | 1 files");
}

#[test]
fn an_acknowledgement_of_what_was_never_appended_is_cut_down() {
    check("a*1 ack=99 b*1 read>1", "2:b*1/1");
}

#[test]
fn a_refused_batch_is_dropped_and_the_next_one_says_so() {
    check("a*1 b*2 refuse=1 c*3 read>1", "2:b*2/1 3:c*3+1/1");
}

#[test]
fn a_full_spool_drops_the_oldest_and_the_next_batch_says_how_many_events() {
    // Three batches fit in a segment; the thirteenth pushes out the first three (1+2+3 events),
    // and the sixteenth the next three, with what one of them would have reported.
    check("a*1 b*2 c*3 d*1 e*1 f*1 g*1 h*1 i*1 j*1 k*1 l*1 m*1 n*1 read>12", "13:m*1+6/1 14:n*1/1");
}

#[test]
fn what_a_dropped_batch_would_have_told_is_told_again_and_counted_once() {
    // The batches from the thirteenth on tell of six, and are what the twenty-fifth pushes out.
    let first = "a*1 b*2 c*3 d*1 e*1 f*1 g*1 h*1 i*1 j*1 k*1 l*1";
    let second = "m*1 n*1 o*1 p*1 q*1 r*1 s*1 t*1 u*1 v*1 w*1 x*1";
    let said = "25:y*1+9/1 | 18 dropped";
    check(&format!("{first} {second} y*1 read>24 dropped"), said);
}

#[test]
fn acknowledged_events_are_not_counted_as_dropped() {
    check("a*1 b*2 c*3 d*1 e*1 f*1 g*1 h*1 i*1 j*1 k*1 l*1 ack=2 m*1 read>12", "13:m*1+3/1");
}

#[test]
fn reading_goes_on_behind_what_was_dropped() {
    check(
        "a*1 b*1 c*1 read>0 d*1 e*1 f*1 g*1 h*1 i*1 j*1 k*1 l*1 m*1 read>11",
        "1:a*1/1 2:b*1/1 3:c*1/1 | 12:l*1/1 13:m*1+3/1",
    );
}

#[test]
fn what_was_handed_out_is_kept_and_what_came_next_makes_room() {
    // The first three may be with the collector: they are neither dropped nor told to be.
    check(
        "a*1 b*2 c*3 read>0 d*1 e*1 f*1 g*1 h*1 i*1 j*1 k*1 l*1 m*1 read>0 dropped",
        "1:a*1/1 2:b*2/1 3:c*3/1 \
         | 1:a*1/1 2:b*2/1 3:c*3/1 7:g*1/1 8:h*1/1 9:i*1/1 10:j*1/1 11:k*1/1 12:l*1/1 13:m*1+3/1 \
         | 3 dropped",
    );
}

#[test]
fn where_everything_was_handed_out_the_oldest_goes() {
    let all = "a*1 b*1 c*1 d*1 e*1 f*1 g*1 h*1 i*1 j*1 k*1 l*1";
    check(&format!("{all} read>11 m*1 read>11"), "12:l*1/1 | 12:l*1/1 13:m*1+3/1");
}

#[test]
fn a_spool_has_one_owner() {
    let mut bench = Bench::new();
    bench.spool();
    let second = Spool::open(bench.directory.path(), SMALL, "boot-1", [9; 16]);
    assert!(matches!(second, Err(SpoolError::InUse(_))), "{second:?}");
}
