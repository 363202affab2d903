//! What people send: every kind, what breaks its rules, and what follows from it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::model::{cat, hkdf, lp, pb_bytes, pb_varint, sha256};
use super::{Draws, hex};
use crate::address::{Address, DeviceId, UserId};
use crate::content::call::{Call, CallId, EndReason, Step};
use crate::content::poll::{Answer, Choices, Poll, Tally};
use crate::content::{
    Attachment, Attachments, Card, Content, Form, Frame, Kind, Location, Pointer, Preview, Quote,
    Reference, Said, Sticker, Style, Text,
};
use crate::crypto::Secret;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;

/// When everything is said, in milliseconds.
const SENT_AT: u64 = super::NOW * 1000 + 7;

/// A field of a protobuf message, with its name and number in the `.proto` file.
#[derive(Clone)]
struct Field(&'static str, u64, Leaf);

/// What is in it.
#[derive(Clone)]
enum Leaf {
    Number(u64),
    Signed(i32),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
    /// One of several in a list.
    OneOf(Box<Leaf>),
    Packed(Vec<u64>),
}

use Leaf::{Bytes, Message, Number, Packed, Signed};

fn each(leaf: Leaf) -> Leaf {
    Leaf::OneOf(Box::new(leaf))
}

fn text(text: &str) -> Leaf {
    Bytes(text.as_bytes().to_vec())
}

/// The bytes of the fields, in the order in which they stand here.
fn encode(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(|Field(_, number, leaf)| encode_leaf(*number, leaf)).collect()
}

fn encode_leaf(number: u64, leaf: &Leaf) -> Vec<u8> {
    match leaf {
        Number(value) => pb_varint(number, *value),
        // Zigzag.
        Signed(value) => pb_varint(number, u64::from(((value << 1) ^ (value >> 31)) as u32)),
        Bytes(bytes) => pb_bytes(number, bytes),
        // There, also if nothing is in it.
        Message(fields) => {
            let body = encode(fields);
            // A field of one byte, without that byte.
            let empty = pb_bytes(number, &[0]);
            match body.as_slice() {
                [] => cat(&[&empty[..empty.len() - 2], &[0]]),
                body => pb_bytes(number, body),
            }
        }
        Leaf::OneOf(leaf) => encode_leaf(number, leaf),
        Packed(values) => {
            let varint = |value: &u64| match value {
                0 => vec![0],
                value => pb_varint(1, *value)[1..].to_vec(),
            };
            pb_bytes(number, &values.iter().flat_map(varint).collect::<Vec<_>>())
        }
    }
}

fn to_json(fields: &[Field]) -> Value {
    let mut object = Map::new();
    for Field(name, _, leaf) in fields {
        match leaf {
            Leaf::OneOf(leaf) => {
                let list = object.entry(*name).or_insert_with(|| json!([]));
                list.as_array_mut().unwrap().push(leaf_to_json(leaf));
            }
            leaf => {
                assert!(object.insert((*name).to_owned(), leaf_to_json(leaf)).is_none());
            }
        }
    }
    Value::Object(object)
}

fn leaf_to_json(leaf: &Leaf) -> Value {
    match leaf {
        Number(value) => json!(value),
        Signed(value) => json!(value),
        Bytes(bytes) => hex(bytes),
        Message(fields) => to_json(fields),
        Leaf::OneOf(leaf) => leaf_to_json(leaf),
        Packed(values) => json!(values),
    }
}

/// What the ids and keys of all contents are.
struct Names {
    bob: UserId,
    id: [u8; 16],
    key: [u8; 32],
    digest: [u8; 32],
    salt: [u8; 32],
    secrets: [[u8; 32]; 2],
    call: [u8; 16],
}

impl Names {
    fn reference(&self) -> Reference {
        Reference::new(self.bob.clone(), MessageId::from_bytes(self.id))
    }

    fn reference_leaf(&self) -> Leaf {
        let author = self.bob.as_bytes().to_vec();
        Message(vec![
            Field("author", 1, Bytes(author)),
            Field("message_id", 2, Bytes(self.id.to_vec())),
        ])
    }

    fn pointer(&self) -> Pointer {
        let media_type = "image/webp".to_owned();
        let pointer = Pointer::new(Secret::copy_from(&self.key), self.digest, 70_000, media_type);
        pointer.at("https://files.example/7")
    }

    fn pointer_leaf(&self) -> Leaf {
        Message(vec![
            Field("location", 1, text("https://files.example/7")),
            Field("key", 2, Bytes(self.key.to_vec())),
            Field("digest", 3, Bytes(self.digest.to_vec())),
            Field("length", 4, Number(70_000)),
            Field("media_type", 5, text("image/webp")),
        ])
    }

    fn text(&self) -> Text {
        let text = Text::from("Für Bob: https://rose.example");
        let text = text.mentioning(5..8, self.bob.clone());
        let preview = Preview::new("https://rose.example", "Roses").described("All of them.");
        text.styled(0..4, Style::Italic)
            .styled(5..8, Style::Bold)
            .with_preview(preview.with_image(self.pointer()))
    }

    fn text_leaf(&self) -> Leaf {
        let style = |start, length, kind| {
            each(Message(vec![
                Field("start", 1, Number(start)),
                Field("length", 2, Number(length)),
                Field("kind", 3, Number(kind)),
            ]))
        };
        Message(vec![
            Field("text", 1, text("Für Bob: https://rose.example")),
            Field(
                "mentions",
                2,
                each(Message(vec![
                    Field("start", 1, Number(5)),
                    Field("length", 2, Number(3)),
                    Field("user_id", 3, Bytes(self.bob.as_bytes().to_vec())),
                ])),
            ),
            Field("styles", 3, style(0, 4, 2)),
            Field("styles", 3, style(5, 3, 1)),
            Field(
                "previews",
                4,
                each(Message(vec![
                    Field("url", 1, text("https://rose.example")),
                    Field("title", 2, text("Roses")),
                    Field("description", 3, text("All of them.")),
                    Field("image", 4, self.pointer_leaf()),
                ])),
            ),
        ])
    }

    fn answer(&self) -> Answer {
        let mut bytes = [0; Answer::LEN];
        bytes[..32].copy_from_slice(&self.salt);
        bytes[35] = 2;
        Answer::from_bytes(&bytes)
    }

    fn commitment(&self) -> [u8; 32] {
        sha256(&[b"subrosa/1 quiz answer\0", &self.salt, &2_u32.to_be_bytes()])
    }
}

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(15);
    let names = Names {
        bob: UserId::new("bob").unwrap(),
        id: draws.bytes(),
        key: draws.bytes(),
        digest: draws.bytes(),
        salt: draws.bytes(),
        secrets: [draws.bytes(), draws.bytes()],
        call: draws.bytes(),
    };
    json!({
        "kinds": kinds(&names),
        "broken": broken(&names),
        "quotes": quotes(&names),
        "quizzes": quizzes(&names),
        "calls": calls(&names),
        "tallies": tallies(&names, draws),
    })
}

