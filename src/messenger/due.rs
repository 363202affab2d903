//! What is to be done at a certain time: one row for each, in the order of time.

use std::time::Duration;

use zeroize::Zeroizing;

use super::table::{DUE, TIMERS};
use super::work::Work;
use super::{Error, table};
use crate::address::UserId;
use crate::group::GroupId;
use crate::timestamp::Timestamp;

/// How many due jobs one commit does.
const JOBS_A_COMMIT: usize = 64;

/// More jobs than there ever are.
const MOST_JOBS: usize = 1 << 20;

/// When jobs are done that a clock which was ahead had put off.
const BROUGHT_FORWARD: Duration = Duration::from_secs(60 * 60);

/// A kind of job; its subject is the rest of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// Envelopes that nobody knew.
    Held,
    /// A message whose time has come.
    Scheduled,
    /// A user's bundle is to be asked for.
    Fetch,
    /// Messages to a device that have no receipt.
    Log,
    /// What is missing from a device, and sessions with it that may be broken.
    Repair,
    /// What has to be done once a day.
    Daily,
    /// The part of the daily work that goes through all rows of a table.
    Sweep,
    /// Messages of a group that wait for a state of it.
    GroupHeld,
    /// What is missing of a device's chains in a group.
    GroupGaps,
    /// People who are to be added to a group.
    GroupIntents,
    /// Our chain in a group, where nobody has said that it has come.
    GroupKeys,
    /// A comparison by emoji that has taken too long.
    Emoji,
    /// Envelopes of groups that are of no chain known here.
    GroupUnknown,
    /// A message that disappears.
    Disappear,
    /// Groups that a device may have forgotten.
    GroupReminder,
    /// Groups that others speak of, and that this device may have forgotten.
    GroupForgotten,
}

impl Job {
    const fn number(self) -> u8 {
        match self {
            Self::Held => 1,
            Self::Scheduled => 2,
            Self::Fetch => 3,
            Self::Log => 4,
            Self::Repair => 5,
            Self::Daily => 6,
            Self::Sweep => 7,
            Self::GroupHeld => 8,
            Self::GroupGaps => 9,
            Self::GroupIntents => 10,
            Self::GroupKeys => 11,
            Self::Emoji => 12,
            Self::GroupUnknown => 13,
            Self::Disappear => 14,
            Self::GroupReminder => 15,
            Self::GroupForgotten => 16,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Held,
            2 => Self::Scheduled,
            3 => Self::Fetch,
            4 => Self::Log,
            5 => Self::Repair,
            6 => Self::Daily,
            7 => Self::Sweep,
            8 => Self::GroupHeld,
            9 => Self::GroupGaps,
            10 => Self::GroupIntents,
            11 => Self::GroupKeys,
            12 => Self::Emoji,
            13 => Self::GroupUnknown,
            14 => Self::Disappear,
            15 => Self::GroupReminder,
            16 => Self::GroupForgotten,
            _ => return None,
        })
    }
}

fn timer_key(job: Job, subject: &[u8]) -> Vec<u8> {
    [&[job.number()], subject].concat()
}

fn due_key(at: Timestamp, timer: &[u8]) -> Vec<u8> {
    [&at.as_millis().to_be_bytes(), timer].concat()
}

fn time_of(value: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_millis(u64::from_be_bytes(value.try_into().ok()?)))
}

