//! An account on tokio: one lock around its messenger, and a connection to the relay.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use subrosa::{Action, Error, Messenger, Outgoing, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::relay::protocol::{
    Mail, Mailbox, Operation, Reply, Request, TIMEOUT, frame_length, framed,
};

/// Whatever goes wrong, in words.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The address that this says, or else where relays are.
pub(crate) fn address(text: Option<&str>) -> Result<SocketAddr> {
    match text {
        None => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 4860))),
        Some(text) => text.parse().map_err(|_| format!("{text} is not an address and port").into()),
    }
}

/// The messenger: one lock, held for one call, never over the network.
#[derive(Clone)]
pub(crate) struct Account(Arc<Mutex<Messenger>>);

impl Account {
    pub(crate) fn new(messenger: Messenger) -> Self {
        Self(Arc::new(Mutex::new(messenger)))
    }

    /// Every call may wait for the disk, so none is made on the runtime's threads.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Messenger) -> std::result::Result<R, Error> + Send + 'static,
    ) -> Result<R> {
        let messenger = Arc::clone(&self.0);
        let run = move || f(&mut messenger.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(run).await??)
    }
}

/// An account's way to the relay.
pub(crate) struct Post {
    account: Account,
    relay: SocketAddr,
    mailbox: Mailbox,
    line: Option<Line>,
}

impl Post {
    /// The way of the account on this device.
    pub(crate) async fn of(account: &Account, relay: SocketAddr) -> Result<Self> {
        let mailbox = account.with(|messenger| Ok(Mailbox::of(messenger.address()))).await?;
        Ok(Self { account: account.clone(), relay, mailbox, line: None })
    }

    /// Carries all that is to be carried, and takes in the mailbox. What fails waits in the
    /// store, and is tried again with the next call.
    pub(crate) async fn pump(&mut self) -> Result<()> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => Line::open(self.relay).await?,
        };
        let pumped = self.pump_over(&mut line).await;
        match &pumped {
            Ok(()) => self.line = Some(line),
            Err(_) => {
                let retry = |messenger: &mut Messenger| {
                    messenger.retry_now();
                    Ok(())
                };
                self.account.with(retry).await?;
            }
        }
        pumped
    }

    async fn pump_over(&self, line: &mut Line) -> Result<()> {
        while let Some(out) = self.account.with(Messenger::next_outgoing).await? {
            self.carry(line, out).await?;
        }
        let mailbox = self.mailbox;
        loop {
            let Reply::Found(page) = line.ask(Operation::Page, mailbox.as_bytes(), &[]).await?
            else {
                return Err("the relay has no mailbox for us".into());
            };
            let page = Mail::of_page(&page);
            if page.is_empty() {
                return Ok(());
            }
            let deletion = Mail::deletion(&page);
            let receive = move |messenger: &mut Messenger| {
                let all = |mail: &Mail| messenger.receive(&mail.envelope).map(drop);
                page.iter().try_for_each(all)
            };
            // `Ok` means: delete them there.
            self.account.with(receive).await?;
            line.ask(Operation::Delete, mailbox.as_bytes(), &deletion).await?;
        }
    }

    async fn carry(&self, line: &mut Line, out: Outgoing) -> Result<()> {
        let id = out.id;
        let refused = match out.action {
            Action::Publish { publication } => {
                if let Reply::Refused = line.ask(Operation::Publish, &[], &publication).await? {
                    return Err("the relay refuses this account: is the name taken?".into());
                }
                None
            }
            Action::Fetch { user } => {
                match line.ask(Operation::Fetch, user.as_bytes(), &[]).await? {
                    Reply::Found(bundle) => {
                        let learn =
                            move |messenger: &mut Messenger| messenger.learn(&bundle).map(drop);
                        self.account.with(learn).await?;
                        None
                    }
                    _ => Some(Refusal::NoSuchUser),
                }
            }
            Action::Deliver { to, envelope, .. } => {
                for device in &to {
                    let mailbox = Mailbox::of(device);
                    if let Reply::Refused =
                        line.ask(Operation::Put, mailbox.as_bytes(), &envelope).await?
                    {
                        return Err("the relay has no room".into());
                    }
                }
                None
            }
        };
        let done = move |messenger: &mut Messenger| match refused {
            Some(refusal) => messenger.outgoing_refused(id, refusal),
            None => messenger.outgoing_done(&[id]),
        };
        self.account.with(done).await
    }
}

/// A connection to the relay.
struct Line(TcpStream);

impl Line {
    async fn open(relay: SocketAddr) -> Result<Self> {
        let stream = tokio::time::timeout(TIMEOUT, TcpStream::connect(relay)).await??;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    async fn ask(&mut self, operation: Operation, name: &[u8], bytes: &[u8]) -> Result<Reply> {
        let request = framed(&Request { operation, name, bytes }.encode()?)?;
        let answer = async {
            self.0.write_all(&request).await?;
            let mut length = [0; 4];
            self.0.read_exact(&mut length).await?;
            let mut frame = vec![0; frame_length(length)?];
            self.0.read_exact(&mut frame).await?;
            Reply::decode(&frame)
        };
        Ok(tokio::time::timeout(TIMEOUT, answer).await??)
    }
}
