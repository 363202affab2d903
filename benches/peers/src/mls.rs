//! mls-rs (RFC 9420), with AWS-LC and the suite of X25519, AES-128-GCM and Ed25519, in a group
//! of a thousand.
//!
//! | work | what is done |
//! | --- | --- |
//! | `group_100` | 100 bytes encrypted and decrypted, in order |
//! | `change_1000` | a commit processed by a member: somebody is added and removed in turns |
//!
//! Messages are made bytes and read from bytes. What a commit costs depends on who has made
//! some before: whoever has to, so that the tree is full where the measured ones need it.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use mls_rs::client_builder::MlsConfig;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider, Group, MlsMessage};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use subrosa_bench_peers::{PLAINTEXT, serve};

const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// Members of the group. Who is added comes to the right of all of them.
const MEMBERS: usize = 1000;

/// Messages and changes before anything is timed.
const WARM_UP: usize = 100;

/// Members, by their leaves, of whom one stands under every node that the first member's
/// commits are encrypted to: beside its path, and beside the path of who is removed.
const COMMITTERS: [usize; 13] = [2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 896, 960, 992];

fn client(number: usize) -> Client<impl MlsConfig> {
    let crypto = AwsLcCryptoProvider::default();
    let suite = crypto.cipher_suite_provider(SUITE).expect("a suite that there is");
    let (secret, public) = suite.signature_key_generate().expect("randomness");
    let name = BasicCredential::new(format!("member-{number:04}").into_bytes());
    Client::builder()
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(crypto)
        .signing_identity(SigningIdentity::new(name.into_credential(), public), secret, SUITE)
        .build()
}

fn key_package(client: &Client<impl MlsConfig>) -> MlsMessage {
    client.generate_key_package_message(Default::default(), Default::default(), None).expect("keys")
}

/// A commit as bytes, which who made it has applied.
fn finish<C: MlsConfig>(group: &mut Group<C>, commit: mls_rs::group::CommitOutput) -> Vec<u8> {
    group.apply_pending_commit().expect("a commit just made");
    commit.commit_message.to_bytes().expect("a message")
}

/// Two members of a group.
struct Mls<C: MlsConfig> {
    sender: Group<C>,
    receiver: Group<C>,
    /// The leaf of whoever was added last, as long as he is there.
    guest: Option<u32>,
}

fn mls() -> Mls<impl MlsConfig> {
    let clients: Vec<_> = (0..MEMBERS).map(client).collect();
    let group = clients[0].create_group(Default::default(), Default::default(), None);
    let mut sender = group.expect("a client");
    let mut commit = sender.commit_builder();
    for client in &clients[1..] {
        commit = commit.add_member(key_package(client)).expect("an honest key package");
    }
    let commit = commit.build().expect("a commit");
    let welcome = &commit.welcome_messages[0];
    let join = |leaf: usize| clients[leaf].join_group(None, welcome, None).expect("a welcome").0;
    let mut groups: Vec<_> = COMMITTERS.into_iter().map(join).collect();
    groups.push(join(1));
    finish(&mut sender, commit);
    groups.push(sender);
    for place in 0..groups.len() {
        let commit = groups[place].commit(Vec::new()).expect("a commit");
        let bytes = finish(&mut groups[place], commit);
        for (_, group) in groups.iter_mut().enumerate().filter(|(other, _)| *other != place) {
            process(group, &bytes);
        }
    }
    let (sender, receiver) = (groups.pop().expect("the first"), groups.pop().expect("the second"));
    let mut mls = Mls { sender, receiver, guest: None };
    mls.pairs(WARM_UP);
    mls.changes(WARM_UP);
    mls
}

fn process<C: MlsConfig>(group: &mut Group<C>, bytes: &[u8]) {
    let message = MlsMessage::from_bytes(bytes).expect("an honest message");
    black_box(group.process_incoming_message(message).expect("an honest message"));
}

impl<C: MlsConfig> Mls<C> {
    /// Encrypts and decrypts that many messages; nanoseconds for one of each.
    fn pairs(&mut self, count: usize) -> f64 {
        let mut envelopes = Vec::with_capacity(count);
        let begun = Instant::now();
        for _ in 0..count {
            let text = black_box(&PLAINTEXT);
            let message = self.sender.encrypt_application_message(text, Vec::new());
            envelopes.push(message.and_then(|m| m.to_bytes()).expect("a group in use"));
        }
        for bytes in &envelopes {
            process(&mut self.receiver, bytes);
        }
        begun.elapsed().as_nanos() as f64 / count.max(1) as f64
    }

    /// Processes that many commits; nanoseconds for one.
    fn changes(&mut self, count: usize) -> f64 {
        let mut took = Duration::ZERO;
        for _ in 0..count {
            let bytes = self.change();
            let begun = Instant::now();
            process(&mut self.receiver, &bytes);
            took += begun.elapsed();
        }
        // What else keeps every epoch in memory.
        for group in [&mut self.sender, &mut self.receiver] {
            group.write_to_storage().expect("memory");
        }
        took.as_nanos() as f64 / count.max(1) as f64
    }

    fn change(&mut self) -> Vec<u8> {
        let commit = self.sender.commit_builder();
        let commit = match self.guest.take() {
            Some(leaf) => commit.remove_member(leaf).expect("a member"),
            None => {
                self.guest = Some(MEMBERS as u32);
                commit.add_member(key_package(&client(MEMBERS))).expect("an honest key package")
            }
        };
        let commit = commit.build().expect("a commit");
        finish(&mut self.sender, commit)
    }
}

fn main() -> io::Result<()> {
    let mut mls = mls();
    serve(|work, count| match work {
        "group_100" => Some(mls.pairs(count)),
        "change_1000" => Some(mls.changes(count)),
        _ => None,
    })
}
