//! Contents of all kinds: whole, seen by a client of the first version, and against every
//! rule of SPEC.md, section 10.

mod sizes;

use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;

use super::call::{self, Call, CallId, EndReason, Media, Offer, Step};
use super::display;
use super::poll::{Answer, Choices, Poll};
use super::*;
use crate::address::{Address, DeviceId, UserId};
use crate::crypto::Secret;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;
use crate::wire::content::{self as raw, Record};

const ID: MessageId = MessageId::from_bytes([7; 16]);

fn rng() -> rand::rngs::ChaCha8Rng {
    rand::SeedableRng::seed_from_u64(5)
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn name() -> Reference {
    Reference::new(user("bob"), ID)
}

fn pointer() -> Pointer {
    let key = Secret::copy_from(&[1; 32]);
    Pointer::new(key, [2; 32], 70_000, "image/png".to_owned()).at("https://files.example/7")
}

fn rich_text() -> Text {
    Text::from("Ask Bob: https://rose.example")
        .styled(4..8, Style::Bold)
        .mentioning(4..7, user("bob"))
        .styled(0..3, Style::Italic)
        .with_preview(
            Preview::new("https://rose.example", "Roses").described("All.").with_image(pointer()),
        )
}

fn album() -> Attachments {
    let image = Attachment::new(pointer(), Form::Image { width: 640, height: 480 })
        .named("rose.png")
        .described("A rose")
        .with_thumbnail([9; 100])
        .with_blurhash("LEHV6nWB2yk8pyo0adR*.7kCMdnj");
    let duration = Duration::from_millis(1500);
    let video = Attachment::new(pointer(), Form::Video { width: 640, height: 480, duration });
    let voice = Form::Voice { duration, waveform: vec![1, 9, 4] };
    let voice = Attachment::new(pointer(), voice);
    Attachments::from(vec![image, video, voice, Attachment::from(pointer())]).captioned(rich_text())
}

/// One of each kind and form.
fn contents() -> Vec<Content> {
    let rng = &mut rng();
    let answer = Answer::new(Choices::one(1), rng);
    let quiz = Poll::new("Which?", ["this", "that"]).with_answer(&answer);
    let call = |step| Content::call(Call::next(CallId::from_bytes([3; 16]), step));
    let day = Duration::from_secs(86_400);
    vec![
        Content::text("At eight."),
        Content::text(rich_text()),
        Content::text("yes").quoting(Quote::new(name(), &Content::text("Coming?"))),
        Content::text("again").disappearing(day).forward(),
        Content::attachment(album()),
        Content::attachment(pointer()),
        Content::location(Location::at(-481_234_567, 115_000_000).within(20).named("The bench")),
        Content::card(Card::of("Bob").with_user(user("bob")).with_entry("work", "+49 89 1")),
        Content::sticker(Sticker::new(pointer(), 512, 512, "🌹")),
        Content::reaction(name(), "👍🏽"),
        Content::reaction(name(), ""),
        Content::edit(ID, rich_text()),
        Content::delete(ID),
        Content::poll(Poll::new("When?", ["Mon", "Tue", "Wed"]).choose_up_to(2)),
        Content::poll(quiz.closing_at(Timestamp::from_secs(1_800_000_000))),
        Content::vote(name(), Choices::one(0).and(31)),
        Content::vote(name(), Choices::NONE),
        Content::close(ID, &[1, 0, 7], None),
        Content::close(ID, &[], Some(&answer)),
        Content::timer(Some(day)),
        Content::timer(None),
        call(Step::Offer(Offer::new(Media::Video, "v=0", rng))),
        call(Step::Answer(call::Answer::new("v=0", rng))),
        call(Step::Candidates(vec![b"host".to_vec(), b"relay".to_vec()])),
        call(Step::End(EndReason::Busy)),
        Content::read(&[ID]),
        Content::viewed(&[ID]),
        Content::typing(Typing::Started),
        Content::request(Request::Declined),
    ]
}

#[test]
fn every_kind_comes_out_as_it_went_in() {
    for content in contents() {
        assert_eq!(content.check(), Ok(()), "{content:?}");
        let at = Timestamp::from_millis(1_790_000_000_000);
        let bytes = content.encode_at(at);
        let (sent_at, received) = Content::decode(&bytes);
        assert!(sent_at == at && received == content, "{content:?}");
        assert!(*received.kind() != Kind::Unknown);
        assert_eq!(received.encode_at(at), bytes, "{content:?}");
        assert!(Content::from_bytes(&content.to_bytes()) == content);
        // More of a later version is kept.
        let more = [bytes.as_slice(), &[0xa0, 0x06, 1]].concat();
        let later = Content::from_bytes(&more);
        assert!(later.kind() == content.kind() && later.to_bytes() == more, "{content:?}");
    }
}

/// What the first version of the protocol knew of a content.
#[derive(Clone, PartialEq, prost::Message)]
struct FirstVersion {
    #[prost(uint64, tag = "1")]
    sent_at: u64,
    #[prost(uint32, tag = "2")]
    expires_after: u32,
    #[prost(string, tag = "3")]
    fallback: String,
    #[prost(bytes = "vec", tag = "4")]
    reply_to: Vec<u8>,
    #[prost(message, optional, tag = "16")]
    text: Option<FirstText>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FirstText {
    #[prost(string, tag = "1")]
    text: String,
}

#[test]
fn a_client_of_the_first_version_shows_what_it_can() {
    for content in contents() {
        let content = content.reply_to(ID).disappearing(Duration::from_secs(60));
        let seen = FirstVersion::decode(content.to_bytes().as_slice()).unwrap();
        assert_eq!((seen.expires_after, seen.reply_to.as_slice()), (60, ID.as_bytes().as_slice()));
        let shown = seen.text.map_or(seen.fallback, |text| text.text);
        let expected = match content.kind() {
            Kind::Attachments(_) if content.to_string().is_empty() => "",
            Kind::Text(_)
            | Kind::Attachments(_)
            | Kind::Location(_)
            | Kind::Card(_)
            | Kind::Sticker(_)
            | Kind::Poll(_) => &content.to_string(),
            _ => "",
        };
        assert_eq!(shown, expected, "{content:?}");
    }
    let location = Content::location(Location::at(-481_234_567, 5).named("The bench"));
    assert_eq!(location.to_string(), "The bench geo:-48.1234567,0.0000005");
    let in_other_words = location.with_fallback("Ein Ort");
    let seen = FirstVersion::decode(in_other_words.to_bytes().as_slice()).unwrap();
    assert_eq!(seen.fallback, "Ein Ort");
}

#[test]
fn whatever_the_damage_what_came_is_kept() {
    for content in contents() {
        let whole = content.to_bytes();
        let cuts = (0..whole.len()).map(|len| whole[..len].to_vec());
        let flips = (0..whole.len() * 8).map(|bit| {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            damaged
        });
        for damaged in cuts.chain(flips) {
            let read = Content::from_bytes(&damaged);
            assert!(Content::from_bytes(&read.to_bytes()) == read);
            assert!(*read.kind() == Kind::Unknown || read.kind().check().is_ok());
            if *read.kind() == Kind::Unknown {
                assert_eq!(read.to_bytes(), damaged);
            }
        }
    }
}

/// Nothing is sent that a receiver would not show, and nothing shown that may not be sent.
fn refused(content: &Content, why: ContentError) {
    assert_eq!(content.check(), Err(why), "{content:?}");
    let bytes = content.to_bytes();
    let read = Content::from_bytes(&bytes);
    assert!(*read.kind() == Kind::Unknown && read.to_string().is_empty(), "{content:?}");
    assert_eq!(read.to_bytes(), bytes);
}

#[test]
fn what_breaks_a_rule_is_neither_sent_nor_shown() {
    use ContentError::{Range, Rule, TooMuch};
    let text = |change: &dyn Fn(Text) -> Text| Content::text(change(Text::from("für Bob")));
    // Behind the text, within a character, empty, turned around.
    for at in [0..9, 1..2, 2..3, 3..3, 6..7_usize.wrapping_add(2), 8..9] {
        refused(&text(&|text| text.styled(at.clone(), Style::Bold)), Range);
        refused(&text(&|text| text.mentioning(at.clone(), user("bob"))), Range);
        refused(&Content::edit(ID, Text::from("für Bob").styled(at.clone(), Style::Bold)), Range);
        let caption = Text::from("für Bob").styled(at, Style::Bold);
        refused(&Content::attachment(Attachments::from(pointer()).captioned(caption)), Range);
    }
    let within = |text: Text| text.mentioning(0..4, user("bob")).mentioning(3..5, user("carol"));
    refused(&text(&within), Range);
    let elsewhere = Preview::new("https://else.example", "Roses");
    let preview = |preview: Preview| text(&|text| text.with_preview(preview.clone()));
    refused(&preview(elsewhere), Rule("a preview is of an address in the text"));
    refused(&preview(Preview::new("", "")), Rule("a preview is of an address in the text"));
    let too_much = |what, limit| TooMuch { what, limit };
    let long = |len: usize| "x".repeat(len + 1);
    let item = || Attachment::from(pointer());
    let poll = |choices: &[&str], most| Poll::new("?", choices.to_vec()).choose_up_to(most);
    let one_or_some = Rule("of a poll one choice is chosen, or some");
    let cases = [
        (
            Content::text(many(Text::from("x"), 101, |t| t.mentioning(0..1, user("b")))),
            too_much("mentions", 100),
        ),
        (
            Content::text(many(Text::from("x"), 501, |t| t.styled(0..1, Style::Bold))),
            too_much("styles", 500),
        ),
        (
            Content::text(many(Text::from("x"), 5, |t| t.with_preview(Preview::new("x", "")))),
            too_much("previews", 4),
        ),
        (preview(Preview::new("Bob", long(300))), too_much("bytes of a title", 300)),
        (Content::attachment(Vec::new()), Rule("attachments are at least one")),
        (Content::attachment(vec![item(); 33]), too_much("attachments", 32)),
        (Content::attachment(item().named(long(255))), too_much("bytes of a file name", 255)),
        (
            Content::attachment(item().described(long(1000))),
            too_much("bytes of a description", 1000),
        ),
        (
            Content::attachment(item().with_thumbnail(vec![0; MAX_THUMBNAIL_LEN + 1])),
            too_much("bytes of a thumbnail", MAX_THUMBNAIL_LEN),
        ),
        (
            Content::attachment(item().with_blurhash(long(166))),
            too_much("bytes of a blurhash", 166),
        ),
        (
            Content::attachment(Attachment::new(
                pointer(),
                Form::Voice { duration: Duration::ZERO, waveform: vec![0; 257] },
            )),
            too_much("steps of a waveform", 256),
        ),
        (Content::attachment(pointer().at(long(2048))), too_much("bytes of a location", 2048)),
        (Content::location(Location::at(900_000_001, 0)), Rule("a place is on earth")),
        (Content::location(Location::at(0, -1_800_000_001)), Rule("a place is on earth")),
        (Content::location(Location::at(i32::MIN, 0)), Rule("a place is on earth")),
        (Content::card(Card::of("")), Rule("a card has a name")),
        (Content::card(Card::of(long(255))), too_much("bytes of a name", 255)),
        (
            Content::card(many(Card::of("x"), 33, |c| c.with_entry("", "1"))),
            too_much("entries of a card", 32),
        ),
        (
            Content::card(Card::of("x").with_entry("", long(1000))),
            too_much("bytes of an entry", 1000),
        ),
        (Content::reaction(name(), long(48)), too_much("bytes of an emoji", 48)),
        (Content::reaction(name(), "\u{200b}"), Rule("an emoji is seen as it is")),
        (Content::reaction(name(), "two words"), Rule("an emoji is seen as it is")),
        (
            Content::sticker(Sticker::new(pointer(), 1, 1, "\u{202e}")),
            Rule("an emoji is seen as it is"),
        ),
        (Content::poll(poll(&["one"], 1)), Rule("a poll has a question and two choices")),
        (Content::poll(poll(&["one", ""], 1)), Rule("a poll has a question and two choices")),
        (Content::poll(poll(&["x"; 33], 1)), too_much("choices", 32)),
        (Content::poll(poll(&["a", "b"], 0)), one_or_some),
        (Content::poll(poll(&["a", "b"], 3)), one_or_some),
        (Content::close(ID, &[0; 33], None), too_much("choices", 32)),
        (
            Content::call(Call::next(
                CallId::from_bytes([0; 16]),
                Step::Candidates(vec![vec![]; 33]),
            )),
            too_much("candidates", 32),
        ),
        (
            Content::call(Call::begin(
                Offer::new(Media::Voice, vec![0; 16_385], &mut rng()),
                &mut rng(),
            )),
            too_much("bytes of a description", 16_384),
        ),
    ];
    for (content, why) in cases {
        // A made fallback is nothing that is shown of what breaks a rule.
        refused(&content, why);
    }
}

fn many<T>(first: T, times: usize, next: impl Fn(T) -> T) -> T {
    (0..times).fold(first, |value, _| next(value))
}

/// Records that no builder makes.
#[test]
fn records_that_break_a_rule_show_nothing_and_unknown_parts_their_fallback() {
    let read = |record: Record| {
        let bytes = raw::Content {
            fallback: "fallback",
            kind: raw::Kind::Record(Box::new(record)),
            ..raw::Content::default()
        }
        .encode();
        let read = Content::from_bytes(&bytes);
        assert!(read.to_bytes() == bytes && *read.kind() == Kind::Unknown);
        read.to_string()
    };
    let attachment = |kind: i32, key: usize| {
        let mut raw = album().to_raw();
        raw.items[0].kind = kind;
        raw.items[1].pointer.as_mut().unwrap().key = vec![1; key];
        Record::Attachments(raw)
    };
    assert_eq!(read(attachment(99, 32)), "fallback");
    assert_eq!(read(attachment(0, 32)), "fallback");
    assert_eq!(read(attachment(2, 31)), "");
    // A broken part counts more than an unknown one, wherever it is.
    assert_eq!(read(attachment(99, 31)), "");
    let reference = |author: usize, id: usize| {
        let (author, message_id) = (vec![b'a'; author], vec![7; id]);
        Some(raw::Reference { author, message_id })
    };
    for [author, id] in [[0, 16], [256, 16], [3, 15], [3, 17]] {
        let mut reaction = raw::Reaction::default();
        reaction.to = reference(author, id);
        assert_eq!(read(Record::Reaction(reaction)), "");
        assert_eq!(read(Record::Vote(raw::Vote { poll: reference(author, id), choices: 1 })), "");
    }
    assert_eq!(read(Record::Vote(raw::Vote::default())), "");
    assert_eq!(read(Record::Delete(raw::Delete { message_id: vec![7; 15] })), "");
    assert_eq!(read(Record::Edit(raw::Edit { message_id: vec![7; 16], text: None })), "");
    let closing = |id: usize, salt: usize| {
        let mut closing = raw::Closing::default();
        (closing.message_id, closing.salt) = (vec![7; id], vec![7; salt]);
        Record::Closing(closing)
    };
    assert_eq!([read(closing(16, 31)), read(closing(17, 32))], ["", ""]);
    let call = |id: usize, step| Record::Call(raw::Call { call_id: vec![7; id], step });
    let offer = |media, secret: usize| {
        let mut offer = raw::CallOffer::default();
        (offer.media, offer.secret) = (media, vec![7; secret]);
        Some(raw::call::Step::Offer(offer))
    };
    let end = |reason| Some(raw::call::Step::End(raw::CallEnd { reason }));
    assert_eq!(read(call(16, None)), "fallback");
    assert_eq!(read(call(16, offer(3, 32))), "fallback");
    assert_eq!(read(call(16, end(0))), "fallback");
    assert_eq!(read(call(15, end(1))), "");
    assert_eq!(read(call(16, offer(1, 31))), "");
    assert_eq!(read(call(16, offer(3, 31))), "");
    let mut text = rich_text().to_raw();
    text.mentions[0].user_id.clear();
    assert_eq!(read(Record::Text(text)), "");
    let mut text = rich_text().to_raw();
    text.styles.swap(0, 1);
    assert_eq!(read(Record::Text(text)), "");
    let mut text = rich_text().to_raw();
    text.styles[0].start = u32::MAX;
    assert_eq!(read(Record::Text(text)), "");
}

#[test]
fn a_style_of_a_later_version_is_passed_over_and_kept() {
    let mut text = rich_text().to_raw();
    text.styles[0].kind = 77;
    let bytes = raw::Content {
        kind: raw::Kind::Record(Box::new(Record::Text(text))),
        ..raw::Content::default()
    }
    .encode();
    let content = Content::from_bytes(&bytes);
    let Kind::Text(text) = content.kind() else { panic!("a text") };
    assert!(text.styles().iter().map(|styled| styled.style).eq([Style::Bold]));
    assert_eq!(content.to_bytes(), bytes);
}

#[test]
fn a_quote_is_of_the_message_that_is_answered_and_of_no_other() {
    let original = Content::text("Coming?").disappearing(Duration::from_secs(60));
    let quote = Quote::new(name(), &original);
    let answer = Content::text("yes").quoting(quote.clone());
    assert_eq!(answer.replied_to(), Some(ID));
    let quoted = Content::from_bytes(&answer.to_bytes());
    let quoted = quoted.quote().unwrap();
    // As it is kept, as it came, however late.
    let came = original.encode_at(Timestamp::from_millis(5));
    let again = Content::from_bytes(&came).encode_at(Timestamp::from_millis(99));
    for original in [original.clone(), Content::from_bytes(&came), Content::from_bytes(&again)] {
        assert!(quoted.matches(&original));
    }
    assert!(!quoted.matches(&Content::text("Coming?")));
    assert!(!quoted.matches(&Content::text("Going?")));
    for of in [Reference::new(user("carol"), ID), Reference::new(user("bob"), id(8))] {
        let other = Quote::new(of, &original);
        assert!(other.to_raw().hash != quote.to_raw().hash);
    }
    // Words that were not said, under the right hash.
    let mut forged = quote.to_raw();
    forged.excerpt = "Never!".to_owned();
    assert!(!Quote::from_raw(&forged, ID).unwrap().matches(&original));
    // Of what a later version made.
    let later = Content::from_bytes(b"\x1a\x05later\xa2\x38\x01x");
    let quote = Quote::new(name(), &later);
    let sent = Content::from_bytes(&later.encode_at(Timestamp::from_millis(9)));
    assert!(quote.excerpt() == "later" && quote.matches(&sent) && quote.matches(&later));
    // Without a message it is of none; and another answer does not keep it.
    let mut bytes = answer.to_bytes();
    let at = bytes.iter().position(|byte| *byte == 0x22).unwrap();
    bytes.drain(at..at + 18);
    assert!(*Content::from_bytes(&bytes).kind() == Kind::Unknown);
    assert!(answer.clone().reply_to(id(9)).quote().is_none());
    assert!(answer.forward().quote().is_none());
    let excerpt = Quote::new(name(), &Content::text("ü".repeat(300)));
    assert_eq!(excerpt.excerpt(), "ü".repeat(MAX_EXCERPT_LEN / 2));
}

fn id(byte: u8) -> MessageId {
    MessageId::from_bytes([byte; 16])
}

#[test]
fn a_quiz_proves_its_answer_and_no_other() {
    let rng = &mut rng();
    let answer = Answer::new(Choices::one(1), rng);
    let kept = Answer::from_bytes(&answer.to_bytes());
    assert!(kept == answer);
    let quiz = Poll::new("Which?", ["this", "that"]).with_answer(&answer);
    let opened = |answer: Option<&Answer>| {
        let content = Content::from_bytes(&Content::close(ID, &[0, 0], answer).to_bytes());
        let Kind::Closing(closing) = content.kind() else { panic!("a closing") };
        quiz.answer_in(closing)
    };
    assert_eq!(opened(Some(&kept)), Some(Choices::one(1)));
    assert_eq!(opened(None), None);
    for byte in 0..Answer::LEN {
        let mut other = answer.to_bytes();
        other[byte] ^= 1;
        assert_eq!(opened(Some(&Answer::from_bytes(&other))), None);
    }
    assert!(Answer::new(Choices::one(1), rng).commitment() != answer.commitment());
    // A poll without an answer has none, whatever is said of it.
    let closing = Content::close(ID, &[], Some(&answer));
    let Kind::Closing(closing) = closing.kind() else { panic!("a closing") };
    assert_eq!(Poll::new("Which?", ["this", "that"]).answer_in(closing), None);
}

#[test]
fn a_call_has_keys_of_its_own_between_two_devices() {
    let rng = &mut rng();
    let device = |name, id| Address { user: user(name), device: DeviceId::new(id).unwrap() };
    let [alice, bob] = [device("alice", 1), device("bob", 2)];
    let [offer, other_offer] = [(); 2].map(|()| Offer::new(Media::Voice, "v=0", rng));
    let [answer, other_answer] = [(); 2].map(|()| call::Answer::new("v=0", rng));
    let call = Call::begin(offer.clone(), rng);
    let other_call = Call::begin(offer.clone(), rng);
    let elsewhere = device("bob", 3);
    let keys = [
        call.media_keys([&alice, &bob], &offer, &answer),
        call.media_keys([&bob, &alice], &offer, &answer),
        call.media_keys([&alice, &elsewhere], &offer, &answer),
        call.media_keys([&alice, &bob], &other_offer, &answer),
        call.media_keys([&alice, &bob], &offer, &other_answer),
        other_call.media_keys([&alice, &bob], &offer, &answer),
    ];
    let all: std::collections::HashSet<_> =
        keys.iter().flat_map(|keys| [*keys.caller(), *keys.callee()]).collect();
    assert_eq!(all.len(), 12);
    // As the other side has them.
    let sent = Content::from_bytes(&Content::call(call.clone()).to_bytes());
    let Kind::Call(received) = sent.kind() else { panic!("a call") };
    let Step::Offer(heard) = received.step() else { panic!("an offer") };
    let theirs = received.media_keys([&alice, &bob], heard, &answer);
    assert_eq!((theirs.caller(), theirs.callee()), (keys[0].caller(), keys[0].callee()));
}

#[test]
fn names_come_out_fit_to_be_shown() {
    let card = Card::of("Bob\u{202e}\u{200b}\n");
    assert_eq!(card.name(), "Bob");
    let file = Attachment::from(pointer()).named("a\u{202e}gpj.exe");
    assert_eq!(file.name().as_deref(), Some("agpj.exe"));
    let text = Text::from("one \u{202e}two").styled(4..10, Style::Spoiler);
    let pieces: Vec<_> = text.pieces().into_iter().map(|piece| piece.text).collect();
    assert_eq!(pieces, ["one ", "two"]);
    assert_eq!(display::text(text.as_str()), "one two");
}

#[test]
fn nothing_that_was_said_is_printed() {
    for content in contents() {
        let shown = format!("{content:?} {:?}", content.kind());
        assert!(shown.len() < 40 && shown.starts_with("Content("), "{shown}");
    }
}

proptest! {
    #[test]
    fn pieces_are_the_whole_text_in_order(
        words in "[a-zü€👍 ]{0,30}",
        parts in prop::collection::vec((any::<prop::sample::Index>(), 1..6_usize, 0..4_usize), 0..6),
    ) {
        let at: Vec<usize> = words.char_indices().map(|(at, _)| at).chain([words.len()]).collect();
        let mut text = Text::from(words.as_str());
        for (place, length, style) in parts {
            let start = place.index(at.len());
            let range = at[start]..at[(start + length).min(at.len() - 1)];
            text = match [Style::Bold, Style::Italic, Style::Spoiler].get(style) {
                Some(style) => text.styled(range, *style),
                None => text.mentioning(range, user("bob")),
            };
        }
        let pieces = text.pieces();
        let joined: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        prop_assert_eq!(joined, words);
        prop_assert!(pieces.iter().all(|piece| !piece.text.is_empty()));
        let content = Content::text(text.clone());
        let received = Content::from_bytes(&content.to_bytes());
        // Whatever is well formed goes through; nothing else does.
        prop_assert_eq!(content.check().is_ok(), *received.kind() == Kind::Text(text));
    }
}
