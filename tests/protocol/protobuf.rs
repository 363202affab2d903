//! Protobuf messages taken apart and put together by field, for those who alter them.

/// The fields of one message, in order.
#[derive(Debug, Clone)]
pub(crate) struct Fields(pub(crate) Vec<Field>);

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) number: u64,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(Vec<u8>),
    Fixed32([u8; 4]),
}

impl Fields {
    pub(crate) fn decode(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = take_varint(&mut bytes);
            let value = match key & 7 {
                0 => Value::Varint(take_varint(&mut bytes)),
                1 => Value::Fixed64(take(&mut bytes, 8).try_into().unwrap()),
                2 => {
                    let len = take_varint(&mut bytes);
                    Value::Bytes(take(&mut bytes, usize::try_from(len).unwrap()).to_vec())
                }
                5 => Value::Fixed32(take(&mut bytes, 4).try_into().unwrap()),
                other => panic!("wire type {other}"),
            };
            fields.push(Field { number: key >> 3, value });
        }
        Self(fields)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Field { number, value } in &self.0 {
            let (wire_type, content) = match value {
                Value::Varint(number) => (0, varint(*number)),
                Value::Fixed64(content) => (1, content.to_vec()),
                Value::Bytes(content) => {
                    (2, [varint(u64::try_from(content.len()).unwrap()), content.clone()].concat())
                }
                Value::Fixed32(content) => (5, content.to_vec()),
            };
            bytes.extend(varint(number << 3 | wire_type));
            bytes.extend(content);
        }
        bytes
    }

    /// The first field with this number.
    pub(crate) fn find(&mut self, number: u64) -> &mut Value {
        &mut self.0.iter_mut().find(|field| field.number == number).unwrap().value
    }

    /// The bytes of the first field with this number.
    pub(crate) fn bytes(&mut self, number: u64) -> &mut Vec<u8> {
        match self.find(number) {
            Value::Bytes(bytes) => bytes,
            other => panic!("not bytes: {other:?}"),
        }
    }
}

/// Changes the message at the end of a path of field numbers.
pub(crate) fn edit(message: &[u8], path: &[u64], change: impl FnOnce(&mut Fields)) -> Vec<u8> {
    let mut fields = Fields::decode(message);
    match path.split_first() {
        None => change(&mut fields),
        Some((number, rest)) => {
            let inner = fields.bytes(*number);
            *inner = edit(inner, rest, change);
        }
    }
    fields.encode()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in 0..10 {
        let byte = take(bytes, 1)[0];
        number |= u64::from(byte & 0x7f) << (7 * shift);
        if byte < 0x80 {
            break;
        }
    }
    number
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(len);
    *bytes = rest;
    taken
}
