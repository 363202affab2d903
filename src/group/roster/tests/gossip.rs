//! Convergence: members who change things, lose messages, drop what is void and talk now and
//! then, end in one state.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::naive::{A, B, O, PEOPLE, Y};
use super::people::Group;
use crate::group::{Action, Answer, MAX_UPDATE_LEN, Role, Roster, Setting, Update};

const CLIENTS: [usize; 4] = [O, A, B, Y];

/// A change that this client may make, made and kept.
fn act(group: &Group, roster: &mut Roster, who: usize, rng: &mut ChaCha8Rng) -> Option<Update> {
    let person = &group.people[who];
    if who == O && rng.random_range(0..12) == 0 {
        let draft = roster.draft_seal(&person.member, &person.member).ok()?;
        let update = draft.sign_as_account(&person.account).ok()?;
        roster.insert(&update);
        return Some(update);
    }
    let to = vec![group.member(rng.random_range(0..PEOPLE))];
    let action = match rng.random_range(0..12) {
        0..2 => Action::Grant(to),
        2..4 => Action::Demote(to),
        4..7 => Action::Add(to),
        7..10 => Action::Remove(to),
        10 => Action::Leave,
        _ => Action::Set(Setting::Timer(rng.random_range(0..9))),
    };
    let update =
        roster.draft(&person.member, action).ok()?.sign(&person.phone, &person.lists[0]).ok()?;
    roster.insert(&update);
    Some(update)
}

/// One asks, another answers.
fn exchange(asks: &mut Roster, answers: &Roster) {
    match answers.answer(&asks.ask(), MAX_UPDATE_LEN) {
        Answer::Update(update) => {
            asks.insert(&update);
        }
        Answer::Welcome(welcome, update) => {
            let _ = asks.catch_up(&welcome);
            asks.insert(&update);
        }
    }
}

#[test]
fn four_clients_converge_whatever_is_lost_dropped_and_late() {
    let group = Group::new();
    let mut many = 0;
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut clients = CLIENTS.map(|_| group.first.clone());
        for _ in 0..60 {
            let at = rng.random_range(0..4);
            match rng.random_range(0..10) {
                0..5 => {
                    let Some(update) = act(&group, &mut clients[at], CLIENTS[at], &mut rng) else {
                        continue;
                    };
                    for (number, client) in clients.iter_mut().enumerate() {
                        if number != at && rng.random_range(0..2) == 0 {
                            client.insert(&update);
                        }
                    }
                }
                5..8 => {
                    let other = clients[rng.random_range(0..4)].clone();
                    exchange(&mut clients[at], &other);
                }
                8 => clients[at].drop_void(None),
                _ => clients[at] = Roster::from_record(&clients[at].record()).unwrap(),
            }
        }
        for _ in 0..6 {
            for (asks, answers) in [(0, 1), (1, 2), (2, 3), (3, 0), (1, 0), (2, 1), (3, 2), (0, 3)]
            {
                let other = clients[answers].clone();
                exchange(&mut clients[asks], &other);
            }
        }
        let [first, ..] = &clients;
        for client in &clients {
            assert_eq!(client.head(), first.head(), "seed {seed}");
            assert_eq!(group.roles(client), group.roles(first), "seed {seed}");
            assert_eq!(client.settings(), first.settings());
            let counted = |roster: &Roster| {
                let counts = |place: &usize| roster.state.counted.contains(*place);
                let all = (0..roster.current.len()).filter(counts);
                let mut ids: Vec<_> =
                    all.map(|place| roster.current.change(place).unwrap().id()).collect();
                ids.sort();
                ids
            };
            assert_eq!(counted(client), counted(first));
            assert!(client.ask_for(&first.ask()).is_none());
            assert_eq!(first.ask().head(), client.head());
            many += counted(client).len();
        }
        let owners = first.members().filter(|(_, role)| *role == Role::Owner).count();
        assert_eq!(owners, 1);
    }
    assert!(many > 1_000, "{many}: something happens in these worlds");
}
