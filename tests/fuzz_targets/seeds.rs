//! What the fuzzers begin with: genuine values, so that they get behind every signature
//! and seal.

use rand::SeedableRng;
use subrosa::content::{
    Card, Content, Location, Preview, Quote, Reference, Style, Text, Typing, call, poll,
};
use subrosa::group::sender_key::{Handover, ReceivingChain};
use subrosa::handshake::{DevicePrekeys, PrekeyBundle, PrekeySecret};
use subrosa::identity::{Account, Device};
use subrosa::session::PeerRow;
use subrosa::wire::MessageId;
use subrosa::{Timestamp, UserId};

use crate::backup::{self, LATER, NEWER, NOT_PADDED, RAW, SAME, SEALED, UNKNOWN, WORDS};
use crate::conversation::{
    DAMAGE, DELIVER, EXPIRE, GIVE_UP, INITIATE, LOSE, RELOAD, REPEAT, SEND, WAIT,
};
use crate::records::{ACCOUNT, DEVICE, PEER, PREKEY, REPLAYS, SESSION, row_key};
use crate::side::{START, Side, pair};
use crate::{bundle, envelope, group, records as target, roster};

/// Names and inputs.
pub(crate) type Seeds = Vec<(&'static str, Vec<u8>)>;

pub(crate) fn attachments() -> Seeds {
    use crate::attachment::{CHECK, CUT, FLIP, JUMP, MIX, MORE, READ, RESUME};
    let number = |number: u16| number.to_le_bytes();
    let steps = |length: u16, steps: &[&[u8]]| [&number(length)[..], &steps.concat()].concat();
    // In steps of four bytes and of five.
    let [small, large] = [25, 50_000];
    let read = &[READ, 0xff, 0xff][..];
    let jump = |place: u16| [&[JUMP][..], &number(place)].concat();
    vec![
        ("small", steps(small, &[read, read])),
        ("large", steps(large, &[read, read, read, read, read])),
        ("check", steps(large, &[&jump(30_000), read, &[CHECK, 0, 0], read])),
        ("jumps", steps(large, &[&jump(39_000), read, &jump(0), read, read, read, read])),
        ("resumed", steps(large, &[read, &[RESUME, 0, 0], read, &[RESUME, 0, 0], read])),
        ("flip-head", steps(small, &[&[FLIP, 0, 0, 3], read])),
        ("flip-chunk", steps(small, &[&[FLIP, 9, 0, 3], read])),
        ("flip-last", steps(large, &[&[FLIP, 0, 0x9c, 3], read, read, read, read])),
        ("cut", steps(small, &[&[CUT, 1, 0], read])),
        ("more", steps(small, &[&[MORE, 1, 0, 0], read])),
        ("of-another", steps(large, &[&[MIX, 1, 1], read, read])),
        ("in-another-order", steps(large, &[&[MIX, 0, 0x81], &[MIX, 1, 0x80], read])),
        ("nothing", steps(0, &[read, &[CHECK, 0, 0]])),
    ]
}

pub(crate) fn bundles() -> Seeds {
    let mut owner = Side::new(bundle::OWNER, START + 1);
    let (full, without_one_time) = (owner.bundle(true), owner.bundle(false));
    let second = Device::generate(owner.address().user.clone(), &mut owner.rng);
    owner.account.add(second.entry(&owner.account.key())).unwrap();
    let signed = PrekeySecret::signed(&second, owner.now, &mut owner.rng);
    let devices = [(&owner.device, &owner.signed), (&second, &signed)].map(|(device, prekey)| {
        DevicePrekeys { device: device.address().device, signed: prekey.public(), one_time: None }
    });
    let list = owner.account.device_list().signed();
    vec![
        ("full", full),
        ("without-one-time", without_one_time),
        ("two-devices", PrekeyBundle::assemble(list, &devices).encode()),
        ("no-devices", PrekeyBundle::assemble(list, &[]).encode()),
        ("of-another", Side::new("another", START + 2).bundle(true)),
    ]
}

pub(crate) fn contents() -> Seeds {
    let ids = [1, 2, 3].map(|byte| MessageId::from_bytes([byte; 16]));
    let text = Content::text("Grüße");
    let answer = text.clone().reply_to(ids[0]).disappearing(std::time::Duration::from_secs(60));
    let later = [&field(3, b"A poll"), &[0xa2, 0x38][..], &[4], b"when"].concat();
    let marks = [field(1, b"owner"), field(2, ids[1].as_bytes())].concat();
    let sync = [&[0xa2, 0x01, 27], field(3, &marks).as_slice()].concat();
    let bob = UserId::new("bob").unwrap();
    let name = Reference::new(bob.clone(), ids[0]);
    let rich = Text::from("Grüße an Bob: https://rose.example")
        .mentioning(11..14, bob.clone())
        .styled(0..7, Style::Bold)
        .with_preview(Preview::new("https://rose.example", "Roses"));
    let rng = &mut rand::rngs::ChaCha8Rng::seed_from_u64(START);
    let right = poll::Answer::new(poll::Choices::one(1), rng);
    let quiz = poll::Poll::new("Which?", ["this", "that"]).with_answer(&right);
    let call = call::Call::begin(call::Offer::new(call::Media::Video, "v=0", rng), rng);
    let step = |step| Content::call(call::Call::next(call.id(), step)).to_bytes();
    // Attachments and stickers begin where a pointer is made: these have one that is.
    let pointer = [
        field(1, b"https://files.example/7"),
        field(2, &[1; 32]),
        field(3, &[2; 32]),
        vec![0x20, 99],
        field(5, b"image/webp"),
    ]
    .concat();
    let image = [field(1, &pointer), vec![0x10, 2, 0x28, 7, 0x30, 8], field(10, b"LEHV6")].concat();
    let file = [field(1, &pointer), vec![0x10, 1]].concat();
    let album = [field(1, &image), field(1, &file), field(2, &field(1, b"Look"))];
    let long = |head: [u8; 2], body: Vec<u8>| {
        let field = field(1, &body);
        [&head, &field[1..]].concat()
    };
    vec![
        ("rich-text", Content::text(rich.clone()).to_bytes()),
        ("quote", text.clone().quoting(Quote::new(name.clone(), &text)).to_bytes()),
        ("forwarded", text.clone().forward().to_bytes()),
        ("attachments", long([0xb2, 0x01], album.concat())),
        ("location", Content::location(Location::at(-1, 2).named("here")).to_bytes()),
        ("card", Content::card(Card::of("Bob").with_user(bob).with_entry("a", "b")).to_bytes()),
        ("sticker", long([0xca, 0x01], [field(1, &pointer), field(2, b"!")].concat())),
        ("reaction", Content::reaction(name.clone(), "👍").to_bytes()),
        ("edit", Content::edit(ids[1], rich).to_bytes()),
        ("delete", Content::delete(ids[1]).to_bytes()),
        ("quiz", Content::poll(quiz).to_bytes()),
        ("vote", Content::vote(name, poll::Choices::one(1).and(0)).to_bytes()),
        ("closing", Content::close(ids[1], &[1, 200], Some(&right)).to_bytes()),
        ("timer", Content::timer(Some(std::time::Duration::from_secs(60))).to_bytes()),
        ("offer", Content::call(call.clone()).to_bytes()),
        ("taken", step(call::Step::Answer(call::Answer::new("v=0", rng)))),
        ("candidates", step(call::Step::Candidates(vec![vec![1], vec![2]]))),
        ("hung-up", step(call::Step::End(call::EndReason::HungUp))),
        ("text", text.to_bytes()),
        ("answer", answer.to_bytes()),
        ("read", Content::read(&ids).to_bytes()),
        ("typing", Content::typing(Typing::Stopped).to_bytes()),
        ("request", vec![8, 7, 0x9a, 0x01, 2, 8, 1]),
        ("text-of-later", [text.to_bytes(), field(15, b"more")].concat()),
        ("later", later),
        ("sync", sync),
    ]
}

pub(crate) fn publications() -> Seeds {
    let mut owner = Side::new(bundle::OWNER, START + 1);
    let one_time = [(); 2].map(|()| {
        PrekeySecret::one_time(&owner.device, owner.now, &mut owner.rng).public().encode()
    });
    let publication = |list: &[u8], one_time: &[Vec<u8>], stock: u8| {
        let one_time: Vec<_> = one_time.iter().flat_map(|prekey| field(5, prekey)).collect();
        let device = owner.address().device.get().to_le_bytes();
        let parts = [
            field(1, &[7; 16]),
            field(2, list),
            [&[3 << 3 | 5], device.as_slice()].concat(),
            field(4, &owner.signed.public().encode()),
            one_time,
            vec![6 << 3, stock],
        ];
        parts.concat()
    };
    let list_of_owner = list(&owner.account);
    vec![
        ("full", publication(&list_of_owner, &one_time, 2)),
        ("without-one-time", publication(&list_of_owner, &[], 1)),
        ("of-another", publication(&list(&Side::new("another", START).account), &one_time, 1)),
    ]
}

/// A protobuf field of bytes, fewer than 2¹⁴.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let (low, high) = ((len & 0x7f) as u8, (len >> 7) as u8);
    let len: &[u8] = if high == 0 { &[low] } else { &[low | 0x80, high] };
    [&[number << 3 | 2], len, bytes].concat()
}

