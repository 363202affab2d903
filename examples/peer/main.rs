//! One device of one account, driven by lines, for testing another implementation
//! against this one. `proto/PEER.md` lists the requests and what they answer.
//!
//! Over standard input and output:
//!
//! ```text
//! cargo run --release --example peer
//! ```
//!
//! Over one TCP connection, at the address that it prints:
//!
//! ```text
//! cargo run --release --example peer -- --listen 127.0.0.1:0
//! ```
//!
//! | file | what it does |
//! | --- | --- |
//! | `request`, `group_request` | reads a line |
//! | `app` | does what it asks, with the account and the lists of others |
//! | `app/groups` | the same, of groups |
//! | `contacts` | keeps the sessions |
//! | `group` | keeps what is known of a group |
//! | `own_chain`, `senders` | keep the chains in which we and others send to it |
//! | `news` | writes and reads what members tell each other of it |
//! | `disk` | keeps the rows that stand for the disk |
//! | `report` | writes down what was received |
//! | `failure` | writes down what went wrong |
//! | `hex` | bytes as text |

mod app;
mod contacts;
mod disk;
mod failure;
mod group;
mod group_request;
mod hex;
mod news;
mod own_chain;
mod report;
mod request;
mod senders;

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::SystemTime;

use subrosa::Timestamp;

use app::App;
use failure::Failure;
use request::{MAX_LINE_LEN, Request};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_str()).collect();
    let served = match words[..] {
        [] => serve(io::stdin().lock(), io::stdout().lock()),
        [Some("--listen"), Some(address)] => listen(address),
        _ => Err(io::Error::other("usage: peer [--listen ADDRESS:PORT]")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves the first connection that comes.
fn listen(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening {}", listener.local_addr()?);
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    serve(BufReader::new(&stream), &stream)
}

/// Answers each line until `quit` or the end of the input.
fn serve(mut input: impl BufRead, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let mut app = None;
    while let Some(line) = read_line(&mut input)? {
        let request = Request::parse(&line);
        let ends = matches!(request, Ok(Request::Quit));
        let now = Timestamp::from(SystemTime::now());
        match request.and_then(|request| answer(&mut app, request, now)) {
            Ok(text) if text.is_empty() => writeln!(output, "ok")?,
            Ok(text) => writeln!(output, "ok {text}")?,
            Err(failure) => writeln!(output, "{failure}")?,
        }
        output.flush()?;
        if ends {
            break;
        }
    }
    Ok(())
}

/// The next line without its end; of a line that is too long, one byte too many.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE_LEN).unwrap_or(u64::MAX).saturating_add(1);
    if input.take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE_LEN {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// Does what is asked; gives what stands after `ok`.
fn answer(app: &mut Option<App>, request: Request, now: Timestamp) -> Result<String, Failure> {
    match (request, app) {
        (Request::Quit, _) => Ok(String::new()),
        (Request::Create(user), app @ None) => Ok(app.insert(App::create(user, now)).introduce()),
        (Request::Create(_), Some(_)) => Err(Failure::usage("there is an account already")),
        (_, None) => Err(Failure::usage("there is no account yet")),
        (Request::Bundle { one_time }, Some(app)) => Ok(app.bundle(one_time, now)),
        (Request::Initiate { user, bundle }, Some(app)) => app.initiate(&user, &bundle, now),
        (Request::Send { to, content, numbers }, Some(app)) => {
            app.send(&to, &content, numbers, now)
        }
        (Request::Answer(address), Some(app)) => app.answer(&address, now),
        (Request::Receive(envelope), Some(app)) => app.receive(&envelope, now),
        (Request::Status(address), Some(app)) => app.status(&address, now),
        (Request::Safety(user), Some(app)) => app.safety(&user),
        (Request::Group(request), Some(app)) => app.group(request, now),
        (Request::Reload, Some(app)) => {
            *app = app.reloaded()?;
            Ok(String::new())
        }
    }
}
