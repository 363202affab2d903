//! `examples/peer` does what `proto/PEER.md` says.

use std::env::{self, consts};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// More exchanges than two epochs take.
const MOST_EXCHANGES: usize = 300;

/// A running peer.
struct Peer {
    child: Child,
    requests: Box<dyn Write>,
    answers: Box<dyn BufRead>,
    /// Its user and device, as requests name it.
    address: String,
}

impl Peer {
    /// A peer with an account, over standard input and output.
    fn create(name: &str) -> Self {
        let mut peer = Self::start();
        peer.create_account(name);
        peer
    }

    fn start() -> Self {
        let mut child = spawn(&[]);
        let requests = Box::new(child.stdin.take().unwrap());
        let answers = Box::new(BufReader::new(child.stdout.take().unwrap()));
        Self { child, requests, answers, address: String::new() }
    }

    /// A peer over TCP.
    fn connect() -> Self {
        let mut child = spawn(&["--listen", "127.0.0.1:0"]);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let stream = TcpStream::connect(line.trim().strip_prefix("listening ").unwrap()).unwrap();
        let answers = Box::new(BufReader::new(stream.try_clone().unwrap()));
        Self { child, requests: Box::new(stream), answers, address: String::new() }
    }

    fn create_account(&mut self, name: &str) {
        let user = hex(name.as_bytes());
        let [device, _list] = self.done(&format!("create {user}"));
        self.address = format!("{user} {device}");
    }

    fn user(&self) -> &str {
        self.address.split_once(' ').unwrap().0
    }

    fn ask(&mut self, request: &str) -> String {
        self.requests.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.strip_suffix('\n').unwrap().to_owned()
    }

    /// The words after `ok`.
    fn done<const N: usize>(&mut self, request: &str) -> [String; N] {
        let answer = self.ask(request);
        let mut words = answer.split(' ').map(str::to_owned);
        assert_eq!(words.next().as_deref(), Some("ok"), "{answer}");
        words.collect::<Vec<_>>().try_into().unwrap()
    }

    /// The word after `error`.
    fn fails(&mut self, request: &str) -> String {
        let answer = self.ask(request);
        let mut words = answer.split(' ');
        assert_eq!(words.next(), Some("error"), "{answer}");
        let word = words.next().unwrap().to_owned();
        assert!(words.next().is_some(), "{answer}");
        word
    }

    fn send(&mut self, to: &Self, content: &str) -> Sent {
        self.send_as("send", to, content)
    }

    fn send_as(&mut self, request: &str, to: &Self, content: &str) -> Sent {
        let content = hex(content.as_bytes());
        let [envelope, seq, id] = self.done(&format!("{request} {} {content}", to.address));
        let delivered = format!("message {} {seq} {id} {content}", self.address);
        Sent { envelope, delivered }
    }

    fn receives(&mut self, sent: &Sent, reports: &str) {
        let answer = self.ask(&format!("receive {}", sent.envelope));
        assert_eq!(answer, format!("ok {} {reports}", sent.delivered));
    }

    fn refuses(&mut self, envelope: &str) -> String {
        self.fails(&format!("receive {envelope}"))
    }

    fn initiate(&mut self, other: &mut Self, prekeys: &str) {
        let [bundle] = other.done(&format!("bundle {prekeys}"));
        let [device] = self.done(&format!("initiate {} {bundle}", other.user()));
        assert!(other.address.ends_with(&format!(" {device}")));
    }

    /// Starts a session and opens the first message of it.
    fn meet(&mut self, other: &mut Self, prekeys: &str) {
        self.initiate(other, prekeys);
        let first = self.send(other, "hello");
        other.receives(&first, "-");
    }

    fn status(&mut self, other: &Self) -> [String; 3] {
        self.done(&format!("status {}", other.address))
    }