pub(crate) fn links() -> Seeds {
    use crate::link::{CARRY, CODE, DEVICE, PRIMARY, RAW, RESTART, SEAL, TO_THE_END, WAIT, World};
    let seal = |who: u8, plaintext: &[u8]| step(SEAL, who, &[&[0][..], &part(plaintext)].concat());
    let carry = |who: u8| step(CARRY, who, &[9, 1, 3]);
    let mut world = World::new();
    let code = world.code().to_vec();
    let (envelope, offer) = world.waiting(0);
    let (_, reply) = world.answer(&envelope);
    let mut another_code = code.clone();
    another_code[4] ^= 1;
    let stranger = Side::new("alice", START + 1);
    let id = stranger.address().device.get().to_le_bytes();
    let invented = [field(1, &list(&stranger.account)), vec![2 << 3 | 5], id.to_vec()].concat();
    let genuine = [carry(PRIMARY), carry(DEVICE), carry(PRIMARY), carry(DEVICE)].concat();
    let seeds = vec![
        ("genuine", genuine.clone()),
        ("codes", [step(CODE, 0, &part(&code)), step(CODE, 0, &part(&another_code))].concat()),
        ("offer", [seal(DEVICE, &offer), step(RESTART, DEVICE, &[]), carry(DEVICE)].concat()),
        ("offer-as-it-is", [step(RAW, DEVICE, &part(&envelope)), genuine.clone()].concat()),
        ("offer-of-another-account", [seal(DEVICE, &invented), genuine.clone()].concat()),
        ("offer-twice", [seal(DEVICE, &offer), seal(DEVICE, &offer), genuine.clone()].concat()),
        ("offer-to-the-primary", [seal(PRIMARY, &offer), genuine.clone()].concat()),
        ("reply", [carry(PRIMARY), seal(PRIMARY, &reply), carry(PRIMARY)].concat()),
        ("reply-twice", [seal(PRIMARY, &reply), seal(PRIMARY, &reply), genuine.clone()].concat()),
        ("late", [carry(PRIMARY), step(WAIT, 0, &[25]), carry(DEVICE), genuine].concat()),
    ];
    seeds.into_iter().map(|(name, steps)| (name, [vec![TO_THE_END], steps].concat())).collect()
}

