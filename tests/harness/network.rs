//! A network of a test's own: places with an address each on one bridge, and links that can be cut.
//!
//! Linux network namespaces, made with `ip` as root. A link is cut in one of two ways: whoever sends
//! is told so at once, or what is sent vanishes and nobody is told. What a test leaves behind when it
//! is killed, the next one removes.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Of every namespace and device of ours: `tn`, the test's process, a number.
const MARK: &str = "tn";
/// A card that nobody has: what is sent to it arrives nowhere.
const NOBODY: &str = "02:00:00:00:00:01";

/// The network; it is gone when it is dropped, so the programs in it have to end before.
#[derive(Debug)]
pub struct Network {
    bridge: String,
    /// The address of the test itself, and of everything outside the places.
    outside: Place,
    subnet: [u8; 3],
    places: Vec<Place>,
}

/// Where a program can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// None: outside.
    namespace: Option<String>,
    device: String,
    address: Ipv4Addr,
}

/// How a link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Connections break, and new ones are refused.
    Refused,
    /// What is sent vanishes.
    Silent,
}

/// Whether such networks can be made here; says why where they cannot.
pub fn is_possible() -> bool {
    if !Path::new("/usr/bin/etcd").exists() {
        eprintln!("left out: etcd is not installed");
        return false;
    }
    let name = format!("{MARK}{}-try", std::process::id());
    let made = try_ip(&["netns", "add", &name])
        && try_ip(&["-n", &name, "link", "add", "try0", "type", "veth", "peer", "name", "try1"]);
    try_ip(&["netns", "del", &name]);
    if !made {
        eprintln!(
            "left out: network namespaces cannot be made (root, iproute2 and veth are needed)"
        );
    }
    made
}

impl Network {
    /// A bridge on which only the test is.
    pub fn new() -> Self {
        remove_what_was_left();
        let id = std::process::id();
        let subnet = (0..=u8::MAX)
            .map(|n| [10, 201, n])
            .find(|subnet| !is_taken(*subnet))
            .expect("a subnet that nobody uses");
        let bridge = format!("{MARK}{id}-b");
        let address = Ipv4Addr::new(subnet[0], subnet[1], subnet[2], 254);
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&["addr", "add", &format!("{address}/24"), "dev", &bridge]);
        ip(&["link", "set", &bridge, "up"]);
        let outside = Place { namespace: None, device: bridge.clone(), address };
        Self { bridge, outside, subnet, places: Vec::new() }
    }

    /// Where the test itself is.
    pub fn outside(&self) -> Place {
        self.outside.clone()
    }

    /// One more place.
    pub fn place(&mut self) -> Place {
        let number = u8::try_from(self.places.len() + 1).expect("few places");
        let namespace = format!("{MARK}{}-{number}", std::process::id());
        let plug = format!("{namespace}v");
        let [a, b, c] = self.subnet;
        let address = Ipv4Addr::new(a, b, c, number);
        ip(&["netns", "add", &namespace]);
        let (peer, kind) = (["peer", "name", "eth0", "netns", &namespace], ["type", "veth"]);
        let mut link = vec!["link", "add", &plug];
        link.extend(kind);
        link.extend(peer);
        ip(&link);
        ip(&["link", "set", &plug, "master", &self.bridge, "up"]);
        ip(&["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
        let place = Place { namespace: Some(namespace), device: "eth0".to_owned(), address };
        self.places.push(place.clone());
        place
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for place in &self.places {
            if let Some(namespace) = &place.namespace {
                try_ip(&["netns", "del", namespace]);
            }
        }
        try_ip(&["link", "del", &self.bridge]);
    }
}

impl Place {
    /// Its address.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A command that runs there; its process is that of the program itself.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program.as_ref()) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program.as_ref());
        command
    }

    /// Cuts the link to `other`.
    pub fn cut(&self, other: &Self, how: Cut) {
        self.cut_way(other, how);
        other.cut_way(self, how);
    }

    /// Mends the link to `other`, however it was cut.
    pub fn mend(&self, other: &Self) {
        self.mend_way(other);
        other.mend_way(self);
    }

    /// Makes everything that leaves here slow; says how, none: this kernel cannot.
    pub fn slow(&self) -> Option<&'static str> {
        let queue: [(&str, &[&str]); 2] = [
            ("100 ms later", &["netem", "delay", "100ms", "20ms"]),
            ("at 1 Mbit/s", &["tbf", "rate", "1mbit", "burst", "16kb", "latency", "400ms"]),
        ];
        let known = queue.into_iter().find(|(_, words)| {
            let mut command = self.command("tc");
            command.args(["qdisc", "add", "dev", &self.device, "root"]).args(*words);
            succeeds(&mut command)
        });
        known.map(|(words, _)| words)
    }

    /// As fast as before.
    pub fn fast(&self) {
        let mut command = self.command("tc");
        succeeds(command.args(["qdisc", "del", "dev", &self.device, "root"]));
    }

    fn cut_way(&self, other: &Self, how: Cut) {
        let to = other.address.to_string();
        match how {
            Cut::Refused => {
                self.ip(&["route", "replace", "unreachable", &format!("{to}/32")]);
                // Where the kernel cannot close connections of others, they starve.
                succeeds(self.command("ss").args(["-K", "dst", &to]));
            }
            Cut::Silent => {
                let device = self.device.as_str();
                self.ip(&[
                    "neigh",
                    "replace",
                    &to,
                    "lladdr",
                    NOBODY,
                    "dev",
                    device,
                    "nud",
                    "permanent",
                ]);
            }
        }
    }

    fn mend_way(&self, other: &Self) {
        let to = other.address.to_string();
        succeeds(self.command("ip").args(["route", "del", "unreachable", &format!("{to}/32")]));
        succeeds(self.command("ip").args(["neigh", "del", &to, "dev", &self.device]));
    }

    fn ip(&self, words: &[&str]) {
        let mut command = self.command("ip");
        assert!(succeeds(command.args(words)), "ip {words:?} at {}", self.address);
    }
}

fn is_taken([a, b, c]: [u8; 3]) -> bool {
    let shown = Command::new("ip").args(["-4", "addr"]).output().expect("ip");
    String::from_utf8_lossy(&shown.stdout).contains(&format!("{a}.{b}.{c}."))
}

/// Namespaces and bridges whose test is no more.
fn remove_what_was_left() {
    let names = |words: &[&str]| {
        let shown = Command::new("ip").args(words).output().expect("ip");
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };
    let is_left = |name: &&str| {
        let process = name.strip_prefix(MARK).and_then(|rest| rest.split('-').next());
        let process = process.and_then(|process| process.parse::<u32>().ok());
        process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
    };
    let spaces = names(&["netns", "list"]);
    for name in spaces.lines().filter_map(|line| line.split(' ').next()).filter(is_left) {
        try_ip(&["netns", "del", name]);
    }
    let devices = names(&["-brief", "link"]);
    let devices = devices.lines().filter_map(|line| line.split([' ', '@']).next());
    for name in devices.filter(is_left) {
        try_ip(&["link", "del", name]);
    }
}

fn ip(words: &[&str]) {
    assert!(try_ip(words), "ip {words:?}");
}

fn try_ip(words: &[&str]) -> bool {
    succeeds(Command::new("ip").args(words))
}

fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}