/// A content by the crate, and its fields but `sent_at` by the model: the same bytes.
fn kind(name: &str, content: &Content, fields: &[Field]) -> Value {
    let encoded = cat(&[&pb_varint(1, SENT_AT), &encode(fields)]);
    let frame =
        Frame { sent_at: Timestamp::from_millis(SENT_AT), said: Said::Content(content.clone()) };
    assert_eq!(super::hex(&*frame.encode()), super::hex(&encoded), "{name}");
    assert_eq!(Frame::decode(&encoded), frame, "{name}");
    json!({
        "name_text": name, "sent_at": SENT_AT, "message": to_json(fields), "content": hex(encoded),
    })
}

fn kinds(names: &Names) -> Value {
    let id = MessageId::from_bytes(names.id);
    let id_field = || Field("message_id", 1, Bytes(names.id.to_vec()));
    let fallback = |shown: &str| Field("fallback", 3, text(shown));
    let only = |name, number, fields: Vec<Field>| vec![Field(name, number, Message(fields))];
    let call = |name: &'static str, number, fields: Vec<Field>| {
        let id = Field("call_id", 1, Bytes(names.call.to_vec()));
        only("call", 33, vec![id, Field(name, number, Message(fields))])
    };
    let make_call = |step| Content::call(Call::next(CallId::from_bytes(names.call), step));
    let secret =
        |number, secret: usize| Field("secret", number, Bytes(names.secrets[secret].to_vec()));
    let read = |fields: &[Field]| Content::from_bytes(&encode(fields));
    let [offer, answer] = [
        call(
            "offer",
            2,
            vec![Field("media", 1, Number(2)), secret(2, 0), Field("description", 3, text("v=0"))],
        ),
        call("answer", 3, vec![secret(1, 1), Field("description", 2, text("v=0"))]),
    ];
    let original = Content::text("Coming?");
    let plain = |said: &str| Field("text", 16, Message(vec![Field("text", 1, text(said))]));
    let quoted = quote_hash(names, &encode(&[plain("Coming?")]));
    let duration = Duration::from_millis(1500);
    let attachment = |fields: Vec<Field>| {
        let pointer = Field("pointer", 1, names.pointer_leaf());
        Field("items", 1, each(Message([vec![pointer], fields].concat())))
    };
    let image = Attachment::new(names.pointer(), Form::Image { width: 640, height: 480 })
        .named("rose.webp")
        .described("A rose")
        .with_thumbnail([9; 20])
        .with_blurhash("LEHV6nWB2yk8pyo0adR*.7kCMdnj");
    let video = Attachment::new(names.pointer(), Form::Video { width: 640, height: 480, duration });
    let voice = Form::Voice { duration, waveform: vec![1, 9, 4] };
    let voice = Attachment::new(names.pointer(), voice);
    let album = Attachments::from(vec![image, video, voice, names.pointer().into()]);
    let album = Content::attachment(album.captioned("Look!")).with_fallback("Four files");
    let poll = |more: Vec<Field>| {
        let mut fields = vec![
            Field("question", 1, text("When?")),
            Field("choices", 2, each(text("Mon"))),
            Field("choices", 2, each(text("Tue"))),
        ];
        fields.extend(more);
        vec![fallback("When?"), Field("poll", 29, Message(fields))]
    };
    let days = Poll::new("When?", ["Mon", "Tue"]);
    let quiz = days.clone().with_answer(&names.answer());
    let place = Location::at(-481_234_567, 115_000_000).within(20).named("The bench");
    let card = Card::of("Bob").with_user(names.bob.clone()).with_entry("work", "+49 89 1");
    let vote = |choices| {
        let poll = Field("poll", 1, names.reference_leaf());
        only("vote", 30, vec![poll, Field("choices", 2, Number(choices))])
    };
    let reaction = |emoji: &str| {
        let to = Field("to", 1, names.reference_leaf());
        only("reaction", 26, vec![to, Field("emoji", 2, text(emoji))])
    };
    json!([
        kind(
            "a text with all there is",
            &Content::text(names.text()),
            &[Field("text", 16, names.text_leaf())],
        ),
        kind(
            "an answer with a quote",
            &Content::text("yes").quoting(Quote::new(names.reference(), &original)),
            &[
                Field("reply_to", 4, Bytes(names.id.to_vec())),
                Field(
                    "quote",
                    5,
                    Message(vec![
                        Field("author", 1, Bytes(names.bob.as_bytes().to_vec())),
                        Field("excerpt", 2, text("Coming?")),
                        Field("hash", 3, Bytes(quoted.to_vec())),
                    ])
                ),
                plain("yes"),
            ],
        ),
        kind(
            "a text that was passed on",
            &Content::text("again").forward(),
            &[Field("forwarded", 6, Number(1)), plain("again")],
        ),
        kind(
            "attachments of each kind",
            &album,
            &[
                fallback("Four files"),
                Field(
                    "attachments",
                    22,
                    Message(vec![
                        attachment(vec![
                            Field("kind", 2, Number(2)),
                            Field("name", 3, text("rose.webp")),
                            Field("description", 4, text("A rose")),
                            Field("width", 5, Number(640)),
                            Field("height", 6, Number(480)),
                            Field("thumbnail", 9, Bytes(vec![9; 20])),
                            Field("blurhash", 10, text("LEHV6nWB2yk8pyo0adR*.7kCMdnj")),
                        ]),
                        attachment(vec![
                            Field("kind", 2, Number(3)),
                            Field("width", 5, Number(640)),
                            Field("height", 6, Number(480)),
                            Field("duration", 7, Number(1500)),
                        ]),
                        attachment(vec![
                            Field("kind", 2, Number(4)),
                            Field("duration", 7, Number(1500)),
                            Field("waveform", 8, Bytes(vec![1, 9, 4])),
                        ]),
                        attachment(vec![Field("kind", 2, Number(1))]),
                        Field("caption", 2, Message(vec![Field("text", 1, text("Look!"))])),
                    ])
                ),
            ]
        ),
        kind(
            "a place",
            &Content::location(place),
            &[
                fallback("The bench geo:-48.1234567,11.5000000"),
                Field(
                    "location",
                    23,
                    Message(vec![
                        Field("latitude", 1, Signed(-481_234_567)),
                        Field("longitude", 2, Signed(115_000_000)),
                        Field("accuracy", 3, Number(20)),
                        Field("name", 4, text("The bench")),
                    ])
                ),
            ]
        ),
        kind(
            "a card",
            &Content::card(card),
            &[
                fallback("Bob"),
                Field(
                    "card",
                    24,
                    Message(vec![
                        Field("name", 1, text("Bob")),
                        Field("user_id", 2, Bytes(names.bob.as_bytes().to_vec())),
                        Field(
                            "entries",
                            3,
                            each(Message(vec![
                                Field("label", 1, text("work")),
                                Field("value", 2, text("+49 89 1")),
                            ]))
                        ),
                    ])
                ),
            ]
        ),
        kind(
            "a sticker",
            &Content::sticker(Sticker::new(names.pointer(), 512, 256, "🌹")),
            &[
                fallback("🌹"),
                Field(
                    "sticker",
                    25,
                    Message(vec![
                        Field("image", 1, names.pointer_leaf()),
                        Field("emoji", 2, text("🌹")),
                        Field("width", 3, Number(512)),
                        Field("height", 4, Number(256)),
                    ])
                ),
            ]
        ),
        kind("a reaction", &Content::reaction(names.reference(), "🌹"), &reaction("🌹")),
        kind("a reaction taken back", &Content::reaction(names.reference(), ""), &reaction("")),
        kind(
            "an edit",
            &Content::edit(id, "better"),
            &only(
                "edit",
                27,
                vec![id_field(), Field("text", 2, Message(vec![Field("text", 1, text("better"))])),]
            )
        ),
        kind("a deletion", &Content::delete(id), &only("delete", 28, vec![id_field()])),
        kind(
            "a poll",
            &Content::poll(days.choose_up_to(2)),
            &poll(vec![Field("most", 3, Number(2))]),
        ),
        kind(
            "a quiz",
            &Content::poll(quiz.closing_at(Timestamp::from_millis(SENT_AT + 1))),
            &poll(vec![
                Field("most", 3, Number(1)),
                Field("commitment", 4, Bytes(names.commitment().to_vec())),
                Field("closes_at", 5, Number(SENT_AT + 1)),
            ]),
        ),
        kind("a vote", &Content::vote(names.reference(), Choices::one(1)), &vote(2)),
        kind("a vote taken back", &Content::vote(names.reference(), Choices::NONE), &vote(0)),
        kind(
            "the end of a quiz",
            &Content::close(id, &[3, 0, 200], Some(&names.answer())),
            &only(
                "closing",
                31,
                vec![
                    id_field(),
                    Field("counts", 2, Packed(vec![3, 0, 200])),
                    Field("answer", 3, Number(2)),
                    Field("salt", 4, Bytes(names.salt.to_vec())),
                ]
            ),
        ),
        kind(
            "a timer",
            &Content::timer(Some(Duration::from_secs(86_400))),
            &only("timer", 32, vec![Field("expires_after", 1, Number(86_400))]),
        ),
        kind("no timer any more", &Content::timer(None), &only("timer", 32, Vec::new())),
        kind("somebody calls", &read(&offer), &offer),
        kind("a device takes the call", &read(&answer), &answer),
        kind(
            "ways to reach a device",
            &make_call(Step::Candidates(vec![b"host".to_vec(), b"relay".to_vec()])),
            &call(
                "candidates",
                4,
                vec![
                    Field("candidates", 1, each(text("host"))),
                    Field("candidates", 1, each(text("relay"))),
                ]
            ),
        ),
        kind(
            "the end of a call",
            &make_call(Step::End(EndReason::Busy)),
            &call("end", 5, vec![Field("reason", 1, Number(2))]),
        ),
    ])
}