pub(crate) fn backups() -> Seeds {
    let mut owner = Side::new("owner", START);
    let other = Side::new("other", START + 1);
    let content = |owner: &Side, device_id: u32| {
        let account = owner.account.record().to_vec();
        let contact = [&[8, 2][..], &field(3, &list(&other.account)), &[0x28, 1]].concat();
        let known = [field(1, b"other"), field(2, &contact)].concat();
        let asked = [field(1, b"asked"), field(2, &[8, 1])].concat();
        let content = backup::Content { account, device_id, contacts: vec![known, asked] };
        prost::Message::encode_to_vec(&content)
    };
    let seed = |kind, known, content: &[u8]| [&[kind, known, 77, 1], content].concat();
    let id = owner.address().device.get();
    let people = content(&owner, id);
    let gone = content(&owner, id ^ 1);
    let sealed = backup::sealed(&crate::sealing::pad(&people, 4096));
    while let device = Device::generate(owner.address().user.clone(), &mut owner.rng)
        && owner.account.add(device.entry(&owner.account.key())).is_ok()
    {}
    let (full, full_and_gone) = (content(&owner, id), content(&owner, id ^ 1));
    vec![
        ("words", [&[WORDS], backup::KEY_WORDS.as_bytes()].concat()),
        ("typed", [&[WORDS], backup::OTHER_WORDS.replace('-', " ").as_bytes()].concat()),
        ("as-it-is", seed(RAW, SAME, &sealed)),
        ("people", seed(SEALED, UNKNOWN, &people)),
        ("newer", seed(SEALED, NEWER, &people)),
        ("gone", seed(SEALED, SAME, &gone)),
        ("gone-later", seed(SEALED, LATER, &people)),
        ("full", seed(SEALED, UNKNOWN, &full)),
        ("full-and-gone", seed(SEALED, SAME, &full_and_gone)),
        ("not-padded", seed(NOT_PADDED, UNKNOWN, &people)),
    ]
}

