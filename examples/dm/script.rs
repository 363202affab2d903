//! What people say, and what is said about it.

use crate::who::Who;

pub(crate) const LEGEND: [&str; 4] = [
    "On the right is all that it sees: mailbox, size, first 8 bytes, or a blob; behind it what the",
    "network does to them. A line with -- is what happens by itself: receipts, copies for other",
    "devices of a person, files, keys for a group, questions for what is missing, messages sent",
    "again. A line with \"to laptop\" is the message above it once more, for another device.",
];

pub(crate) const FIRST: [&str; 4] = [
    "Hi Bob, it's Alice. You gave me your card on the train.",
    "You seem to be offline. I'll just write on.",
    "The photos are developed; some are good!",
    "I'll send you my notes later, they are long.",
];

pub(crate) const TURNS: [(Who, &str); 6] = [
    (Who::Phone, "Alice! I was in the tunnel. Which photos?"),
    (Who::Alice, "The ones from the bridge, at night."),
    (Who::Phone, "Don't tell anyone who stands in the second one."),
    (Who::Alice, "Nobody can read this but us. That's the point."),
    (Who::Phone, "And the relay?"),
    (Who::Alice, "It sees a box with a number on it, and noise inside."),
];

pub(crate) const BURSTS: [(Who, &str); 9] = [
    (Who::Alice, "Okay, the plan:"),
    (Who::Alice, "1. you take the early train"),
    (Who::Alice, "2. I bring the camera"),
    (Who::Phone, "I had an idea while you were typing"),
    (Who::Alice, "3. we meet at the kiosk"),
    (Who::Phone, "what about the ferry instead?"),
    (Who::Alice, "4. nobody says a word about the cake"),
    (Who::Phone, "it leaves at nine"),
    (Who::Phone, "wait, which cake?"),
];

pub(crate) const ON_TWO_DEVICES: [(Who, &str); 6] = [
    (Who::Laptop, "This is my laptop. At last a real keyboard."),
    (Who::Alice, "Hello laptop! Does your phone get this too?"),
    (Who::Phone, "It does: I'm on the sofa with it."),
    (Who::Laptop, "And at the desk again. Nothing is missing here."),
    (Who::Alice, "Do I have to do anything about that?"),
    (Who::Phone, "No. Just write to me."),
];

pub(crate) const WITH_CAROL: [(Who, &str); 3] = [
    (Who::Alice, "Carol, it's Alice. I have found you in the directory."),
    (Who::Carol, "Alice! Is Bob coming to the party?"),
    (Who::Alice, "Ask him yourself: I'll make a group for the three of us."),
];

pub(crate) const IN_ROSES: [(Who, &str); 6] = [
    (Who::Alice, "Welcome. What is said here is for the three of us."),
    (Who::Phone, "Hello Carol, I'm Bob."),
    (Who::Carol, "Hello Bob. Who brings the cake?"),
    (Who::Laptop, "Now I know which cake."),
    (Who::Carol, "Oh no. Forget what I said."),
    (Who::Alice, "Nobody has said anything."),
];

pub(crate) const WITHOUT_CAROL: [(Who, &str); 4] = [
    (Who::Alice, "Now that she is out: the cake is for Carol."),
    (Who::Phone, "So she never knew?"),
    (Who::Laptop, "I'll hide it at my place."),
    (Who::Alice, "At eight, then."),
];
