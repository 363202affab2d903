//! A chat in terminals, over a relay.
//!
//! ```text
//! cargo run --example chat -- relay [ADDRESS]      # in one terminal
//! cargo run --example chat -- alice [FOLDER]       # in another
//! cargo run --example chat -- bob [FOLDER]         # in a third, on any machine
//! ```
//!
//! The relay's address is 127.0.0.1:4860, or what `CHAT_RELAY` says. The account is in
//! FOLDER (`chat-NAME`), with a history that the app keeps: the messenger forgets a
//! message once the app has it. Type `/to bob`, then what you have to say; `/accept`,
//! `/block` and `/number` are about the person you write to; `/quit` ends. A message is
//! shown with a tick when it has left, two when it has arrived, `read` when it was read.
//!
//! The account's file is not encrypted here. An app puts an `EncryptedStore` around it, as
//! `examples/dm` does.

#[path = "relay/client.rs"]
mod client;
#[path = "relay/mod.rs"]
mod relay;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use client::{Account, Post, Result, address};
use relay::protocol::Mailbox;
use relay::{Arrival, Network};
use subrosa::identity::AccountKey;
use subrosa::store::SqliteStore;
use subrosa::{
    Content, Error, ErrorKind, EventKind, Message, MessageId, Messenger, Options, Status, UserId,
};
use tokio::sync::mpsc;

const USAGE: &str = "\
usage: chat relay [ADDRESS]    a relay for others, at 127.0.0.1:4860
       chat NAME [FOLDER]      NAME's account, kept in FOLDER (chat-NAME)

The relay is at 127.0.0.1:4860, or where CHAT_RELAY says.";

const HELP: &str = "\
/to NAME   whom you write to     /accept   talk with them    /block   never again
/number    the number to compare with them                   /quit    end";

/// How often the mailbox is looked into.
const LOOK: Duration = Duration::from_millis(200);

/// How long after a failure the relay is tried again.
const PAUSE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        [] | ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["relay"] => serve(None).await,
        ["relay", address] => serve(Some(address)).await,
        [name, ..] if name.starts_with('-') => Err(format!("unknown option {name}").into()),
        [name] => chat(name, Path::new(&format!("chat-{name}"))).await,
        [name, folder] => chat(name, Path::new(folder)).await,
        _ => Err("too many arguments; try --help".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A network that does no harm.
struct Honest;

impl Network for Honest {
    fn carry(&mut self, _to: Mailbox, envelope: &[u8], waiting: usize) -> Vec<Arrival> {
        vec![Arrival { place: waiting, envelope: envelope.to_vec() }]
    }
}

async fn serve(at: Option<&str>) -> Result<()> {
    let at = address(at)?;
    let at = relay::start(at, Honest).map_err(|error| format!("cannot listen on {at}: {error}"))?;
    say(&format!("relay on {at}"));
    std::future::pending().await
}

async fn chat(name: &str, folder: &Path) -> Result<()> {
    let user = UserId::new(name)?;
    let relay = address(std::env::var("CHAT_RELAY").ok().as_deref())?;
    fs::create_dir_all(folder)?;
    let (mut history, lines) = History::open(folder.join("history"))?;
    let store = SqliteStore::open(folder.join("account"))?;
    let messenger = Messenger::open(store, Options::default())?.or_create(&user)?;
    for line in &lines {
        say(line);
    }
    say(&format!("You are {user}. {HELP}"));
    let account = Account::new(messenger);
    let mut post = Post::of(&account, relay).await?;
    let mut typed = read_lines();
    let mut screen = Screen::default();
    loop {
        tokio::select! {
            text = typed.recv() => match text.as_deref().map(str::trim) {
                None | Some("/quit") => break,
                Some(text) => screen.typed(text, &account, &mut history).await?,
            },
            () = tokio::time::sleep(LOOK) => {}
        }
        // Without the relay everything waits in the store.
        if let Err(error) = post.pump().await {
            screen.offline(&error.to_string());
            tokio::time::sleep(PAUSE).await;
        } else {
            screen.online();
        }
        screen.show(&account, &mut history).await?;
    }
    Ok(())
}

/// What the user may not do is told in a line, and gives `None`.
async fn try_with<R: Send + 'static>(
    account: &Account,
    f: impl FnOnce(&mut Messenger) -> std::result::Result<R, Error> + Send + 'static,
) -> Result<Option<R>> {
    let tried = account
        .with(|messenger| match f(messenger) {
            Err(error) if error.kind() == ErrorKind::Misuse => Ok(Err(error)),
            done => done.map(Ok),
        })
        .await?;
    Ok(tried.map_err(|error| say(&format!("-- {error}"))).ok())
}