pub(crate) fn device_lists() -> Seeds {
    let mut side = Side::new("owner", START);
    let before = Account::from_record(&side.account.record()).unwrap();
    let mut versions = vec![list(&side.account)];
    while let device = Device::generate(side.address().user.clone(), &mut side.rng)
        && side.account.add(device.entry(&side.account.key())).is_ok()
    {
        versions.push(list(&side.account));
    }
    let mut fork = before;
    let device = Device::generate(side.address().user.clone(), &mut side.rng);
    fork.add(device.entry(&fork.key())).unwrap();
    let other = list(&Side::new("owner", START + 1).account);
    vec![
        ("newer", two_lists(&versions[0], &versions[1])),
        ("older", two_lists(&versions[2], &versions[0])),
        ("same", two_lists(&versions[1], &versions[1])),
        ("fork", two_lists(&versions[1], &list(&fork))),
        ("another-account", two_lists(&versions[0], &other)),
        ("most-devices", two_lists(&versions[0], versions.last().unwrap())),
    ]
}

fn list(account: &Account) -> Vec<u8> {
    account.device_list().signed().encode()
}

fn two_lists(one: &[u8], other: &[u8]) -> Vec<u8> {
    [&part(one), other].concat()
}

pub(crate) fn envelopes() -> Seeds {
    let (mut sender, _, answer) = envelope::sender_and_receiver();
    let next = sender.send(b"next").unwrap();
    let passing_over = sender.send(b"passing over").unwrap();
    sender.receive(&answer).unwrap();
    let next_chain = sender.send(&[b'x'; 500]).unwrap();
    let (mut stranger, mut other) = pair(START + 7);
    let bundle = other.bundle(true);
    stranger.peer = None;
    stranger.initiate(&other.address().user.clone(), &bundle);
    vec![
        ("next", next),
        ("passing-over", passing_over),
        ("next-chain", next_chain),
        ("unknown", other.send(b"unknown").unwrap()),
        ("handshake", stranger.send(b"handshake").unwrap()),
    ]
}

pub(crate) fn groups() -> Seeds {
    let (mut sending, mut receiving) = group::sender_and_receiver();
    let sent = sending.record().to_vec();
    let next = group::say(&mut sending, b"next");
    let late: Vec<_> = (0..10).map(|_| group::say(&mut sending, &[b'x'; 500])).collect();
    let with = |receiving: &ReceivingChain| {
        let rows = group::rows_of(receiving);
        let rows = rows.iter().flat_map(|(key, row)| [part(&key.to_le_bytes()), part(row)]);
        let rows: Vec<u8> = rows.flatten().collect();
        [vec![group::RECEIVING], part(&receiving.record()), part(&next), rows].concat()
    };
    let open = with(&receiving);
    let handover = Handover::needed().with_message().record().to_vec();
    receiving.close(9, Timestamp::from_secs(START)).saved();
    vec![
        ("next", [&[group::ENVELOPE], next.as_slice()].concat()),
        ("passing-over", [&[group::ENVELOPE], late[9].as_slice()].concat()),
        ("open", open),
        ("closed", with(&receiving)),
        ("sending", [&[group::SENDING], sent.as_slice()].concat()),
        ("handover", [&[group::HANDOVER], handover.as_slice()].concat()),
    ]
}

