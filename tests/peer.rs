//! `examples/peer` does what `proto/PEER.md` says.

use std::env::{self, consts};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// More exchanges than two epochs take.
const MOST_EXCHANGES: usize = 300;

const MOST_GROUPS: usize = 16;

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

    fn reload(&mut self) {
        assert_eq!(self.ask("reload"), "ok");
    }

    /// Makes a group with these, who take it in.
    fn group_with(&mut self, title: &str, others: &mut [&mut Self]) -> String {
        let users: Vec<_> = others.iter().map(|other| other.user().to_owned()).collect();
        let create = format!("group-create {} {}", hex(title.as_bytes()), users.join(" "));
        let [group, introduction] = self.done(&create);
        for other in others {
            assert_eq!(self.tell(other, &introduction), self.state(&group)[0]);
            assert_eq!(other.state(&group), self.state(&group));
        }
        group
    }

    fn change(&mut self, group: &str, change: &str) -> String {
        let [news] = self.done(&format!("group-change {group} {change}"));
        news
    }

    fn introduce(&mut self, group: &str) -> String {
        let [news] = self.done(&format!("group-introduce {group}"));
        news
    }

    /// Carries news in the session, and gives the head that follows.
    fn tell(&mut self, other: &mut Self, news: &str) -> String {
        let [envelope, ..]: [_; 3] = self.done(&format!("send {} {news}", other.address));
        let [kind, _, _, _, _, came, _] = other.done(&format!("receive {envelope}"));
        assert_eq!((kind.as_str(), came.as_str()), ("message", news));
        let [_group, head] = other.done(&format!("group-news {} {news}", self.address));
        head
    }

    /// Head, title and members.
    fn state(&mut self, group: &str) -> [String; 3] {
        self.done(&format!("group-state {group}"))
    }

    fn key(&mut self, group: &str, other: &Self) -> String {
        let [envelope] = self.done(&format!("group-key {group} {}", other.address));
        envelope
    }

    /// Hands over the chain, which is acknowledged.
    fn hand_over(&mut self, group: &str, other: &mut Self) {
        let key = self.key(group, other);
        let answer = other.ask(&format!("receive {key}"));
        assert_eq!(answer, format!("ok control {} sender-key", self.address));
        let [saved] = other.done(&format!("group-saved {group} {}", self.address));
        let answer = self.ask(&format!("receive {saved}"));
        assert_eq!(answer, format!("ok control {} sender-key-saved", other.address));
    }

    fn say(&mut self, group: &str, content: &str) -> Sent {
        let content = hex(content.as_bytes());
        let [envelope, iteration, id] = self.done(&format!("group-send {group} {content}"));
        let delivered = format!("group {group} {} {iteration} {id} {content}", self.address);
        Sent { envelope, delivered }
    }

    fn hears(&mut self, said: &Sent) {
        let answer = self.ask(&format!("receive {}", said.envelope));
        assert_eq!(answer, format!("ok {}", said.delivered));
    }

    fn cannot_say(&mut self, group: &str) {
        assert_eq!(self.fails(&format!("group-send {group} 00")), "usage");
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

/// Three who have sessions with each other, and a group by the first.
fn three_in_a_group() -> ([Peer; 3], String) {
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(Peer::create);
    alice.meet(&mut bob, "one-time");
    alice.meet(&mut carol, "one-time");
    bob.meet(&mut carol, "none");
    let group = alice.group_with("Roses", &mut [&mut bob, &mut carol]);
    ([alice, bob, carol], group)
}

#[test]
fn three_talk_in_a_group() {
    let ([mut alice, mut bob, mut carol], group) = three_in_a_group();
    let members = format!("{}:owner,{}:member,{}:member", alice.user(), bob.user(), carol.user());
    assert_eq!(alice.state(&group)[1..], [hex(b"Roses"), members]);

    alice.cannot_say(&group);
    alice.hand_over(&group, &mut bob);
    let before = alice.say(&group, "before carol has the chain");
    assert_eq!(carol.refuses(&before.envelope), "unknown");
    alice.hand_over(&group, &mut carol);
    assert_eq!(carol.refuses(&before.envelope), "key-gone");
    bob.hears(&before);
    bob.hand_over(&group, &mut alice);
    bob.hand_over(&group, &mut carol);

    let said: Vec<_> = (0..20).map(|number| alice.say(&group, &format!("{number}"))).collect();
    let back = bob.say(&group, "");
    alice.hears(&back);
    assert_eq!(bob.refuses(&damaged(&said[7].envelope)), "not-opened");
    // Each third, then all that are left, in reverse.
    let (first, second): (Vec<_>, Vec<_>) = said.iter().enumerate().partition(|(n, _)| n % 3 == 0);
    for (number, said) in first.iter().chain(second.iter().rev()) {
        if *number == 10 {
            [&mut alice, &mut bob, &mut carol].into_iter().for_each(Peer::reload);
        }
        bob.hears(said);
        carol.hears(said);
    }
    for said in &said {
        assert_eq!(bob.refuses(&said.envelope), "duplicate");
        assert_eq!(alice.refuses(&said.envelope), "unknown");
    }
    carol.hears(&back);

    let last = alice.say(&group, "the last in this chain");
    assert_eq!(alice.ask(&format!("group-rotate {group}")), "ok");
    let fresh = alice.say(&group, "in a chain that nobody has");
    assert_eq!(bob.refuses(&fresh.envelope), "unknown");
    alice.hand_over(&group, &mut bob);
    assert_eq!(bob.refuses(&fresh.envelope), "key-gone");
    bob.hears(&last);
    carol.hears(&last);
    [alice, bob, carol].into_iter().for_each(Peer::quit);
}

#[test]
fn a_message_waits_for_the_news_that_it_goes_by() {
    let ([mut alice, mut bob, mut carol], group) = three_in_a_group();
    alice.hand_over(&group, &mut bob);
    alice.hand_over(&group, &mut carol);
    bob.hand_over(&group, &mut carol);
    let early = alice.say(&group, "by the old title");
    let title = alice.change(&group, &format!("title {}", hex(b"Thorns")));
    let said = alice.say(&group, "by the new title");
    assert_eq!(bob.refuses(&said.envelope), "unknown-head");
    alice.tell(&mut bob, &title);
    assert_eq!(bob.state(&group)[1], hex(b"Thorns"));
    bob.reload();
    bob.hears(&said);
    bob.hears(&early);

    // Both at once: each has a head that the other never had.
    let admin = alice.change(&group, &format!("admin {}", bob.user()));
    alice.tell(&mut bob, &admin);
    let (roses, violets) = (hex(b"Roses"), hex(b"Violets"));
    let ours = alice.change(&group, &format!("title {roses}"));
    let theirs = bob.change(&group, &format!("title {violets}"));
    let (said, back) = (alice.say(&group, "roses"), bob.say(&group, "violets"));
    let by = alice.introduce(&group);
    assert_eq!(alice.tell(&mut bob, &ours), bob.tell(&mut alice, &theirs));
    assert_eq!(alice.state(&group), bob.state(&group));
    assert_eq!(alice.state(&group)[1], roses);
    assert_eq!(bob.refuses(&said.envelope), "unknown-head");
    alice.tell(&mut bob, &by);
    bob.hears(&said);

    // Carol gets all of it at once, and never was where Bob was.
    let all = bob.introduce(&group);
    assert_eq!(bob.tell(&mut carol, &all), bob.state(&group)[0]);
    carol.hears(&early);
    assert_eq!(carol.refuses(&back.envelope), "unknown-head");
}

#[test]
fn who_was_removed_reads_and_says_nothing_after() {
    let ([mut alice, mut bob, mut carol], group) = three_in_a_group();
    let all = |alice: &mut Peer, bob: &mut Peer, carol: &mut Peer| {
        alice.hand_over(&group, bob);
        alice.hand_over(&group, carol);
        carol.hand_over(&group, alice);
        carol.hand_over(&group, bob);
    };
    all(&mut alice, &mut bob, &mut carol);
    let late = carol.say(&group, "on its way");
    alice.hears(&late);

    let removal = alice.change(&group, &format!("remove {}", carol.user()));
    alice.reload();
    alice.cannot_say(&group);
    assert_eq!(alice.ask(&format!("group-rotate {group}")), "ok");
    assert_eq!(alice.fails(&format!("group-key {group} {}", carol.address)), "usage");
    alice.tell(&mut bob, &removal);
    alice.hand_over(&group, &mut bob);
    let said = alice.say(&group, "without carol");
    bob.hears(&said);
    assert_eq!(bob.refuses(&late.envelope), "refused");
    let unaware = carol.say(&group, "am I still here?");
    assert_eq!(alice.refuses(&unaware.envelope), "refused");
    assert_eq!(carol.refuses(&said.envelope), "unknown");
    alice.tell(&mut carol, &removal);
    assert_eq!(carol.refuses(&said.envelope), "unknown");
    carol.cannot_say(&group);
    let key = carol.fails(&format!("group-key {group} {}", bob.address));
    assert_eq!(key, "usage");

    let admin = alice.change(&group, &format!("admin {}", bob.user()));
    alice.tell(&mut bob, &admin);
    let add = bob.change(&group, &format!("add {}", carol.user()));
    bob.tell(&mut alice, &add);
    let introduction = bob.introduce(&group);
    assert_eq!(bob.tell(&mut carol, &introduction), alice.state(&group)[0]);
    all(&mut alice, &mut bob, &mut carol);
    let again = carol.say(&group, "back");
    alice.hears(&again);
    bob.hears(&again);
    let said = alice.say(&group, "with carol");
    carol.hears(&said);

    let leave = carol.change(&group, "leave");
    carol.cannot_say(&group);
    carol.tell(&mut alice, &leave);
    alice.cannot_say(&group);
}

#[test]
fn what_is_not_for_a_group_is_refused() {
    let ([mut alice, mut bob, carol], group) = three_in_a_group();
    let mut other = Peer::create("another");
    other.meet(&mut alice, "one-time");
    bob.meet(&mut other, "none");
    let usage = [
        format!("group-change {group} add {}", carol.user()),
        format!("group-change {group} remove {}", alice.user()),
        format!("group-change {group} title {}", hex(&[0xff])),
        format!("group-change {group} title {}", hex(&[b'x'; 257])),
        format!("group-change {group} add"),
        format!("group-change {} leave", &group[2..]),
        format!("group-key {group} {}", other.address),
        format!("group-rotate {group}"),
        format!("group-saved {group} {}", alice.address),
        format!("group-send {group} 00"),
        format!("group-state {}", "00".repeat(32)),
        "group-create - ".to_owned() + other.user() + " 65 66",
        "group-create -".to_owned(),
        "group-news 7a 1 00".to_owned(),
        "group-".to_owned(),
    ];
    for request in usage {
        assert_eq!(bob.fails(&request), "usage", "{request}");
    }
    assert_eq!(bob.fails(&format!("group-news {} 00", alice.address)), "malformed");

    // By who is no member, or for who is none.
    let change = alice.change(&group, &format!("title {}", hex(b"Thorns")));
    let of_nobody = format!("group-news {} {change}", other.address);
    assert_eq!(bob.fails(&of_nobody), "refused");
    let unknown = format!("group-news {} {change}", alice.address);
    assert_eq!(other.fails(&unknown), "refused");
    let introduction = alice.introduce(&group);
    let no_member = format!("group-news {} {introduction}", alice.address);
    assert_eq!(other.fails(&no_member), "refused");

    // A chain comes before its group, and then again.
    let theirs = other.group_with("Theirs", &mut [&mut alice]);
    let add = other.change(&theirs, &format!("add {}", bob.user()));
    other.tell(&mut alice, &add);
    let key = alice.key(&theirs, &bob);
    let answer = bob.ask(&format!("receive {key}"));
    assert_eq!(answer, format!("ok control {} sender-key-refused", alice.address));
    let introduction = other.introduce(&theirs);
    other.tell(&mut bob, &introduction);
    alice.hand_over(&theirs, &mut bob);
    let said = alice.say(&theirs, "now");
    bob.hears(&said);

    let create = format!("group-create 52 {}", bob.user());
    for _ in 2..MOST_GROUPS {
        alice.done::<2>(&create);
    }
    assert_eq!(alice.fails(&create), "usage");
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