/// Nothing of these is shown, whatever their fallback is.
fn broken(names: &Names) -> Value {
    let id = |length: usize| Field("message_id", 1, Bytes(vec![7; length]));
    let in_text =
        |field: Field| Field("text", 16, Message(vec![Field("text", 1, text("Für Bob")), field]));
    let range = |start, length| vec![Field("", 1, Number(start)), Field("", 2, Number(length))];
    let style = |start, length| in_text(Field("", 3, Message(range(start, length))));
    let mention =
        |user: &[u8]| Message([range(5, 3), vec![Field("", 3, Bytes(user.to_vec()))]].concat());
    let two = |numbers: [[u64; 2]; 2]| {
        let mentions = numbers.map(|[start, length]| {
            let user = Field("", 3, text("bob"));
            encode_leaf(2, &Message([range(start, length), vec![user]].concat()))
        });
        let body = cat(&[&pb_bytes(1, "Für Bob".as_bytes()), &mentions.concat()]);
        Field("", 16, Bytes(body))
    };
    let url = |url| in_text(Field("", 4, Message(vec![Field("", 1, text(url))])));
    let item = |field| Field("", 22, Message(vec![Field("", 1, Message(vec![field]))]));
    let location =
        |number, degrees| Field("", 23, Message(vec![Field("", number, Signed(degrees))]));
    let reaction = |author: &[u8], emoji| {
        let to = Message(vec![
            Field("", 1, Bytes(author.to_vec())),
            Field("", 2, Bytes(names.id.to_vec())),
        ]);
        Field("", 26, Message(vec![Field("", 1, to), Field("", 2, text(emoji))]))
    };
    let poll = |choices: &[&str], most| {
        let mut fields = vec![Field("", 1, text("?"))];
        fields.extend(choices.iter().map(|choice| Field("", 2, text(choice))));
        fields.push(Field("", 3, Number(most)));
        Field("", 29, Message(fields))
    };
    let call = |id: usize, step: Field| {
        Field("", 33, Message(vec![Field("", 1, Bytes(vec![7; id])), step]))
    };
    let end = Field("", 5, Message(vec![Field("", 1, Number(1))]));
    let offer = |secret: usize| {
        Field("", 2, Message(vec![Field("", 1, Number(1)), Field("", 2, Bytes(vec![7; secret]))]))
    };
    let quote = Field("", 5, Message(vec![Field("", 1, text("bob"))]));
    let no_author = Field("", 5, Message(vec![Field("", 2, text("said"))]));
    let reply_to = Field("", 4, Bytes(names.id.to_vec()));
    let empty = |number| Field("", number, Message(Vec::new()));
    let cases: Vec<(&str, Vec<Field>)> = vec![
        ("a quote of no message", vec![quote, in_text(Field("", 2, Message(Vec::new())))]),
        ("a quote of nobody", vec![reply_to, no_author, Field("", 16, Message(Vec::new()))]),
        ("a style behind the text", vec![style(5, 4)]),
        ("a style that begins within a character", vec![style(2, 1)]),
        ("a style that ends within a character", vec![style(0, 2)]),
        ("a style of nothing", vec![style(3, 0)]),
        ("a style of a length that overflows", vec![style(3, u64::from(u32::MAX))]),
        ("a mention of nobody", vec![in_text(Field("", 2, mention(b"")))]),
        ("a mention of too long a name", vec![in_text(Field("", 2, mention(&[b'a'; 256])))]),
        ("mentions out of order", vec![two([[5, 3], [0, 4]])]),
        ("a mention within another", vec![two([[0, 4], [3, 3]])]),
        ("a preview of what is not in the text", vec![url("https://else.example")]),
        ("a preview of nothing", vec![url("")]),
        ("no attachments", vec![empty(22)]),
        ("an attachment without a pointer", vec![item(Field("", 2, Number(1)))]),
        ("a pointer without a key", vec![item(Field("", 1, Message(Vec::new())))]),
        ("a place north of the pole", vec![location(1, 900_000_001)]),
        ("a place beyond the date line", vec![location(2, -1_800_000_001)]),
        ("a card without a name", vec![empty(24)]),
        ("a sticker without an image", vec![empty(25)]),
        ("a reaction to nobody's message", vec![reaction(b"", "🌹")]),
        ("a reaction of too many bytes", vec![reaction(b"bob", &"x".repeat(49))]),
        ("an edit of 15 bytes", vec![Field("", 27, Message(vec![id(15), empty(2)]))]),
        ("an edit without a text", vec![Field("", 27, Message(vec![id(16)]))]),
        ("a deletion of 17 bytes", vec![Field("", 28, Message(vec![id(17)]))]),
        ("a poll with one choice", vec![poll(&["a"], 1)]),
        ("a poll with 33 choices", vec![poll(&["a"; 33], 1)]),
        ("a poll of which nothing is chosen", vec![poll(&["a", "b"], 0)]),
        ("a poll of which more is chosen than there is", vec![poll(&["a", "b"], 3)]),
        ("a vote in no poll", vec![empty(30)]),
        (
            "an end of a poll with a salt of 31 bytes",
            vec![Field("", 31, Message(vec![id(16), Field("", 4, Bytes(vec![7; 31]))]))],
        ),
        ("a call with an id of 15 bytes", vec![call(15, end)]),
        ("a call with a secret of 31 bytes", vec![call(16, offer(31))]),
    ];
    let broken = cases.into_iter().map(|(reason, fields)| {
        let bytes = cat(&[&pb_bytes(3, b"shown"), &encode(&fields)]);
        let content = Content::from_bytes(&bytes);
        assert!(*content.kind() == Kind::Unknown && content.to_string().is_empty(), "{reason}");
        assert_eq!(content.to_bytes(), bytes);
        json!({ "reason": reason, "content": hex(bytes) })
    });
    broken.collect()
}