/// What is typed, line by line; it ends with the input.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(io::Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What the user sees, and has to be remembered for it.
#[derive(Default)]
struct Screen {
    /// To whom goes what is typed.
    to: Option<UserId>,
    /// Changed keys that the user was shown.
    moved: HashMap<UserId, AccountKey>,
    /// Messages of this run, by the number that stands before them.
    sent: HashMap<MessageId, usize>,
    connected: Option<bool>,
}

impl Screen {
    fn offline(&mut self, error: &str) {
        if self.connected.replace(false) != Some(false) {
            say(&format!("-- not connected ({error}); what you write is sent later"));
        }
    }

    fn online(&mut self) {
        if self.connected.replace(true) != Some(true) {
            say("-- connected");
        }
    }

    async fn typed(&mut self, text: &str, account: &Account, history: &mut History) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if let Some(name) = text.strip_prefix("/to ") {
            match UserId::new(name.trim()) {
                Ok(user) => {
                    say(&format!("-- to {user}"));
                    self.to = Some(user);
                }
                Err(error) => say(&format!("-- {error}")),
            }
            return Ok(());
        }
        let Some(to) = self.to.clone() else {
            say("-- to whom? /to NAME");
            return Ok(());
        };
        let user = to.clone();
        match text {
            "/accept" => match self.moved.remove(&to) {
                Some(key) => {
                    let accept =
                        move |messenger: &mut Messenger| messenger.accept_identity(&user, &key);
                    if try_with(account, accept).await?.is_some() {
                        say(&format!("-- {to} goes on under the new key"));
                    }
                }
                None => {
                    account.with(move |messenger| messenger.accept(&user)).await?;
                    say(&format!("-- you talk with {to}"));
                }
            },
            "/block" => {
                account.with(move |messenger| messenger.block(&user)).await?;
                say(&format!("-- {to} is blocked; /accept takes it back"));
            }
            "/number" => {
                match account.with(move |messenger| messenger.safety_number(&user)).await? {
                    Some(number) => say(&format!("-- compare with {to}: {number}")),
                    None => say(&format!("-- the key of {to} is not known yet")),
                }
            }
            _ if text.starts_with('/') => say(HELP),
            _ => self.send(to, text, account, history).await?,
        }
        Ok(())
    }

    async fn send(
        &mut self,
        to: UserId,
        text: &str,
        account: &Account,
        history: &mut History,
    ) -> Result<()> {
        let (content, user) = (Content::text(text), to.clone());
        let sent = try_with(account, move |messenger| messenger.send(&user, content)).await?;
        if let Some(id) = sent {
            let number = self.sent.len() + 1;
            self.sent.insert(id, number);
            history.add(id, &format!("you to {to}: {text}"))?;
            say(&format!("#{number} to {to}: {text}"));
        }
        Ok(())
    }

    /// Shows what has happened.
    async fn show(&mut self, account: &Account, history: &mut History) -> Result<()> {
        while let Some(event) = account.with(Messenger::next_event).await? {
            let read = self.show_one(event.kind, history)?;
            let id = event.id;
            // It is in the history: forgotten and answered with a receipt in one commit.
            account
                .with(move |messenger| {
                    messenger.batch(|batch| {
                        if let Some((from, message)) = &read {
                            batch.send(from, Content::read(&[*message]))?;
                        }
                        batch.events_done(&[id])
                    })
                })
                .await?;
        }
        Ok(())
    }

    /// Shows one event; gives what has been read, if its author may know.
    fn show_one(
        &mut self,
        kind: EventKind,
        history: &mut History,
    ) -> Result<Option<(UserId, MessageId)>> {
        match kind {
            EventKind::Message(message) => {
                show_message(&message, "", history)?;
                return Ok(Some((message.from, message.id)));
            }
            EventKind::Request(message) => {
                show_message(&message, "request from ", history)?;
                let from = &message.from;
                say(&format!("-- {from} is a stranger: /to {from}, then /accept or /block"));
            }
            EventKind::Status { message, conversation: _, status } => {
                let number = match self.sent.get(&message) {
                    Some(number) => format!("#{number}"),
                    None => "an earlier message".to_owned(),
                };
                match status {
                    Status::Sent => say(&format!("{number} ✓")),
                    Status::Delivered(_) => say(&format!("{number} ✓✓")),
                    Status::Read(_) => say(&format!("{number} ✓✓ read")),
                    Status::Held(user) => {
                        say(&format!("{number} waits: the key of {user} has changed"));
                    }
                    Status::Failed(user, reason) => {
                        say(&format!("{number} to {user} failed: {reason:?}"));
                    }
                    _ => {}
                }
            }
            EventKind::IdentityChanged { user, key, was_verified } => {
                let compared = if was_verified { ", which you had compared" } else { "" };
                say(&format!("-- {user} comes with another key than before{compared}:"));
                say("-- a new phone, or somebody in between. /number, compare, then /accept");
                self.moved.insert(user, key);
            }
            EventKind::Lost { from, count } => {
                say(&format!("-- {count} messages of {} are lost", from.user));
            }
            EventKind::Equivocation { user } => {
                say(&format!("-- the account of {user} is in two hands; nothing is sent there"));
            }
            _ => {}
        }
        Ok(None)
    }
}

