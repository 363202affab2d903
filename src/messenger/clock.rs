//! A clock that may jump: nothing is deleted for its age while it is not to be trusted.
//!
//! Times that were written down by a clock that was ahead lie in the future once it is
//! right. Wherever one is read, it counts as now: else what hangs on it would wait until
//! then, which may be years.

use std::time::Duration;

use super::work::Work;
use super::{Error, due, table};
use crate::timestamp::Timestamp;
use crate::wire::stored;
use crate::wire::stored::messenger::Clock;

const KEY: &[u8] = b"clock";

/// A clock that moves by more than this between two commits may be wrong.
const LEAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a clock has to be steady before anything is deleted for its age.
const STEADY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the time is written down.
const NOTED: Duration = Duration::from_secs(60 * 60);

/// Compares the time with the one seen last.
pub(super) fn observe(work: &mut Work<'_>) -> Result<(), Error> {
    let now = work.now;
    let Some(Seen { seen, steady_since }) = last_seen(work)? else {
        return note(work, now, Timestamp::default());
    };
    if seen.since(now) > LEAP {
        // What was put off until then, by a clock that was ahead, would never be due.
        due::bring_forward(work)?;
    }
    if now.since(seen) > LEAP || seen.since(now) > LEAP {
        return note(work, now, now);
    }
    work.may_expire = now >= steady_since.after(STEADY);
    work.steady_since = steady_since;
    if now.since(seen) > NOTED || seen.since(now) > NOTED {
        return note(work, now, steady_since);
    }
    Ok(())
}

/// What was written down last.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    seen: Timestamp,
    steady_since: Timestamp,
}

fn last_seen(work: &mut Work<'_>) -> Result<Option<Seen>, Error> {
    if work.cache.clock.is_none() {
        let row = work.view.get(table::OWN, KEY)?;
        let known = row.and_then(|row| stored::decode::<Clock>(&row, "clock").ok());
        work.cache.clock = known.map(|known| Seen {
            seen: Timestamp::from_millis(known.seen),
            steady_since: Timestamp::from_millis(known.steady_since),
        });
    }
    Ok(work.cache.clock)
}

fn note(work: &mut Work<'_>, seen: Timestamp, steady_since: Timestamp) -> Result<(), Error> {
    let record = Clock { seen: seen.as_millis(), steady_since: steady_since.as_millis() };
    work.view.put(table::OWN, KEY.to_vec(), stored::encode(&record));
    work.cache.clock = Some(Seen { seen, steady_since });
    Ok(())
}
