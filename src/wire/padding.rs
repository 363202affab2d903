//! How padding is marked: 0x80 and then zero bytes (ISO/IEC 7816-4). How long it is,
//! its users say (SPEC.md, sections 5.2 and 7.1).

/// Pads in place, by one byte at least.
pub(crate) fn pad(bytes: &mut Vec<u8>, padded: usize) {
    bytes.push(0x80);
    bytes.resize(padded.max(bytes.len()), 0);
}

/// The bytes without their padding; `None` if they are not padded.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    let (content, marker) = padded.split_at_checked(end)?;
    (marker.first() == Some(&0x80)).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_comes_off_again() {
        for content in [&b""[..], b"x", b"ends in zeros\0\0", b"ends in \x80"] {
            let mut payload = content.to_vec();
            pad(&mut payload, 256);
            assert_eq!(unpad(&payload), Some(content));
        }
        assert_eq!(unpad(&[0; 256]), None);
        assert_eq!(unpad(b"no marker"), None);
    }
}