    /// Ends it, and sees that it ended well.
    fn quit(mut self) {
        assert_eq!(self.ask("quit"), "ok");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has ended already if the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A message on its way, and how it is reported when it opens.
struct Sent {
    envelope: String,
    delivered: String,
}

/// Cargo builds the examples before it runs the tests.
fn spawn(arguments: &[&str]) -> Child {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program: PathBuf = target.join("examples").join(format!("peer{}", consts::EXE_SUFFIX));
    assert!(program.exists(), "`cargo build --example peer` comes first");
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The envelope with its last byte changed.
fn damaged(envelope: &str) -> String {
    let (rest, last) = envelope.split_at(envelope.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

#[test]
fn two_peers_converse() {
    let (mut alice, mut bob) = (Peer::create("alice"), Peer::create("bob"));
    alice.meet(&mut bob, "one-time");
    assert_eq!(alice.status(&bob), ["0", "0", "1"]);
    let answer = bob.send(&alice, "");
    alice.receives(&answer, "-");
    assert_eq!(alice.status(&bob), ["0", "1", "1"]);

    let lost = alice.send(&bob, "lost");
    let next = alice.send(&bob, "next");
    assert_eq!(bob.refuses(&damaged(&next.envelope)), "not-opened");
    bob.receives(&next, "gap:2-2");
    assert_eq!(bob.refuses(&next.envelope), "duplicate");
    let typing = alice.send_as("notice", &bob, "typing");
    assert!(typing.delivered.contains(&format!("message {} 0 ", alice.address)));

    assert_eq!((alice.ask("reload"), bob.ask("reload")), ("ok".to_owned(), "ok".to_owned()));
    bob.receives(&typing, "-");
    bob.receives(&lost, "-");
    assert_eq!(bob.refuses(&lost.envelope), "duplicate");
    assert_eq!(alice.refuses(&lost.envelope), "unknown");

    let [safety] = alice.done(&format!("safety {}", bob.user()));
    let [same] = bob.done(&format!("safety {}", alice.user()));
    assert_eq!(safety, same);
    assert!(safety.len() == 60 && safety.bytes().all(|digit| digit.is_ascii_digit()));

    let two_epochs = |status: [String; 3]| status[0].parse::<u32>().unwrap() >= 2;
    let done = (0..MOST_EXCHANGES).any(|_| {
        let there = alice.send(&bob, "there");
        bob.receives(&there, "-");
        let back = bob.send(&alice, "back");
        alice.receives(&back, "-");
        two_epochs(alice.status(&bob)) && two_epochs(bob.status(&alice))
    });
    assert!(done);
    alice.quit();
    bob.quit();
}

#[test]
fn two_that_begin_at_once_converse() {
    let (mut alice, mut bob) = (Peer::create("alice"), Peer::create("bob"));
    alice.initiate(&mut bob, "one-time");
    bob.initiate(&mut alice, "none");
    for content in ["crossing", "each in the other's session", "in the same session"] {
        let (there, back) = (alice.send(&bob, content), bob.send(&alice, content));
        bob.receives(&there, "-");
        alice.receives(&back, "-");
    }
    assert_eq!(alice.ask("reload"), "ok");
    assert_eq!(alice.status(&bob)[1..], ["1", "2"]);
    assert_eq!(bob.status(&alice)[1..], ["1", "2"]);
}

#[test]
fn a_handshake_is_answered_once() {
    let (mut alice, mut bob) = (Peer::create("alice"), Peer::create("bob"));
    let [bundle] = bob.done("bundle one-time");
    let initiate = format!("initiate {} {bundle}", bob.user());
    alice.done::<1>(&initiate);
    let first = alice.send(&bob, "first");
    alice.done::<1>(&initiate);
    let again = alice.send(&bob, "same prekey");
    bob.receives(&first, "-");
    assert_eq!(bob.refuses(&first.envelope), "duplicate");
    assert_eq!(bob.refuses(&again.envelope), "refused");
    assert_eq!(bob.status(&alice), ["0", "1", "1"]);
}

#[test]
fn another_account_of_a_known_user_is_refused() {
    let (mut alice, mut bob) = (Peer::create("alice"), Peer::create("bob"));
    alice.meet(&mut bob, "one-time");
    let mut mallory = Peer::create("bob");
    let [bundle] = mallory.done("bundle none");
    assert_eq!(alice.fails(&format!("initiate {} {bundle}", bob.user())), "refused");
    assert_eq!(alice.fails(&format!("initiate {} {bundle}", alice.user())), "refused");

    let [bundle] = alice.done("bundle none");
    mallory.done::<1>(&format!("initiate {} {bundle}", alice.user()));
    let forged = mallory.send(&alice, "it is me");
    assert_eq!(alice.refuses(&forged.envelope), "refused");
    assert_eq!(alice.status(&bob), ["0", "0", "1"]);
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let mut peer = Peer::start();
    for request in ["bundle none", "receive 00", "reload", "safety 61", "status 61 1"] {
        assert_eq!(peer.fails(request), "usage", "{request}");
    }
    peer.create_account("alice");
    let too_long = format!("send 62 1 {}", "00".repeat(1 << 20));
    let requests = [
        "",
        " ",
        "create 61",
        "Reload",
        "reload ",
        "bundle",
        "bundle two",
        "receive",
        "receive 0",
        "receive 0A",
        "receive zz",
        "receive \u{e9}\u{e9}",
        "initiate - 00",
        "safety 62",
        "status 62 1",
        "send 62 1 00",
        "send 62 0 00",
        "send 62 +1 00",
        "send 62 4294967296 00",
        "send 62 1 00 00",
        &too_long,
    ];
    for request in requests {
        assert_eq!(peer.fails(request), "usage", "{request:.30}");
    }
    peer.requests.write_all(b"receive \xff\n").unwrap();
    assert_eq!(peer.fails(""), "usage");
    let mut answer = String::new();
    peer.answers.read_line(&mut answer).unwrap();
    assert!(answer.starts_with("error usage "));

    assert_eq!(peer.refuses("-"), "malformed");
    assert_eq!(peer.refuses("0a00"), "malformed");
    assert_eq!(peer.fails("initiate 62 0a00"), "refused");
    assert_eq!(peer.ask("reload"), "ok");
    peer.quit();
}

#[test]
fn one_connection_is_served() {
    let (mut alice, mut bob) = (Peer::connect(), Peer::create("bob"));
    alice.create_account("alice");
    bob.meet(&mut alice, "none");
    let answer = alice.send(&bob, "over TCP");
    bob.receives(&answer, "-");
    assert_eq!(alice.ask("reload"), "ok");
    assert_eq!(alice.status(&bob), ["0", "1", "1"]);
    alice.quit();
    bob.quit();
}
