//! A backend that gives the answers that it is told to give, one after the other.

use std::collections::VecDeque;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<String>>,
    /// The heads of the requests in lower case.
    heard: Mutex<Vec<String>>,
    holds: Mutex<bool>,
    released: Condvar,
}

impl Origin {
    /// Gives `answers` in their order, and the last one again and again. An answer is a status, a
    /// line per field, an empty line and a body; `#` in it stands for the number of the request. The
    /// field `x-break` makes the body shorter than announced.
    pub(crate) fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.answers.lock().unwrap().extend(answers.iter().map(|answer| (*answer).to_owned()));
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    /// Answers nobody until it is told to go on.
    pub(crate) fn hold(&self) {
        *self.shared.holds.lock().unwrap() = true;
    }

    pub(crate) fn go_on(&self) {
        *self.shared.holds.lock().unwrap() = false;
        self.shared.released.notify_all();
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.shared.heard.lock().unwrap().len()
    }

    /// The head of the last request, in lower case.
    pub(crate) fn last(&self) -> String {
        self.shared.heard.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut input = BufReader::new(stream);
        while let Some(head) = request(&mut input) {
            let with_head = head.starts_with("head ");
            let number = {
                let mut heard = self.heard.lock().unwrap();
                heard.push(head);
                heard.len()
            };
            let holds = self.holds.lock().unwrap();
            drop(self.released.wait_while(holds, |holds| *holds).unwrap());
            let answer = {
                let mut answers = self.answers.lock().unwrap();
                let next = answers.pop_front().unwrap();
                if answers.is_empty() {
                    answers.push_back(next.clone());
                }
                next.replace('#', &number.to_string())
            };
            let (head, body) = answer.split_once("\n\n").unwrap_or((&answer, ""));
            let breaks = head.contains("x-break");
            let length = body.len() + usize::from(breaks) * 10;
            let bodiless = head.starts_with("304") || head.starts_with("204");
            let length =
                if bodiless { String::new() } else { format!("content-length: {length}\r\n") };
            let head = format!("HTTP/1.1 {}\r\n{length}\r\n", head.replace('\n', "\r\n"));
            let body = if with_head { "" } else { body };
            if (&*stream).write_all(format!("{head}{body}").as_bytes()).is_err() || breaks {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }
}

fn request(input: &mut impl std::io::BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    input.take(length).read_to_end(&mut Vec::new()).ok()?;
    Some(head)
}
