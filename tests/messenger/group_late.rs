//! Groups in which something is late, goes missing, is withheld or made up.

use subrosa::GroupChange;

use crate::groups::{add, group_of, members, say, three};
use crate::world::World;

#[test]
fn what_was_said_before_a_change_goes_to_those_who_were_members_then() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut dave = world.person("robert");
    world.meet(&mut alice, &mut dave);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    say(&mut alice, &group, "with Carol");
    alice.messenger.change_group(&group, GroupChange::Remove(vec![carol.user()])).unwrap();
    alice.messenger.change_group(&group, add(&[&dave])).unwrap();
    alice.restart();
    say(&mut alice, &group, "with Dave");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    assert_eq!(bob.texts(), ["with Carol", "with Dave"]);
    assert_eq!(carol.texts(), ["with Carol"]);
    assert_eq!(dave.texts(), ["with Dave"]);
    // Last words.
    let last = say(&mut bob, &group, "good bye");
    bob.messenger.change_group(&group, GroupChange::Leave).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut dave]);
    assert_eq!(bob.statuses(last), [subrosa::Status::Sent]);
    assert_eq!(members(&mut alice, &group).len(), 2);
    assert!(alice.texts().contains(&"good bye".to_owned()), "{:?}", alice.texts());
    assert!(dave.texts().contains(&"good bye".to_owned()), "{:?}", dave.texts());
}
