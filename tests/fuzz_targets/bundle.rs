//! What a directory may answer: decoded, verified, and used for a handshake.

use std::thread_local;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::handshake::{HandshakeError, PrekeyBundle, initiate};
use subrosa::{Timestamp, UserId};

use crate::side::{START, Side};

thread_local! {
    static ASKING: Side = Side::new("asking", START);
}

/// Whose bundles are asked for.
pub(crate) const OWNER: &str = "owner";

pub(crate) fn run(data: &[u8]) {
    let Ok(bundle) = PrekeyBundle::decode(data) else { return };
    let encoded = bundle.encode();
    let again = PrekeyBundle::decode(&encoded).unwrap();
    assert_eq!(again.encode(), encoded);
    ASKING.with(|asking| use_of(again, asking));
}

fn use_of(bundle: PrekeyBundle, asking: &Side) {
    let owner = UserId::new(OWNER).unwrap();
    assert!(bundle.clone().verify(&asking.address().user, asking.now).is_err());
    let Ok(verified) = bundle.clone().verify(&owner, asking.now) else { return };
    let list = verified.device_list();
    assert_eq!(list.user(), &owner);
    let mut rng = ChaCha8Rng::seed_from_u64(START);
    for prekeys in verified.devices() {
        assert!(list.device(prekeys.address().device).is_some());
        let ours = asking.account.device_list();
        initiate(&asking.device, ours, prekeys, 1, asking.now, &mut rng).unwrap();
    }
    let at_the_end = bundle.verify(&owner, Timestamp::from_secs(u64::MAX));
    let expired = matches!(at_the_end, Err(HandshakeError::Expired));
    assert_eq!(expired, !verified.devices().is_empty());
}
