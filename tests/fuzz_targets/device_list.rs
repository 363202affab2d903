//! Two signed device lists, as a directory may show them one after the other.

use subrosa::identity::{DeviceList, MAX_DEVICES, SafetyNumber, Succession};
use subrosa::wire::SignedDeviceList;

use crate::input::Input;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let one = verify(input.part());
    let other = verify(input.rest());
    let (Some(one), Some(other)) = (one, other) else { return };
    let there_and_back = (one.compare(&other), other.compare(&one));
    let consistent = match there_and_back {
        (Succession::Newer, back) => back == Succession::Older,
        (Succession::Older, back) => matches!(back, Succession::Newer | Succession::Equivocation),
        (Succession::Equivocation, back) => {
            matches!(back, Succession::Older | Succession::Equivocation)
        }
        (same, back) => same == back,
    };
    assert!(consistent, "{there_and_back:?}");
    let number = SafetyNumber::between(&one, &other);
    assert_eq!(number.digits(), SafetyNumber::between(&other, &one).digits());
}

fn verify(bytes: &[u8]) -> Option<DeviceList> {
    let signed = SignedDeviceList::decode(bytes).ok()?;
    assert_eq!(SignedDeviceList::decode(&signed.encode()).as_ref(), Ok(&signed));
    let list = DeviceList::verify(signed.clone()).ok()?;
    assert_eq!(list.signed(), &signed);
    assert_eq!(list.compare(&list), Succession::Same);
    assert!((1..=MAX_DEVICES).contains(&list.devices().len()));
    for device in list.devices() {
        assert!(list.device(device.id()).is_some_and(|found| found.same_keys(device)));
    }
    Some(list)
}
