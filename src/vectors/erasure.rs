//! Shards of a key and of a ciphertext, and the way back.

use serde_json::{Value, json};

use super::{Draws, hex, model};
use crate::ratchet::erasure::{Cargo, Collector, Sender};

pub(super) fn vectors() -> Value {
    let mut draws = Draws::new(6);
    let key = model::kem_public(&draws.bytes());
    let (ciphertext, shared) = model::encapsulate(&key, &draws.bytes());
    let answer = [ciphertext.as_slice(), &model::pq_confirmation(&shared, 1)].concat();
    json!({
        "codes": [code(Cargo::EncapsulationKey, &key), code(Cargo::Ciphertext, &answer)],
        "fields": [
            field(&key, 1, 0, 1),
            field(&key, 1, 35, 6),
            field(&key, 2, 252, 5),
            field(&key, 300, 254, 1),
        ],
    })
}

fn code(cargo: Cargo, data: &[u8]) -> Value {
    let count = cargo.data_shards();
    let selected = [0, 1, count as u8 - 1, count as u8, count as u8 + 1, 100, 128, 200, 253, 254];
    let shards =
        selected.map(|index| json!({ "index": index, "shard": hex(shard(cargo, data, index)) }));
    let recoveries = [
        (0..255).take(count).collect::<Vec<u8>>(),
        (0..255).skip(1).take(count).collect(),
        (0..255).rev().take(count).collect(),
        (0..255).step_by(6).take(count).collect(),
    ];
    json!({
        "data_shards": count,
        "data": hex(data),
        "shards": shards,
        "recoveries": recoveries.map(|indices| recovery(cargo, data, &indices)),
    })
}

/// One shard, by the crate and by the model.
fn shard(cargo: Cargo, data: &[u8], index: u8) -> Vec<u8> {
    let mut shard = Vec::new();
    Sender::new(cargo, data.to_vec(), index).take(1, &mut shard);
    assert_eq!(shard, model::shard(data, index));
    shard
}

fn recovery(cargo: Cargo, data: &[u8], indices: &[u8]) -> Value {
    let mut collector = Collector::new(cargo);
    let shards: Vec<Vec<u8>> = indices.iter().map(|index| shard(cargo, data, *index)).collect();
    for (index, shard) in indices.iter().zip(&shards) {
        assert!(!collector.is_complete());
        collector.add(*index, shard);
    }
    let added = indices.iter().copied().zip(shards.iter().map(Vec::as_slice));
    assert_eq!(collector.data(added).as_deref(), Some(data));
    json!({ "indices": indices, "shards": hex(shards.concat()) })
}

/// The field `shards` of a sender that stands at `first`.
fn field(key: &[u8], epoch: u32, first: u8, count: usize) -> Value {
    let mut field = vec![epoch as u8, first];
    Sender::new(Cargo::EncapsulationKey, key.to_vec(), first).take(count, &mut field);
    let indices = (0..count).map(|n| ((usize::from(first) + n) % 255) as u8);
    let shards: Vec<u8> = indices.flat_map(|index| model::shard(key, index)).collect();
    assert_eq!(field[2..], shards);
    json!({ "epoch": epoch, "first": first, "count": count, "field": hex(field) })
}
