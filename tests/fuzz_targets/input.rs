//! How the targets take numbers and parts out of the fuzzer's bytes.

use std::collections::BTreeMap;

/// What is left of an input; behind its end are zeros.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// Two bytes, little-endian.
    pub(crate) fn short(&mut self) -> usize {
        u16::from_le_bytes(self.array()).into()
    }

    /// One byte, or nine where the first is 255.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            u8::MAX => u64::from_le_bytes(self.array()),
            small => small.into(),
        }
    }

    /// Two bytes of length, and as many of content.
    pub(crate) fn part(&mut self) -> &'a [u8] {
        let len = self.short().min(self.0.len());
        let (part, rest) = self.0.split_at(len);
        self.0 = rest;
        part
    }

    /// All that is left, as rows: a part that is the key and a part that is the value.
    pub(crate) fn rows(mut self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = BTreeMap::new();
        while !self.is_empty() {
            let key = self.part().to_vec();
            rows.insert(key, self.part().to_vec());
        }
        rows
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_at(N.min(self.0.len()));
        self.0 = rest;
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }
}
