//! A stranger with genuine keys: damages its handshake, and says what it likes in the
//! session that the undamaged one makes.

use subrosa::handshake::initiate;
use subrosa::identity::{Device, View};
use subrosa::session::{Body, Content, DecryptError, Delivered, Outgoing, Session};
use subrosa::wire::{Control, Envelope, ListVersions, Mark, MessageId};

use crate::input::Input;
use crate::side::{START, Side, text};

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut stranger = Stranger::new(&mut input);
    let first = stranger.say(&mut input);
    stranger.damage(&first, &mut input);
    if !stranger.is_taken(&first) {
        return;
    }
    while !input.is_empty() {
        if input.byte() & 3 == 0 {
            stranger.is_answered();
        } else {
            let said = stranger.say(&mut input);
            assert!(stranger.is_taken(&said));
        }
    }
    stranger.refused(&first.envelope, Some(DecryptError::Duplicate));
    stranger.victim.reload();
}

struct Stranger {
    itself: Side,
    session: Session,
    view: View,
    victim: Side,
}

struct Said {
    envelope: Vec<u8>,
    seq: u64,
    body: SaidBody,
    /// The victim may refuse the handshake in front.
    far_off: bool,
}

enum SaidBody {
    Content(Vec<u8>),
    Control(Control),
}

impl Stranger {
    /// One byte: whether with a one-time prekey, and how many more devices; then the
    /// generation.
    fn new(input: &mut Input<'_>) -> Self {
        let (mut itself, mut victim) = (Side::new("stranger", START), Side::new("me", START + 1));
        let flags = input.byte();
        for _ in 0..flags >> 1 & 15 {
            let device = Device::generate(itself.address().user.clone(), &mut itself.rng);
            itself.account.add(device.entry(&itself.account.key())).unwrap();
        }
        let bundle = victim.bundle(flags & 1 == 1);
        let bundle = itself.verify(&bundle, &victim.address().user).unwrap();
        let list = itself.account.device_list();
        let prekeys = &bundle.devices()[0];
        let generation = input.number();
        let (now, rng) = (itself.now, &mut itself.rng);
        let initiated = initiate(&itself.device, list, prekeys, generation, now, rng).unwrap();
        let view = View::new(list, bundle.device_list());
        Self { session: Session::initiate(initiated, now), view, itself, victim }
    }

    /// One byte for the kind, what belongs to that kind, then the numbers.
    fn say(&mut self, input: &mut Input<'_>) -> Said {
        let body = match input.byte() % 3 {
            0 => SaidBody::Content(vec![b'x'; input.short()]),
            1 => SaidBody::Control(Control::HighestGeneration(input.number())),
            _ => SaidBody::Control(Control::Lists(Box::new(ListVersions {
                own_version: input.number(),
                own_hash: [input.byte(); 32],
                their_version: input.number(),
                their_hash: [input.byte(); 32],
                own_list: Some(self.itself.account.device_list().signed().clone()),
            }))),
        };
        let id = MessageId::from_bytes([input.byte(); MessageId::LEN]);
        let seq = input.number();
        let outgoing = Outgoing {
            body: match &body {
                SaidBody::Content(content) => Body::Content { id, content },
                SaidBody::Control(control) => Body::Control(control.clone()),
            },
            seq,
            last: Some(mark(input)),
            seen: Some(mark(input)),
            view: self.view,
        };
        let sent = self.session.encrypt(&outgoing, self.itself.now, &mut self.itself.rng);
        let far_off = self.victim.peer.is_none() && self.session.generation() >= 1 << 34;
        Said { envelope: sent.unwrap().saved(), seq, body, far_off }
    }

    /// Up to three places, two bytes each, and what is done to the byte there.
    fn damage(&mut self, first: &Said, input: &mut Input<'_>) {
        let mut envelope = first.envelope.clone();
        for _ in 0..input.byte() % 4 {
            let place = input.short() % envelope.len();
            envelope[place] ^= input.byte();
        }
        if Envelope::decode(&envelope) != Envelope::decode(&first.envelope) {
            self.refused(&envelope, None);
        }
    }

    fn is_taken(&mut self, said: &Said) -> bool {
        if said.far_off {
            self.refused(&said.envelope, None);
            return false;
        }
        let delivered: Delivered = self.victim.receive(&said.envelope).unwrap();
        match (&said.body, &delivered.content) {
            (SaidBody::Content(sent), Content::Message { .. }) => {
                assert_eq!(text(&delivered), sent);
            }
            (SaidBody::Control(sent), Content::Control(came)) => assert_eq!(came, sent),
            (_, came) => panic!("something else came: {came:?}"),
        }
        assert_eq!((delivered.seq, delivered.view), (said.seq, self.view));
        assert!(delivered.lost == 0 && !delivered.peer_rolled_back);
        true
    }

    fn is_answered(&mut self) {
        let answer = Envelope::decode(&self.victim.send(b"answer").unwrap()).unwrap();
        self.session.decrypt(answer.message(), self.itself.now).unwrap().saved();
    }

    fn refused(&mut self, envelope: &[u8], error: Option<DecryptError>) {
        let before = self.victim.state();
        let refusal = self.victim.receive(envelope).unwrap_err();
        assert!(error.is_none_or(|error| error == refusal), "{refusal:?}");
        assert!(self.victim.state() == before, "a refused envelope changed the state");
    }
}

fn mark(input: &mut Input<'_>) -> Mark {
    let id = MessageId::from_bytes([input.byte(); MessageId::LEN]).short();
    Mark { seq: input.number(), id }
}