pub(crate) fn handshakes() -> Seeds {
    // Flags, generation; content of two bytes, id, seq, last, seen; no damage.
    let said = [0, 2, 0, 7, 1, 7, 0, 0, 0];
    let first = [&[1, 9][..], &said, &[0]].concat();
    // An answer, then a control message, then content that repeats a number.
    let more = [0, 1, 1, 99, 7, 0, 0, 0, 8, 1, 1, 0, 2, 0, 9, 1, 7, 1, 0, 0];
    let lists = [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 0];
    let far = [255, 255, 255, 255, 255, 255, 255, 255, 255];
    vec![
        ("plain", first.clone()),
        ("without-one-time", [&[0, 9][..], &said, &[0]].concat()),
        ("most-devices", [&[31, 9][..], &said, &[0]].concat()),
        ("far-generation", [&[1][..], &far, &said, &[0]].concat()),
        ("damaged", [&[1, 9][..], &said, &[2, 60, 0, 1, 255, 4, 128]].concat()),
        ("conversation", [&first[..], &more, &lists].concat()),
    ]
}

pub(crate) fn records() -> Seeds {
    let (owner, _) = target::owner_and_first_message();
    let mut prekeys = Side::new("side", START + 1);
    let one_time = PrekeySecret::one_time(&owner.device, owner.now, &mut prekeys.rng);
    let mut seeds = vec![
        ("device", typed(DEVICE, &[&owner.device.record()])),
        ("account", typed(ACCOUNT, &[&owner.account.record()])),
        ("signed-prekey", typed(PREKEY, &[&owner.signed.record()])),
        ("one-time-prekey", typed(PREKEY, &[&one_time.record()])),
        ("replays", typed(REPLAYS, &[&replays()])),
    ];
    let (mut one, mut other) = pair(START);
    seeds.extend([
        ("session", session(&other, &one.send(b"to come").unwrap())),
        ("peer", peer(&other, &one.send(b"to come").unwrap())),
    ]);
    // Some that were passed over, shards of a key; then shards of the ciphertext.
    for name in [["session-skipped", "peer-skipped"], ["session-epoch", "peer-epoch"]] {
        for _ in 0..16 {
            one.send(b"passed over").unwrap();
            let envelope = one.send(&[b'x'; 300]).unwrap();
            other.receive(&envelope).unwrap();
            let envelope = other.send(b"answer").unwrap();
            one.receive(&envelope).unwrap();
        }
        one.send(b"passed over").unwrap();
        let next = one.send(b"to come").unwrap();
        seeds.extend([(name[0], session(&other, &next)), (name[1], peer(&other, &next))]);
        (one, other) = (other, one);
    }
    let mut waiting = Side::new("waiting", START);
    let bundle = other.bundle(true);
    waiting.initiate(&other.address().user.clone(), &bundle);
    seeds.push(("session-waiting", session(&waiting, b"")));
    seeds
}

/// The record of someone who was written to without a one-time prekey.
fn replays() -> Vec<u8> {
    let (mut one, mut other) = (Side::new("one", START), Side::new("other", START + 1));
    let bundle = other.bundle(false);
    one.initiate(&other.address().user.clone(), &bundle);
    let first = one.send(b"first").unwrap();
    other.receive(&first).unwrap();
    other.replays.record().unwrap().to_vec()
}

