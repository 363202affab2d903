//! Every mutant of the rule breaks an invariant in a small world: the invariants are not
//! empty, and each part of the rule is there for a reason.

use super::exhaustive::{DEEDS, DEVICE_DEEDS, Deed, worlds};
use super::invariants::broken;
use super::naive::{Change, MUTANTS, Mutant, Naive};

fn mutated(changes: &[Change], mutant: Mutant) -> Naive<'_> {
    Naive { mutant: Some(mutant), ..Naive::new(changes) }
}

/// Which invariant breaks first; stops there.
fn caught(mutant: Mutant, deeds: &[Deed]) -> Option<u32> {
    let mut first = None;
    let mut found = |changes: &[Change]| {
        if first.is_some() {
            return;
        }
        let naive = mutated(changes, mutant);
        if (0..changes.len()).all(|place| naive.is_valid(place)) {
            let all = (0..changes.len()).fold(0, |all, place| all | 1 << place);
            first = broken(&naive, &naive.state(all));
        }
    };
    // These two let in what the rule refuses; the others are wrong about valid changes.
    let lax = matches!(mutant, Mutant::AdminsRemoveAdmins | Mutant::OnceAdmin);
    worlds(deeds, 3, lax.then_some(mutant), &mut found, &mut |_| ());
    first
}

#[test]
fn every_mutant_of_the_rule_breaks_an_invariant() {
    let deeds = |mutant| match mutant {
        Mutant::DevicesForever => DEVICE_DEEDS.as_slice(),
        _ => DEEDS.as_slice(),
    };
    let caught = MUTANTS.map(|mutant| (mutant, caught(mutant, deeds(mutant))));
    println!("{caught:?}");
    assert!(caught.iter().all(|(_, invariant)| invariant.is_some()), "{caught:?}");
}