impl Work<'_> {
    /// Sets a job for this time, unless it is set for an earlier one.
    pub(super) fn set_due(&mut self, job: Job, subject: &[u8], at: Timestamp) -> Result<(), Error> {
        let timer = timer_key(job, subject);
        if let Some(set) = self.view.get(TIMERS, &timer)?.and_then(|value| time_of(&value)) {
            if set <= at {
                return Ok(());
            }
            self.view.delete(DUE, due_key(set, &timer));
        }
        self.view.put(DUE, due_key(at, &timer), Zeroizing::default());
        self.view.put(TIMERS, timer, Zeroizing::new(at.as_millis().to_be_bytes().to_vec()));
        Ok(())
    }

    /// Takes a job off.
    pub(super) fn clear_due(&mut self, job: Job, subject: &[u8]) -> Result<(), Error> {
        let timer = timer_key(job, subject);
        if let Some(set) = self.view.get(TIMERS, &timer)?.and_then(|value| time_of(&value)) {
            self.view.delete(DUE, due_key(set, &timer));
            self.view.delete(TIMERS, timer);
        }
        Ok(())
    }

    /// When the next job is due.
    pub(super) fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let first = self.view.scan(DUE, &[], 1)?.into_iter().next();
        Ok(first.and_then(|(key, _)| time_of(key.get(..8)?)))
    }

    /// Does some of the work that is due; says whether more may be.
    pub(super) fn do_due(&mut self) -> Result<bool, Error> {
        let rows = self.view.scan(DUE, &[], JOBS_A_COMMIT)?;
        let mut done = 0;
        for (key, _) in rows {
            let Some((at, timer)) = key.split_first_chunk::<8>() else {
                self.view.delete(DUE, key);
                continue;
            };
            if Timestamp::from_millis(u64::from_be_bytes(*at)) > self.now {
                break;
            }
            self.view.delete(TIMERS, timer.to_vec());
            if let Some((number, subject)) = timer.split_first()
                && let Some(job) = Job::from_number(*number)
            {
                let subject = subject.to_vec();
                self.view.delete(DUE, key);
                self.do_job(job, &subject)?;
            } else {
                self.view.delete(DUE, key);
            }
            done += 1;
        }
        Ok(done == JOBS_A_COMMIT)
    }

    fn do_job(&mut self, job: Job, subject: &[u8]) -> Result<(), Error> {
        let device = || table::split_device(subject).map(|(address, _)| address);
        match job {
            Job::Held => self.try_held(device().as_ref()),
            Job::Scheduled => self.send_scheduled(subject),
            Job::Fetch => table::split_user(subject).map_or(Ok(()), |(user, _)| self.fetch(&user)),
            Job::Log => device().map_or(Ok(()), |address| self.look_after_log(&address)),
            Job::Repair => device().map_or(Ok(()), |address| self.look_after_repair(&address)),
            Job::Daily => self.do_daily(),
            Job::Sweep => self.sweep(subject),
            Job::GroupHeld => self.try_group_held(subject),
            Job::GroupGaps => self.look_after_gaps(subject),
            Job::GroupKeys => self.hand_over_again(subject),
            Job::Emoji => match UserId::new(subject) {
                Ok(user) => self.look_after_comparison(&user),
                Err(_) => Ok(()),
            },
            Job::GroupUnknown => self.try_unknown(device().as_ref()),
            Job::Disappear => self.disappear(subject),
            Job::GroupReminder => {
                device().map_or(Ok(()), |address| self.remind_of_groups(&address))
            }
            Job::GroupForgotten => self.ask_for_forgotten(subject),
            Job::GroupIntents => match subject.try_into() {
                Ok(group) => self.add_intended(&GroupId::from_bytes(group)),
                Err(_) => Ok(()),
            },
        }
    }
}

/// Brings all jobs forward: a clock that was ahead has put them off for too long. What is
/// done too early looks what there is to do, and sets its own time again.
pub(super) fn bring_forward(work: &mut Work<'_>) -> Result<(), Error> {
    let at = work.now.after(BROUGHT_FORWARD);
    for (key, _) in work.view.scan(DUE, &at.as_millis().to_be_bytes(), MOST_JOBS)? {
        let Some(timer) = key.get(8..).map(<[u8]>::to_vec) else { continue };
        // Scheduled messages keep their time, however far.
        if timer.first() == Some(&Job::Scheduled.number()) {
            continue;
        }
        work.view.delete(DUE, key);
        work.view.put(DUE, due_key(at, &timer), Zeroizing::default());
        work.view.put(TIMERS, timer, Zeroizing::new(at.as_millis().to_be_bytes().to_vec()));
    }
    Ok(())
}