/// H("subrosa/1 quoted" || 0x00 || lp(author) || message id || content without sent_at)
fn quote_hash(names: &Names, without_sent_at: &[u8]) -> [u8; 32] {
    let author = lp(names.bob.as_bytes());
    sha256(&[b"subrosa/1 quoted\0", &author, &names.id, without_sent_at])
}

fn quotes(names: &Names) -> Value {
    let plain = pb_bytes(16, &pb_bytes(1, b"Coming?"));
    let later = cat(&[&pb_bytes(3, b"a hologram"), &pb_bytes(900, b"holo!")]);
    let at = pb_varint(1, SENT_AT);
    let cases = [
        ("a text", cat(&[&at, &plain]), &plain),
        ("of a later version", cat(&[&at, &later]), &later),
        ("of a later version, passed on", cat(&[&at, &later, &at]), &later),
    ];
    let quotes = cases.map(|(name, content, hashed)| {
        let hash = quote_hash(names, hashed);
        let received = Content::from_bytes(&content);
        let quote = Quote::new(names.reference(), &received);
        let answer = Content::text("yes").quoting(quote.clone());
        assert!(quote.matches(&received));
        assert!(answer.to_bytes().windows(32).any(|bytes| bytes == hash), "{name}");
        json!({
            "name_text": name, "author": hex(names.bob.as_bytes()), "message_id": hex(names.id),
            "content": hex(content), "hash": hex(hash),
        })
    });
    json!(quotes)
}

