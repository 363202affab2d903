//! The checked-in protobuf code is what the `.proto` files say.
//!
//! `UPDATE_GENERATED=1 cargo test --test generated` writes it anew.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Record types wipe themselves and cannot be printed.
const STORED: &str = ".subrosa.stored.v1";

/// Those of the messenger cannot be printed; those with keys or content wipe themselves.
const MESSENGER: &str = ".subrosa.stored.messenger.v1";
const SECRET: [&str; 14] = [
    "Arrival",
    "Backup",
    "Delivery",
    "EmojiComparison",
    "Errand",
    "Event",
    "HeldEnvelope",
    "Letter",
    "Own",
    "OwnChain",
    "PendingLink",
    "Scheduled",
    "SentToGroup",
    "StockedPrekey",
];

/// Sender keys, stored and on their way: the same.
const SENDER_KEYS: [&str; 5] = [
    ".subrosa.stored.sender_key.v1.SendingChain",
    ".subrosa.stored.sender_key.v1.ReceivingChain",
    ".subrosa.stored.sender_key.v1.Iteration",
    ".subrosa.stored.sender_key.v1.MissingIteration",
    ".subrosa.v1.SenderKeyDistribution",
];

/// The rosters of groups.
const ROSTER: &str = ".subrosa.stored.roster.v1";

/// What people say wipes itself and cannot be printed.
const SAID: [&str; 22] = [
    ".subrosa.v1.Attachment",
    ".subrosa.v1.Attachments",
    ".subrosa.v1.Call",
    ".subrosa.v1.CallAnswer",
    ".subrosa.v1.CallCandidates",
    ".subrosa.v1.CallOffer",
    ".subrosa.v1.Card",
    ".subrosa.v1.CardEntry",
    ".subrosa.v1.Closing",
    ".subrosa.v1.Delete",
    ".subrosa.v1.Edit",
    ".subrosa.v1.Location",
    ".subrosa.v1.Mention",
    ".subrosa.v1.Pointer",
    ".subrosa.v1.Poll",
    ".subrosa.v1.Preview",
    ".subrosa.v1.Quote",
    ".subrosa.v1.Reaction",
    ".subrosa.v1.Reference",
    ".subrosa.v1.Sticker",
    ".subrosa.v1.Text",
    ".subrosa.v1.Vote",
];

/// Parts of it that are no more than numbers: they are wiped with what they are part of.
const SAID_IN_NUMBERS: [&str; 2] = [".subrosa.v1.CallEnd", ".subrosa.v1.Style"];

/// What travels around it cannot be printed either.
const CARRIED: [&str; 12] = [
    ".subrosa.v1.Content",
    ".subrosa.v1.Timer",
    ".subrosa.v1.Sync",
    ".subrosa.v1.SentCopy",
    ".subrosa.v1.Decision",
    ".subrosa.v1.ReadMarks",
    ".subrosa.v1.LinkPackage",
    ".subrosa.v1.Contact",
    ".subrosa.v1.GroupNote",
    ".subrosa.v1.GroupPart",
    ".subrosa.v1.GroupCopy",
    ".subrosa.v1.GroupNews",
];

/// What is nobody's secret in records that wipe themselves: names, and public keys.
const PUBLIC: [&str; 14] = [
    "account_key",
    "associated_data",
    "claimed_from",
    "conversation",
    "copies",
    "gaps",
    "group_id",
    "handshake_id",
    "message_id",
    "our_public",
    "sessions",
    "their_account_key",
    "their_public",
    "user_id",
];

fn generate(into: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut protos: Vec<PathBuf> = fs::read_dir(root.join("proto"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "proto"))
        .collect();
    protos.sort();
    assert!(protos.len() >= 3);
    let descriptors = protox::compile(&protos, [root.join("proto")]).unwrap();
    let mut config = prost_build::Config::new();
    for name in SECRET {
        let path = format!("{MESSENGER}.{name}");
        config.type_attribute(path, "#[derive(::zeroize::ZeroizeOnDrop)]");
    }
    for name in SENDER_KEYS.into_iter().chain(SAID) {
        config.type_attribute(name, "#[derive(::zeroize::Zeroize, ::zeroize::ZeroizeOnDrop)]");
    }
    for name in SAID_IN_NUMBERS {
        config.type_attribute(name, "#[derive(::zeroize::Zeroize)]");
    }
    for file in &descriptors.file {
        for message in &file.message_type {
            let path = format!(".{}.{}", file.package(), message.name());
            let wiped = [STORED, MESSENGER, ROSTER].contains(&&*format!(".{}", file.package()))
                || SENDER_KEYS.contains(&&*path);
            for field in
                message.field.iter().filter(|field| wiped && PUBLIC.contains(&field.name()))
            {
                config.field_attribute(format!("{path}.{}", field.name()), "#[zeroize(skip)]");
            }
        }
    }
    let packages = [STORED, MESSENGER, ROSTER].into_iter();
    let unprinted = packages.chain(SENDER_KEYS).chain(SAID).chain(SAID_IN_NUMBERS).chain(CARRIED);
    config
        .out_dir(into)
        .skip_protoc_run()
        .skip_debug(unprinted)
        .type_attribute(MESSENGER, "#[derive(::zeroize::Zeroize)]")
        .message_attribute(STORED, "#[derive(::zeroize::Zeroize, ::zeroize::ZeroizeOnDrop)]")
        .type_attribute(ROSTER, "#[derive(::zeroize::Zeroize, ::zeroize::ZeroizeOnDrop)]")
        .enum_attribute(STORED, "#[derive(::zeroize::Zeroize, ::zeroize::ZeroizeOnDrop)]")
        .compile_fds(descriptors)
        .unwrap();
}

#[test]
fn generated_code_is_up_to_date() {
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/generated");
    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(&checked_in).unwrap();
        generate(&checked_in);
        return;
    }
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    fs::create_dir_all(&fresh).unwrap();
    generate(&fresh);
    for package in [
        "subrosa.v1.rs",
        "subrosa.stored.v1.rs",
        "subrosa.stored.messenger.v1.rs",
        "subrosa.stored.roster.v1.rs",
        "subrosa.stored.sender_key.v1.rs",
    ] {
        let read = |folder: &Path| fs::read_to_string(folder.join(package)).unwrap();
        assert_eq!(
            read(&fresh),
            read(&checked_in),
            "{package} differs: UPDATE_GENERATED=1 cargo test --test generated"
        );
    }
}
