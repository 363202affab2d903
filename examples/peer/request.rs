//! A line as a request.

use subrosa::session::Numbers;
use subrosa::{Address, DeviceId, UserId};

use crate::failure::Failure;
use crate::group_request::GroupRequest;
use crate::hex;

/// The longest line: a bundle of the greatest length fits in well.
pub(crate) const MAX_LINE_LEN: usize = 1 << 20;

/// The most words of a line that are told apart: one more than any request has.
const MAX_WORDS: usize = 7;

/// What a line asks for.
pub(crate) enum Request {
    /// A new account with one device.
    Create(UserId),
    /// A bundle of this device.
    Bundle {
        /// With a fresh one-time prekey.
        one_time: bool,
    },
    /// A session with the first device in a bundle.
    Initiate {
        /// Whose bundle it has to be.
        user: UserId,
        /// The encoded bundle.
        bundle: Vec<u8>,
    },
    /// A message.
    Send {
        /// For whom.
        to: Address,
        /// What it says.
        content: Vec<u8>,
        /// Whether it has a number.
        numbers: Numbers,
    },
    /// The answer that the last message of a device asked for.
    Answer(Address),
    /// An envelope that came.
    Receive(Vec<u8>),
    /// How the sending session with a device is.
    Status(Address),
    /// The safety number with a user.
    Safety(UserId),
    /// Something about a group.
    Group(GroupRequest),
    /// Everything encoded, dropped and loaded.
    Reload,
    /// The end.
    Quit,
}

impl Request {
    /// The request in a line without its end.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Failure> {
        if line.len() > MAX_LINE_LEN {
            return Err(Failure::usage("the line is longer than 1048576 bytes"));
        }
        let line = str::from_utf8(line).map_err(|_| Failure::usage("the line is not UTF-8"))?;
        let words: Vec<_> = line.splitn(MAX_WORDS, ' ').collect();
        Ok(match words[..] {
            ["create", name] => Self::Create(user(name)?),
            ["bundle", "one-time"] => Self::Bundle { one_time: true },
            ["bundle", "none"] => Self::Bundle { one_time: false },
            ["initiate", name, bundle] => {
                Self::Initiate { user: user(name)?, bundle: hex::decode(bundle)? }
            }
            ["send", name, number, content] => Self::Send {
                to: address(name, number)?,
                content: hex::decode(content)?,
                numbers: Numbers::Next,
            },
            ["notice", name, number, content] => Self::Send {
                to: address(name, number)?,
                content: hex::decode(content)?,
                numbers: Numbers::Unnumbered,
            },
            ["answer", name, number] => Self::Answer(address(name, number)?),
            ["receive", envelope] => Self::Receive(hex::decode(envelope)?),
            ["status", name, number] => Self::Status(address(name, number)?),
            ["safety", name] => Self::Safety(user(name)?),
            [name, ..] if name.starts_with("group-") => Self::Group(GroupRequest::parse(&words)?),
            ["reload"] => Self::Reload,
            ["quit"] => Self::Quit,
            _ => return Err(no_such_request()),
        })
    }
}

pub(crate) fn no_such_request() -> Failure {
    Failure::usage("no such request, or not its number of words")
}

pub(crate) fn user(word: &str) -> Result<UserId, Failure> {
    UserId::new(hex::decode(word)?).map_err(Failure::usage)
}

pub(crate) fn address(name: &str, number: &str) -> Result<Address, Failure> {
    Ok(Address { user: user(name)?, device: device(number)? })
}

fn device(word: &str) -> Result<DeviceId, Failure> {
    // `parse` alone would take a sign.
    let digits = Some(word).filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .and_then(DeviceId::new)
        .ok_or_else(|| Failure::usage("a device id is a decimal number from 1 to 4294967295"))
}
