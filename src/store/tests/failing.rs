//! The store that fails on demand, and an encrypted store on top of it.

use super::*;
use crate::store::{FailingStore, Failure, Row, StoreError};

#[test]
fn a_failing_store_is_a_store_until_it_fails() {
    check_store(|| FailingStore::new(MemoryStore::new()), FailingStore::clone);
}

#[test]
fn the_chosen_operation_fails_and_no_other() {
    let store = FailingStore::new(MemoryStore::new());
    store.fail_at(2, Failure::Before);
    assert!(store.get(TABLE, b"a").is_ok());
    assert!(!store.has_failed());
    assert!(matches!(store.scan(TABLE, b"", 1), Err(StoreError::Unavailable(_))));
    assert!(store.has_failed());
    assert!(store.revision().is_ok());
    assert_eq!(store.operations(), 3);
    assert_eq!(format!("{store:?}"), "FailingStore(3 operations)");

    let changes = changes(Revision::EMPTY, &[(TABLE, b"a", Some(b"1"))]);
    store.fail_at(1, Failure::Before);
    assert!(store.commit(Revision::EMPTY, &changes).is_err());
    assert_eq!(store.revision().unwrap(), Revision::EMPTY);
    store.fail_at(1, Failure::After);
    assert!(store.commit(Revision::EMPTY, &changes).is_err());
    assert_eq!(store.revision().unwrap(), changes.revision());
    assert_eq!(store.get(TABLE, b"a").unwrap().unwrap(), b"1");
    store.fail_at(1, Failure::Before);
    store.fail_at(0, Failure::Before);
    assert!(store.has_failed() && store.revision().is_ok());
}

/// Opens a store and writes in it, as far as it gets.
fn work(inner: &FailingStore) -> Result<(), StoreError> {
    let store = EncryptedStore::open(inner.clone(), key())?;
    for round in 0..3_u8 {
        let before = store.revision()?;
        let changes =
            changes(before, &[(TABLE, &[round], Some(&[round])), (TABLE, b"all", Some(&[round]))]);
        match store.commit(before, &changes) {
            Ok(commit) => assert_eq!(commit, Commit::Done),
            // What the messenger does about a lost answer.
            Err(_) if store.revision()? == changes.revision() => {}
            Err(error) => return Err(error),
        }
        assert!(store.get(TABLE, b"all")?.is_some());
        assert_eq!(store.scan(TABLE, &[round], 1)?, [Row::new(vec![round], vec![round])]);
    }
    Ok(())
}

#[test]
fn wherever_the_inner_store_fails_an_encrypted_store_stays_whole() {
    for failure in [Failure::Before, Failure::After] {
        for n in 1.. {
            let inner = FailingStore::new(MemoryStore::new());
            inner.fail_at(n, failure);
            let result = work(&inner);
            if !inner.has_failed() {
                assert!(result.is_ok() && n > 20);
                break;
            }
            assert!(matches!(result, Ok(()) | Err(StoreError::Unavailable(_))), "{n}: {result:?}");
            // Whatever was written is a whole number of rounds, and goes on.
            let store = EncryptedStore::open(inner.clone(), key()).unwrap();
            let rows = store.scan(TABLE, b"", 9).unwrap();
            let rounds = rows.len().saturating_sub(1);
            let all = store.get(TABLE, b"all").unwrap();
            assert_eq!(all.map(|all| usize::from(all[0]) + 1).unwrap_or(0), rounds, "{n}");
            drop(store);
            work(&inner).unwrap();
        }
    }
}

#[test]
fn a_handle_goes_on_after_a_commit_whose_answer_was_lost() {
    for failure in [Failure::Before, Failure::After] {
        let inner = FailingStore::new(MemoryStore::new());
        let store = EncryptedStore::open(inner.clone(), key()).unwrap();
        for round in 0..4_u8 {
            let before = store.revision().unwrap();
            let changes = changes(before, &[(TABLE, &[round], Some(b"x"))]);
            assert_eq!(store.scan(TABLE, b"", 9).unwrap().len(), usize::from(round));
            // The first commit of all looks whether the store is still empty.
            inner.fail_at(if round == 0 { 2 } else { 1 }, failure);
            assert!(store.commit(before, &changes).is_err());
            assert!(inner.has_failed());
            if store.revision().unwrap() == before {
                assert_eq!(store.commit(before, &changes).unwrap(), Commit::Done);
            }
            assert_eq!(store.scan(TABLE, b"", 9).unwrap().len(), usize::from(round) + 1);
        }
    }
}
