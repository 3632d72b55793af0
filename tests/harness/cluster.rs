//! How is an etcd of three members had for a test, each in a place of its own?
//!
//! Debian's `etcd`. Members can be killed, frozen, compacted and put back from a copy; `etcdctl` speaks
//! to them from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::eventually;
use crate::network::{Network, Place};
use crate::process::Process;

const MEMBERS: usize = 3;

/// The members.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    folder: PathBuf,
    /// Grows with each restore: another cluster has another token and other folders.
    generation: u32,
}

#[derive(Debug)]
struct Member {
    place: Place,
    process: Option<Process>,
}

impl Cluster {
    /// Three new members below `folder`, which answer.
    pub async fn start(network: &mut Network, folder: &Path) -> Self {
        let members = (0..MEMBERS).map(|_| Member { place: network.place(), process: None });
        let members = members.collect();
        let mut cluster = Self { members, folder: folder.to_owned(), generation: 0 };
        for number in 0..MEMBERS {
            cluster.launch(number);
        }
        cluster.answers().await;
        cluster
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where a member is.
    pub fn place(&self, number: usize) -> &Place {
        &self.members[number].place
    }

    /// Where all members are.
    pub fn places(&self) -> Vec<Place> {
        self.members.iter().map(|member| member.place.clone()).collect()
    }

    /// Their client URLs.
    pub fn urls(&self) -> Vec<String> {
        (0..self.members.len()).map(|number| self.url(number)).collect()
    }

    /// Ends a member as a power cut would.
    pub fn kill(&mut self, number: usize) {
        self.members[number].process.take().expect("a running member").kill();
    }

    /// Starts a member on the data that it has.
    pub fn launch(&mut self, number: usize) {
        let (name, url, peer) = (name(number), self.url(number), self.peer(number));
        let address = self.members[number].place.address();
        let local = format!("{url},http://127.0.0.1:2379");
        let mut command = self.members[number].place.command("/usr/bin/etcd");
        command
            .args(["--name", &name, "--log-level", "error", "--logger", "zap"])
            .args(["--listen-client-urls", &local, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &format!("http://{address}:2380")])
            .args(["--initial-advertise-peer-urls", &peer, "--initial-cluster", &self.peers()])
            .args(["--initial-cluster-token", &self.token(), "--initial-cluster-state", "new"])
            .arg("--data-dir")
            .arg(self.data(number));
        let log = self.folder.join(format!("{name}.log"));
        self.members[number].process = Some(Process::start(&name, &mut command, &log));
    }

    /// Its process stops, and goes on with `thaw`.
    pub fn freeze(&self, number: usize) {
        self.members[number].process.as_ref().expect("a running member").signal("STOP");
    }

    /// It goes on.
    pub fn thaw(&self, number: usize) {
        self.members[number].process.as_ref().expect("a running member").signal("CONT");
    }

    /// Waits until every member that runs takes part, and says who leads.
    pub async fn answers(&self) -> usize {
        eventually("every member of etcd follows one leader", Duration::from_mins(1), async || {
            let statuses: Vec<Status> =
                self.running().map(|number| self.status(number)).collect::<Option<Vec<_>>>()?;
            let leader = statuses.first()?.leader;
            let agreed = leader != 0 && statuses.iter().all(|status| status.leader == leader);
            let number = statuses.iter().position(|status| status.member == leader)?;
            agreed.then(|| self.running().nth(number)).flatten()
        })
        .await
    }

    /// Forgets the history up to the last transaction.
    pub fn compact(&self) {
        let number = self.running().next().expect("a member");
        let revision = self.status(number).expect("a status").revision;
        // A compaction that another has overtaken is none.
        self.ctl(number, &["compact", &revision.to_string()]);
    }

    /// Gives the space of the members back.
    pub fn defragment(&self) {
        for number in self.running() {
            let done = self.ctl(number, &["defrag"]);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }

    /// Copies what the cluster holds.
    pub fn save(&self) -> PathBuf {
        let path = self.folder.join(format!("saved-{}.db", self.generation));
        let number = self.running().next().expect("a member");
        let saved = self.ctl(number, &["snapshot", "save", &path.to_string_lossy()]);
        assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
        path
    }

    /// Ends all members, and begins a new cluster at the same places with what was copied.
    pub fn restore(&mut self, saved: &Path) {
        for number in 0..self.members.len() {
            if self.members[number].process.is_some() {
                self.kill(number);
            }
        }
        self.generation += 1;
        for number in 0..self.members.len() {
            let (name, peer, peers) = (name(number), self.peer(number), self.peers());
            let done = etcdctl()
                .args(["snapshot", "restore"])
                .arg(saved)
                .args(["--name", &name, "--initial-cluster", &peers])
                .args(["--initial-cluster-token", &self.token()])
                .args(["--initial-advertise-peer-urls", &peer])
                .arg("--data-dir")
                .arg(self.data(number))
                .output()
                .expect("etcdctl");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            self.launch(number);
        }
        drop(fs::remove_file(saved));
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.members.len()).filter(|number| self.members[*number].process.is_some())
    }

    fn status(&self, number: usize) -> Option<Status> {
        let said = self.ctl(number, &["endpoint", "status", "--write-out", "json"]);
        let said: Value = serde_json::from_slice(&said.stdout).ok()?;
        let status = &said[0]["Status"];
        Some(Status {
            member: status["header"]["member_id"].as_u64()?,
            revision: status["header"]["revision"].as_u64()?,
            leader: status["leader"].as_u64().unwrap_or_default(),
        })
    }

    fn ctl(&self, number: usize, words: &[&str]) -> Output {
        let timeouts = ["--command-timeout", "5s", "--dial-timeout", "2s"];
        let mut command = etcdctl();
        command.args(["--endpoints", &self.url(number)]).args(timeouts).args(words);
        command.output().expect("etcdctl")
    }

    fn url(&self, number: usize) -> String {
        format!("http://{}:2379", self.members[number].place.address())
    }

    fn peer(&self, number: usize) -> String {
        format!("http://{}:2380", self.members[number].place.address())
    }

    fn peers(&self) -> String {
        let each = |number| format!("{}={}", name(number), self.peer(number));
        (0..self.members.len()).map(each).collect::<Vec<_>>().join(",")
    }

    fn token(&self) -> String {
        format!("fire-{}", self.generation)
    }

    fn data(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}-{}", name(number), self.generation))
    }
}

/// What a member says of itself.
#[derive(Debug)]
struct Status {
    member: u64,
    leader: u64,
    revision: u64,
}

fn name(number: usize) -> String {
    format!("etcd-{}", number + 1)
}

fn etcdctl() -> Command {
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3");
    command
}
