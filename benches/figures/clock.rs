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
pub(crate) fn medians<const N: usize>(rounds: usize, round: impl FnMut() -> [f64; N]) -> [f64; N] {
    columns(rounds, round, median)
}

/// As [`medians`], where a batch cannot be short: so many are interrupted on a busy machine
/// that the median is one of these, so the number is the tenth part from below.
pub(crate) fn lower_tenths<const N: usize>(
    rounds: usize,
    round: impl FnMut() -> [f64; N],
) -> [f64; N] {
    columns(rounds, round, |numbers| part_from_below(numbers, 10))
}

fn columns<const N: usize>(
    rounds: usize,
    mut round: impl FnMut() -> [f64; N],
    of_column: impl Fn(Vec<f64>) -> f64,
) -> [f64; N] {
    for _ in 0..rounds.div_ceil(10) {
        round();
    }
    let rows: Vec<[f64; N]> = (0..rounds).map(|_| round()).collect();
    std::array::from_fn(|column| of_column(rows.iter().map(|row| row[column]).collect()))
}

/// The middle of some numbers.
pub(crate) fn median(numbers: Vec<f64>) -> f64 {
    part_from_below(numbers, 2)
}

fn part_from_below(mut numbers: Vec<f64>, part: usize) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / part]
}
