//! A server that keeps two hundred accounts in one process, opens each when it is needed,
//! and works on them in several threads: one lock an account.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use subrosa::store::MemoryStore;
use subrosa::{Content, Messenger, UserId};

use crate::net::{Net, Shown, open, user};

const ACCOUNTS: usize = 200;
const THREADS: usize = 4;
const ROUNDS: usize = 3;

/// All accounts: their disks, and those that are open.
struct Server {
    net: Net,
    accounts: Vec<Account>,
    open: Mutex<HashMap<UserId, Arc<Mutex<Messenger>>>>,
}

struct Account {
    name: String,
    disk: MemoryStore,
    shown: Mutex<Shown>,
}

impl Server {
    fn new() -> Self {
        let account = |number| Account {
            name: format!("user {number}"),
            disk: MemoryStore::new(),
            shown: Mutex::default(),
        };
        let accounts = (0..ACCOUNTS).map(account).collect();
        Self { net: Net::default(), accounts, open: Mutex::default() }
    }

    /// An account, opened if it is not.
    fn account(&self, number: usize) -> Arc<Mutex<Messenger>> {
        let Account { name, disk, .. } = &self.accounts[number];
        let known = self.open.lock().unwrap().get(&user(name)).map(Arc::clone);
        known.unwrap_or_else(|| {
            // Not under the lock of all: each number is the job of one thread at a time.
            let messenger = Arc::new(Mutex::new(open(disk.clone(), name).unwrap()));
            self.open.lock().unwrap().insert(user(name), Arc::clone(&messenger));
            messenger
        })
    }

    /// Does a job on every account, in several threads; adds up what it gives.
    fn each(&self, job: impl Fn(usize, &mut Messenger) -> usize + Sync) -> usize {
        let (next, total) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= ACCOUNTS {
                            return;
                        }
                        let account = self.account(number);
                        let done = job(number, &mut account.lock().unwrap());
                        total.fetch_add(done, Ordering::SeqCst);
                    }
                });
            }
        });
        total.into_inner()
    }

    fn settle(&self) {
        for _ in 0..20 {
            let moved = self.each(|number, device| {
                let came = self.net.take_in(device).unwrap();
                self.accounts[number].shown.lock().unwrap().read(device).unwrap();
                came + self.net.carry(device).unwrap()
            });
            if moved == 0 {
                return;
            }
        }
        panic!("they never settle");
    }

    fn neighbour(&self, number: usize) -> UserId {
        user(&self.accounts[(number + 1) % ACCOUNTS].name)
    }
}

#[test]
fn two_hundred_accounts_talk_in_one_process() {
    let server = Server::new();
    server.settle();
    for round in 0..ROUNDS {
        server.each(|number, device| {
            let text = Content::text(format!("round {round}"));
            device.send(server.neighbour(number), text).unwrap();
            0
        });
        server.settle();
        // What is not in use is closed; all of it is on the disks.
        server.open.lock().unwrap().clear();
    }
    for account in &server.accounts {
        let texts = account.shown.lock().unwrap().texts();
        assert_eq!(texts, ["round 0", "round 1", "round 2"], "{}", account.name);
    }
}
