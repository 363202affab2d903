//! What is kept of one number of a chain: a row beside the chain's record.

use zeroize::Zeroizing;

use crate::crypto::Secret;
use crate::ratchet::{MessageKey, Salt};
use crate::timestamp::Timestamp;
use crate::wire::DecodeError;
use crate::wire::stored::{self, sender_key as records};

/// What is kept of one number of a chain.
pub(super) enum Iteration {
    /// It was passed over, at that time, and may still come.
    Missing { message_key: MessageKey, at: Timestamp },
    /// It has opened. Another salt under its tag shows that the sender was rolled back.
    Opened { salt: Salt },
}

impl Iteration {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let state = match self {
            Self::Missing { message_key, at } => {
                records::iteration::State::Missing(records::MissingIteration {
                    message_key: message_key.0.expose().to_vec(),
                    at: at.as_millis(),
                })
            }
            Self::Opened { salt } => records::iteration::State::Salt(salt.to_vec()),
        };
        stored::encode(&records::Iteration { state: Some(state) })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "iteration record";
        let malformed = DecodeError::Malformed(WHAT);
        let raw: records::Iteration = stored::decode(bytes, WHAT)?;
        match raw.state.as_ref().ok_or(malformed)? {
            records::iteration::State::Missing(missing) => Ok(Self::Missing {
                message_key: MessageKey(Secret::from_slice(&missing.message_key).ok_or(malformed)?),
                at: Timestamp::from_millis(missing.at),
            }),
            records::iteration::State::Salt(salt) => {
                Ok(Self::Opened { salt: stored::array(salt, WHAT)? })
            }
        }
    }
}