fn quizzes(names: &Names) -> Value {
    assert_eq!(names.answer().commitment(), names.commitment());
    json!([{ "answer": 2, "salt": hex(names.salt), "commitment": hex(names.commitment()) }])
}

fn calls(names: &Names) -> Value {
    let device = |name: &str, id| Address {
        user: UserId::new(name).unwrap(),
        device: DeviceId::new(id).unwrap(),
    };
    let [caller, callee] = [device("alice", 7), device("bob", 0x8000_0001)];
    let context = cat(&[
        &names.call,
        &lp(b"alice"),
        &7_u32.to_be_bytes(),
        &lp(b"bob"),
        &0x8000_0001_u32.to_be_bytes(),
    ]);
    let [offer, answer] = names.secrets;
    let keys = hkdf::<64>(&offer, &answer, &[b"subrosa/1 call media", &context]);
    let read = |number, fields: &[u8]| {
        let body = cat(&[&pb_bytes(1, &names.call), &pb_bytes(number, fields)]);
        let content = Content::from_bytes(&pb_bytes(33, &body));
        let Kind::Call(call) = content.kind() else { panic!("a call") };
        call.clone()
    };
    let offered = read(2, &cat(&[&pb_varint(1, 1), &pb_bytes(2, &offer)]));
    let answered = read(3, &pb_bytes(1, &answer));
    let (Step::Offer(their_offer), Step::Answer(their_answer)) = (offered.step(), answered.step())
    else {
        panic!("an offer and an answer");
    };
    let ours = offered.media_keys([&caller, &callee], their_offer, their_answer);
    assert_eq!([ours.caller().as_slice(), ours.callee()].concat(), keys);
    json!([{
        "call_id": hex(names.call),
        "offer_secret": hex(offer),
        "answer_secret": hex(answer),
        "caller": { "user_id": hex("alice"), "device_id": 7 },
        "callee": { "user_id": hex("bob"), "device_id": 0x8000_0001_u32 },
        "caller_key": hex(&keys[..32]),
        "callee_key": hex(&keys[32..]),
    }])
}

