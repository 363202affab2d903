//! A bot that serves customers, over the relay of `examples/chat`.
//!
//! ```text
//! cargo run --example bot -- shop carol [FOLDER]
//! ```
//!
//! Whoever writes to `shop` is greeted, and answered by keyword. Whoever asks for a person is
//! handed over to Carol: the bot tells her, and she writes from her own account, so that it
//! reads no further. Its account is in FOLDER (`bot-shop`).

#[path = "relay/client.rs"]
mod client;
#[expect(dead_code, reason = "the relay runs in another process")]
#[path = "relay/mod.rs"]
mod relay;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use client::{Account, Post, Result, address};
use subrosa::store::SqliteStore;
use subrosa::{Content, EventKind, Message, Messenger, Options, UserId};

const GREETING: &str = "Hello, I am a bot.";
const HELP: &str = "Ask me for our hours, for a price, or for a person.";

/// What is answered to a text with such a word.
const ANSWERS: [(&str, &str); 2] =
    [("hours", "We open at nine and close at six."), ("price", "A rose is 3, a dozen is 30.")];

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let ended = match words.as_slice() {
        [name, person] => run(name, person, format!("bot-{name}").into()).await,
        [name, person, folder] => run(name, person, folder.into()).await,
        _ => Err("usage: bot NAME PERSON [FOLDER]".into()),
    };
    if let Err(error) = ended {
        eprintln!("bot: {error}");
    }
    // It ends only because of an error.
    ExitCode::FAILURE
}

async fn run(name: &str, person: &str, folder: PathBuf) -> Result<()> {
    let (user, person) = (UserId::new(name)?, UserId::new(person)?);
    let relay = address(std::env::var("CHAT_RELAY").ok().as_deref())?;
    fs::create_dir_all(&folder)?;
    let store = SqliteStore::open(folder.join("account"))?;
    let account = Account::new(Messenger::open(store, Options::default())?.or_create(&user)?);
    let (mut post, mut open) = (Post::of(&account, relay).await?, false);
    loop {
        // Without the relay everything waits in the store.
        if let Err(error) = post.pump().await {
            eprintln!("bot: {error}");
        } else if !std::mem::replace(&mut open, true) {
            println!("{user} is open");
        }
        while let Some(event) = account.with(Messenger::next_event).await? {
            let answers = match &event.kind {
                EventKind::Request(message) => answers(message, GREETING, &person),
                EventKind::Message(message) => answers(message, "Sorry?", &person),
                _ => Vec::new(),
            };
            // In one commit: each message is answered once, whatever crashes when.
            let answer = move |bot: &mut Messenger| {
                bot.batch(|batch| {
                    for (to, text) in &answers {
                        batch.send(to, Content::text(text.as_str()))?;
                    }
                    batch.events_done(&[event.id])
                })
            };
            account.with(answer).await?;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What is sent because of a message, and to whom. To answer a stranger is to accept them.
fn answers(message: &Message, otherwise: &str, person: &UserId) -> Vec<(UserId, String)> {
    let (from, Some(text)) = (&message.from, message.content.as_text()) else { return Vec::new() };
    let asked = text.to_lowercase();
    let to_customer = |text: String| (from.clone(), text);
    if from == person {
        Vec::new() // She is no customer.
    } else if asked.contains("person") {
        let promise = to_customer(format!("{person} will write to you: accept the request."));
        vec![promise, (person.clone(), format!("{from} asks for a person: {text}"))]
    } else if let Some((_, answer)) = ANSWERS.iter().find(|(word, _)| asked.contains(word)) {
        vec![to_customer((*answer).to_owned())]
    } else {
        vec![to_customer(format!("{otherwise} {HELP}"))]
    }
}