fn session(side: &Side, to_come: &[u8]) -> Vec<u8> {
    let session = &side.peer().sessions()[0];
    let mut parts = vec![part(&session.record()), part(to_come)];
    for key in session.row_keys() {
        if let (Some(key), Some(row)) = (row_key(key), session.row(key)) {
            parts.extend([part(&key), part(&row)]);
        }
    }
    typed(SESSION, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn peer(side: &Side, to_come: &[u8]) -> Vec<u8> {
    let mut parts = vec![part(&side.rows[&PeerRow::Peer]), part(to_come)];
    for (row, bytes) in &side.rows {
        parts.extend([part(&row.to_key()), part(bytes)]);
    }
    typed(PEER, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn typed(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[kind][..], &parts.concat()].concat()
}

fn part(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    [&len.to_le_bytes()[..], bytes].concat()
}

pub(crate) fn conversations() -> Seeds {
    let turns = [
        step(SEND, 0, &[0, 0]),
        step(DELIVER, 1, &[0]),
        step(SEND, 1, &[44, 1]),
        step(DELIVER, 0, &[0]),
    ]
    .concat();
    let burst = [
        step(SEND, 0, &[0, 0]).repeat(20),
        step(DELIVER, 1, &[19]),
        step(DAMAGE, 1, &[3, 70, 0, 1]),
        step(LOSE, 1, &[4]),
        step(DELIVER, 1, &[7]).repeat(8),
        step(REPEAT, 1, &[2]),
        step(RELOAD, 1, &[]),
        step(REPEAT, 1, &[5]),
    ]
    .concat();
    let crossing = [
        step(INITIATE, 0, &[0]),
        step(INITIATE, 1, &[1]),
        step(SEND, 0, &[9, 0]).repeat(2),
        step(SEND, 1, &[9, 0]).repeat(2),
        step(DELIVER, 1, &[1]),
        step(DELIVER, 0, &[1]),
    ]
    .concat();
    let anew = [
        turns.clone(),
        step(GIVE_UP, 0, &[]),
        step(INITIATE, 0, &[1]),
        step(RELOAD, 0, &[]),
        turns.repeat(3),
    ]
    .concat();
    let days = |who, count: u16| step(WAIT, who, &(count * 24 * 60).to_le_bytes());
    let late = [
        turns.clone(),
        step(SEND, 0, &[0, 0]).repeat(3),
        step(DELIVER, 1, &[2]),
        days(1, 31),
        step(EXPIRE, 1, &[]),
        step(REPEAT, 1, &[0]),
        step(DELIVER, 1, &[0]),
    ]
    .concat();
    let unanswered = [
        step(SEND, 0, &[0, 0]),
        days(0, 15),
        step(SEND, 0, &[0, 0]).repeat(2),
        step(DELIVER, 1, &[1]),
    ]
    .concat();
    vec![
        ("turns", turns.repeat(60)),
        ("burst", burst),
        ("crossing", [crossing, turns.repeat(4)].concat()),
        ("anew", anew),
        ("late", late),
        ("unanswered", unanswered),
    ]
}

fn step(kind: u8, who: u8, arguments: &[u8]) -> Vec<u8> {
    [&[kind << 1 | who][..], arguments].concat()
}

pub(crate) fn verifications() -> Seeds {
    use crate::verification::{
        CANCEL, CARRY, CONFIRM, DELIVER, LOSE, REPEAT, RESTART, SAY, SCAN, START, WAIT,
    };
    let pass = |from: u8| {
        let deliver = step(DELIVER, 1 - from, &[0]).repeat(4);
        [step(CARRY, from, &[]), deliver].concat()
    };
    let start = step(START, 0, &[]);
    let shown = [start.clone(), pass(0), pass(1), pass(0), pass(1)].concat();
    let confirmed = [step(CONFIRM, 0, &[]), step(CONFIRM, 1, &[]), pass(0), pass(1)].concat();
    let both = [start.clone(), step(START, 1, &[]), pass(0), pass(1), pass(0), pass(1)].concat();
    let said = |fields: &[u8]| step(SAY, 1, &part(&[&field(1, &[7; 16])[..], fields].concat()));
    let forged = [field(3, &[]), field(4, &[1; 32]), field(5, &[9; 32]), field(7, &[2; 32])];
    let forged = forged.map(|step| [said(&step), pass(1)].concat()).concat();
    let code = [&b"subrosa/1 safety code\0"[..], &[0, 3], b"bob", &[1; 32]].concat();
    let code = [&code[..], &[0, 5], b"alice", &[2; 32]].concat();
    let disordered = [
        start.clone(),
        pass(0),
        step(CARRY, 1, &[]),
        step(REPEAT, 0, &[1]),
        step(DELIVER, 0, &[1]),
        step(DELIVER, 0, &[0]),
        step(RESTART, 0, &[]),
        pass(0),
        pass(1),
    ];
    vec![
        ("compared", [shown.clone(), confirmed.clone()].concat()),
        ("both-ask", [both, confirmed.clone()].concat()),
        ("cancelled", [shown.clone(), step(CANCEL, 1, &[]), pass(1), confirmed.clone()].concat()),
        ("late", [shown.clone(), step(WAIT, 0, &[61]), confirmed.clone()].concat()),
        ("disordered", [disordered.concat(), confirmed].concat()),
        ("lost", [start, step(CARRY, 0, &[]), step(LOSE, 1, &[0]), shown.clone()].concat()),
        ("forged", [shown, forged].concat()),
        ("scanned", [step(SCAN, 0, &part(&code)), step(SCAN, 1, &part(&code))].concat()),
    ]
}

pub(crate) fn messengers() -> Seeds {
    use crate::messenger::{
        CARRY, DAMAGE, DECIDE, DELIVER, INVENT, LEARN, LOSE, REPEAT, RESTART, SAY, WAIT,
    };
    let say = |who| step(SAY, who, &[2, 0, b'h', b'i']);
    let talk = |who: u8| [say(who), step(CARRY, who, &[]), step(DELIVER, 1 - who, &[0])].concat();
    let accepted = [talk(0), step(DECIDE, 1, &[0]), talk(1)].concat();
    let lossy = [
        accepted.clone(),
        say(0).repeat(3),
        step(CARRY, 0, &[]),
        step(LOSE, 1, &[0]),
        step(REPEAT, 1, &[1]),
        step(DAMAGE, 1, &[0, 40, 3]),
        step(DELIVER, 1, &[1]),
        step(RESTART, 1, &[]),
        step(DELIVER, 1, &[0]),
        step(WAIT, 0, &[7]),
        step(WAIT, 0, &[255]).repeat(2),
        step(CARRY, 1, &[]),
        step(DELIVER, 0, &[0]),
        step(CARRY, 0, &[]),
        step(DELIVER, 1, &[0]),
    ]
    .concat();
    let odd = [
        step(INVENT, 0, &[3, 0, 10, 1, 0]),
        step(LEARN, 1, &[2, 0, 10, 0]),
        accepted.clone(),
        step(DECIDE, 1, &[1]),
        talk(0),
    ]
    .concat();
    let crossing = [say(0), say(1), step(CARRY, 0, &[]), step(CARRY, 1, &[])].concat();
    let crossing = [crossing, step(DELIVER, 0, &[0]), step(DELIVER, 1, &[0]), accepted.clone()];
    vec![
        ("talk", [accepted, talk(0).repeat(3), talk(1).repeat(3)].concat()),
        ("lossy", lossy),
        ("odd", odd),
        ("crossing", crossing.concat()),
    ]
}

/// Steps of a group: who, what, and what belongs to it.
pub(crate) fn rosters() -> Seeds {
    let step = |who: u8, what: u8, more: &[u8]| [&[what << 2 | who], more].concat();
    let act = |who: u8, kind: u8, to: u8| step(who, roster::ACT, &[kind << 2 | to]);
    let (add, remove, grant, demote, leave, set) = (0, 8, 16, 24, 32, 40);
    let all_ask = [1, 2, 3].map(|who| step(who, roster::ASK, &[0, 0xff, 0xff])).concat();
    let begin = [act(0, add, 1), act(0, grant, 1), act(0, add, 2), act(0, add, 3), all_ask.clone()];
    let talk =
        [act(1, remove, 2), act(0, set, 0), step(0, roster::DELIVER, &[4]), act(3, leave, 0)];
    let end_beside = [act(1, add, 2), act(0, demote, 1), act(1, remove, 3), all_ask.clone()];
    let seals = [step(0, roster::SEAL, &[1]), act(1, set, 0), act(0, set, 1), all_ask];
    let odd = [
        step(1, roster::DAMAGE, &[0, 9, 0, 4]),
        step(2, roster::RELOAD, &[]),
        step(3, roster::DROP, &[]),
        step(3, roster::FORGE, &[2, 0, 10, 0]),
    ];
    let story = |parts: &[&[Vec<u8>]]| parts.concat().concat();
    vec![
        ("talk", story(&[&begin, &talk])),
        ("end", story(&[&begin, &end_beside, &odd])),
        ("seals", story(&[&begin, &seals, &odd, &seals, &talk])),
        ("odd", story(&[&odd, &begin, &odd, &talk, &odd])),
    ]
}
