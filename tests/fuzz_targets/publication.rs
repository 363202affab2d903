//! What somebody publishes: read by a server, and handed out again.

use subrosa::directory::{DeviceKeys, MemoryDirectory, bundle, read};
use subrosa::handshake::{HandshakeError, PrekeyBundle};
use subrosa::identity::DeviceList;
use subrosa::wire::SignedDeviceList;

use crate::side::START;

pub(crate) fn run(data: &[u8]) {
    let mut directory = MemoryDirectory::new();
    let published = directory.publish(data);
    let Ok(publication) = read(data) else {
        assert!(published.is_err());
        return;
    };
    published.unwrap();
    let user = &publication.address.user;
    let list = SignedDeviceList::decode(&publication.device_list).unwrap();
    let list = DeviceList::verify(list).unwrap();
    assert_eq!(list.user(), user);
    assert_eq!(list.version(), publication.list_version);
    assert_eq!(list.account_key(), publication.account_key);
    assert!(list.device(publication.address.device).is_some());
    let one_time = &publication.one_time_prekeys;
    assert_eq!(directory.prekeys_left(&publication.address), one_time.len());
    let keys = DeviceKeys {
        device: publication.address.device,
        signed_prekey: &publication.signed_prekey,
        one_time_prekey: one_time.first().map(Vec::as_slice),
    };
    let answer = bundle(&publication.device_list, &[keys]);
    assert_eq!(directory.bundle(user).unwrap(), answer);
    let now = subrosa::Timestamp::from_secs(START);
    match PrekeyBundle::decode(&answer).unwrap().verify(user, now) {
        Ok(verified) => {
            assert_eq!(verified.devices()[0].has_one_time_prekey(), !one_time.is_empty());
        }
        Err(error) => assert_eq!(error, HandshakeError::Expired),
    }
}
