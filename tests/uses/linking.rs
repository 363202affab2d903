//! A laptop is linked to a phone's account by a QR code: the laptop shows it, the phone's
//! camera reads it, and both show six digits for their owner to compare.

use subrosa::store::MemoryStore;
use subrosa::{Content, EventKind, LinkCode, Messenger, Opened, Options};

use crate::net::{Net, Result, Shown, introduce, open, settle, user};

/// Uppercase hex: digits and letters that QR codes have a mode for, at 5.5 bits each.
fn to_qr(code: &LinkCode) -> String {
    code.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// What a camera has read; nothing if it is no link code.
fn from_qr(text: &str) -> Option<LinkCode> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let (pairs, []) = text.as_bytes().as_chunks() else { return None };
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    LinkCode::parse(&bytes.collect::<Option<Vec<u8>>>()?)
}

/// What the laptop shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Screen {
    qr: String,
    digits: String,
}

/// The laptop's program, each time that it is started: until it is linked it shows its code,
/// the same each time.
fn laptop(net: &Net, disk: &MemoryStore, screen: &mut Screen) -> Result<Option<Messenger>> {
    let mut linking = match Messenger::open(disk.clone(), Options::default())? {
        Opened::Ready(messenger) => return Ok(Some(messenger)),
        Opened::Linking(linking) => linking,
        Opened::Empty(setup) => setup.link(&user("bob"), "laptop")?,
    };
    *screen = Screen { qr: to_qr(linking.code()), digits: linking.code().short() };
    let mailbox = linking.address().clone();
    for (number, envelope) in net.page(&mailbox)? {
        let answer = linking.receive(&envelope)?;
        net.delete(&mailbox, number)?;
        if answer.is_some() {
            return Ok(answer);
        }
    }
    Ok(None)
}

/// The same, before anybody has read its code.
fn shown(net: &Net, disk: &MemoryStore) -> Screen {
    let mut screen = Screen::default();
    assert!(laptop(net, disk, &mut screen).unwrap().is_none());
    screen
}

/// What the phone does with a QR code that its camera has read: it shows the name and the
/// digits in it, and goes on if its owner sees the same on the other device.
fn scanned(
    phone: &mut Messenger,
    qr: &str,
    same: impl FnOnce(&str, &str) -> bool,
) -> std::result::Result<bool, subrosa::Error> {
    let Some(code) = from_qr(qr) else { return Ok(false) };
    if !same(code.device_name(), &code.short()) {
        return Ok(false);
    }
    phone.link_device(&code)?;
    Ok(true)
}

/// Alice, and Bob's phone, who talk.
fn pair(net: &Net) -> (Messenger, Messenger) {
    let mut alice = open(MemoryStore::new(), "alice").unwrap();
    let mut phone = open(MemoryStore::new(), "bob").unwrap();
    introduce(net, &mut alice, &mut phone);
    (alice, phone)
}

fn own_texts(shown: &Shown) -> Vec<String> {
    let text = |kind: &EventKind| match kind {
        EventKind::OwnMessage(message) => Some(message.content.to_string()),
        _ => None,
    };
    shown.0.values().filter_map(text).collect()
}

#[test]
fn a_laptop_that_shows_a_qr_code_is_linked_by_the_phone_that_reads_it() {
    let (net, disk) = (Net::default(), MemoryStore::new());
    let (mut alice, mut phone) = pair(&net);
    let screen = shown(&net, &disk);
    assert_eq!(shown(&net, &disk), screen);
    let confirmed = scanned(&mut phone, &screen.qr, |name, digits| {
        assert_eq!(name, "laptop");
        digits == screen.digits
    });
    assert!(confirmed.unwrap());
    net.carry(&mut phone).unwrap();
    let mut laptop = laptop(&net, &disk, &mut Screen::default()).unwrap().unwrap();

    let mut apps: [Shown; 3] = Default::default();
    let mut all = |alice: &mut Messenger, phone: &mut Messenger, laptop: &mut Messenger| {
        let [alices, phones, laptops] = &mut apps;
        settle(&net, &mut [(alice, alices), (phone, phones), (laptop, laptops)]);
    };
    all(&mut alice, &mut phone, &mut laptop);
    alice.send(user("bob"), Content::text("hello, both of you")).unwrap();
    laptop.send(user("alice"), Content::text("from the laptop")).unwrap();
    phone.send(user("alice"), Content::text("from the phone")).unwrap();
    all(&mut alice, &mut phone, &mut laptop);
    let [alices, phones, laptops] = &apps;
    assert_eq!(phones.texts(), ["hello, both of you"]);
    assert_eq!(laptops.texts(), ["hello, both of you"]);
    let mut texts = alices.texts();
    texts.sort();
    assert_eq!(texts, ["from the laptop", "from the phone"]);
    assert_eq!(own_texts(phones), ["from the laptop"]);
    assert_eq!(own_texts(laptops), ["from the phone"]);
}

#[test]
fn a_code_that_somebody_else_holds_before_the_camera_shows_other_digits() {
    let net = Net::default();
    let (_, mut phone) = pair(&net);
    let disks = [MemoryStore::new(), MemoryStore::new()];
    let [genuine, stranger] = disks.each_ref().map(|disk| shown(&net, disk));
    let confirmed = scanned(&mut phone, &stranger.qr, |_, digits| digits == genuine.digits);
    assert!(!confirmed.unwrap());
    assert_eq!(net.carry(&mut phone).unwrap(), 0);
    assert_eq!(shown(&net, &disks[1]), stranger);
}

#[test]
fn every_code_fits_a_qr_code_and_nothing_else_is_taken_for_one() {
    let code = |owner: &str| {
        let opened = Messenger::open(MemoryStore::new(), Options::default()).unwrap();
        let Opened::Empty(setup) = opened else { panic!("not empty") };
        to_qr(setup.link(&user(owner), &"n".repeat(64)).unwrap().code())
    };
    // What versions 18 and 10 hold of such characters, at the usual level of correction.
    let (longest, usual) = (code(&"u".repeat(255)), code("bob@example.org"));
    assert!(longest.len() <= 816 && usual.len() <= 311, "{}, {}", longest.len(), usual.len());
    assert!(usual.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()));
    assert!(from_qr(&longest).is_some());
    for length in 0..usual.len() {
        assert!(from_qr(&usual[..length]).is_none());
    }
    for other in ["https://example.org/", "+1", "WIFI:T:WPA;S:rose;;", "ü"] {
        assert!(from_qr(other).is_none());
    }
}