fn show_message(message: &Message, what: &str, history: &mut History) -> Result<()> {
    let line = format!("{what}{}: {}", message.from, message.content).replace(['\n', '\r'], " ");
    if history.add(message.id, &line)? {
        say(&line);
    }
    Ok(())
}

/// Writes a line, without the control characters that strangers may send to a terminal.
fn say(text: &str) {
    let clean: String =
        text.chars().map(|c| if c.is_control() && c != '\n' { '·' } else { c }).collect();
    let mut out = io::stdout().lock();
    // A terminal that is gone is no reason to stop carrying.
    let _ = writeln!(out, "{clean}").and_then(|()| out.flush());
}

/// The app's own database: a file that only grows, a line for each message.
struct History {
    file: File,
    known: HashSet<MessageId>,
}

impl History {
    /// The history, and what is in it.
    fn open(path: PathBuf) -> Result<(Self, Vec<String>)> {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let old = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        if !old.is_empty() && !old.ends_with('\n') {
            // The last line was not written to its end; its event comes again.
            writeln!(file)?;
        }
        let (mut known, mut lines) = (HashSet::new(), Vec::new());
        for line in old.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let Some((id, text)) = line.split_once(' ') else { continue };
            let Ok(id) = u128::from_str_radix(id, 16) else { continue };
            if known.insert(MessageId::from_bytes(id.to_be_bytes())) {
                lines.push(text.to_owned());
            }
        }
        Ok((Self { file, known }, lines))
    }

    /// Adds a message in one line, on the disk; says whether it is new. A message that comes again
    /// after a crash is not.
    fn add(&mut self, id: MessageId, text: &str) -> Result<bool> {
        if !self.known.insert(id) {
            return Ok(false);
        }
        let number = u128::from_be_bytes(*id.as_bytes());
        let line = format!("{number:032x} {text}\n");
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        Ok(true)
    }
}