fn tallies(names: &Names, draws: &mut Draws) -> Value {
    let poll = Poll::new("Which?", ["a", "b", "c"]).choose_up_to(2);
    let mut tally = Tally::of(&poll, names.reference());
    let [low, high] = [[1; 16], [2; 16]];
    let elsewhere = Reference::new(UserId::new("carol").unwrap(), names.reference().message);
    // Author, time, message id, choices, in this poll.
    let votes = [
        ("alice", 5, low, 1, true),
        ("carol", 5, low, 0b101, true),
        ("alice", 4, high, 2, true),
        ("bob", 9, low, 1, true),
        ("bob", 9, high, 4, true),
        ("carol", 6, low, 0b111, true),
        ("alice", 7, low, 0b1000, true),
        ("alice", 8, draws.bytes(), 2, false),
    ];
    let votes = votes.map(|(author, sent_at, id, choices, here)| {
        let poll = if here { names.reference() } else { elsewhere.clone() };
        let mut chosen = Choices::NONE;
        (0..32).filter(|place| choices >> place & 1 == 1).for_each(|p| chosen = chosen.and(p));
        let content = Content::vote(poll.clone(), chosen);
        let Kind::Vote(vote) = content.kind() else { panic!("a vote") };
        let author = UserId::new(author).unwrap();
        let at = Timestamp::from_millis(sent_at);
        tally.add(&author, at, MessageId::from_bytes(id), vote);
        json!({
            "author": hex(author.as_bytes()), "sent_at": sent_at, "message_id": hex(id),
            "content": hex(&*content.encode_at(at)),
        })
    });
    assert_eq!(tally.counts(), [2, 0, 2]);
    json!([{
        "choices": 3, "most": 2, "author": hex(names.bob.as_bytes()), "message_id": hex(names.id),
        "votes": votes, "counts": tally.counts(),
    }])
}
