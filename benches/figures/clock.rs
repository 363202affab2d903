//! Times on a machine that others use too: short batches, taken in turns, and the median
//! of each kind.

use std::time::{Duration, Instant};

/// Calls `work` that often; what that took.
pub(crate) fn timed(calls: usize, mut work: impl FnMut()) -> Duration {
    let begun = Instant::now();
    for _ in 0..calls {
        work();
    }
    begun.elapsed()
}

/// Nanoseconds for one of `count`.
pub(crate) fn each(whole: Duration, count: usize) -> f64 {
    whole.as_nanos() as f64 / count as f64
}

/// Runs `round` that often, after a tenth as many to warm up; the median of each of the
/// numbers that it gives.
pub(crate) fn medians<const N: usize>(
    rounds: usize,
    mut round: impl FnMut() -> [f64; N],
) -> [f64; N] {
    for _ in 0..rounds.div_ceil(10) {
        round();
    }
    let rows: Vec<[f64; N]> = (0..rounds).map(|_| round()).collect();
    std::array::from_fn(|column| median(rows.iter().map(|row| row[column]).collect()))
}

/// The middle of some numbers.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
