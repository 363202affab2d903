//! All that people send besides text, in the group; and two who compare emoji.

use std::time::Duration;

use subrosa::content::poll::{Choices, Poll};
use subrosa::content::{Attachment, Attachments, Form, Reference};
use subrosa::{Content, UserId};

use crate::device::Result;
use crate::screen::Screen;
use crate::story::Story;
use crate::voice::Voice;
use crate::who::{Place, Who};

/// A picture, 32 pixels each way.
const ROSE: &[u8] = include_bytes!("rose.png");

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long something is to be seen: longer than a bad network needs, since what was lost on
/// the way is not said again once its time is up.
const GLIMPSE: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// When something is said that is written now.
const LATER: Duration = Duration::from_secs(9 * 60 * 60);

/// A comparison of emoji ends after ten minutes.
const PAUSE: Duration = Duration::from_secs(11 * 60);

/// How often emoji are compared at most.
const MAX_COMPARISONS: usize = 20;

impl Story<'_> {
    /// Alice and Carol compare emoji until both know that they are the same.
    pub(crate) fn emoji(&mut self) -> Result<()> {
        self.talk.transcript.heading("Alice and Carol compare emoji")?;
        let (alice, carol) = (UserId::new("alice")?, UserId::new("carol")?);
        for _ in 0..MAX_COMPARISONS {
            self.tells(Who::Alice, "asks Carol to compare")?;
            self.talk.emoji.clear();
            self.talk.messenger(Who::Alice)?.start_emoji(&carol)?;
            self.talk.exchange()?;
            let shown = [Who::Alice, Who::Carol].map(|who| self.talk.emoji.get(&who).copied());
            if let [Some(hers), Some(carols)] = shown {
                for (who, emoji) in [(Who::Alice, hers), (Who::Carol, carols)] {
                    self.tells(who, &format!("sees {}", emoji.symbols().join(" ")))?;
                }
                if hers != carols {
                    return Err("the emoji are NOT the same".into());
                }
                self.talk.messenger(Who::Alice)?.confirm_emoji(&carol, &hers)?;
                self.talk.messenger(Who::Carol)?.confirm_emoji(&alice, &carols)?;
                self.talk.exchange()?;
            }
            let told = [Who::Alice, Who::Carol].iter().all(|who| self.talk.verified.contains(who));
            if told
                && self.talk.messenger(Who::Alice)?.contact(&carol)?.verified
                && self.talk.messenger(Who::Carol)?.contact(&alice)?.verified
            {
                let text = "Both         have compared them: the same, and each knows it";
                return Ok(self.talk.transcript.say(text)?);
            }
            self.talk.transcript.say("             something got lost; ten minutes later")?;
            self.talk.wait(PAUSE)?;
        }
        Err("the network is too bad: no emoji could be compared".into())
    }

    /// What people send.
    pub(crate) fn sendings(&mut self) -> Result<()> {
        self.talk.transcript.heading("They send a picture, a voice note, and more")?;
        let pointer = self.talk.upload(Who::Alice, "rose.png", ROSE, "image/png")?;
        let rose = Attachment::new(pointer, Form::Image { width: 32, height: 32 })
            .named("rose.png")
            .described("A red rose");
        let rose = Attachments::from(rose).captioned("For the door.");
        let picture = self.sends(Who::Alice, Content::attachment(rose))?;
        self.sends(Who::Carol, Content::reaction(picture.clone(), "🌹"))?;

        let Voice { file, duration, waveform } = Voice::hum();
        let pointer = self.talk.upload(Who::Phone, "a voice note", &file, "audio/wav")?;
        let note = Attachment::new(pointer, Form::Voice { duration, waveform });
        let note = self.sends(Who::Phone, Content::attachment(note))?;

        let text = self.sends(Who::Alice, Content::text("At seven, I thing."))?;
        self.sends(Who::Alice, Content::edit(text.message, "At seven, I think."))?;

        let poll = Poll::new("Where?", ["kiosk", "ferry", "my place"]);
        let poll = self.sends(Who::Laptop, Content::poll(poll))?;
        for (who, place) in [(Who::Phone, 1), (Who::Carol, 2), (Who::Alice, 1)] {
            self.sends(who, Content::vote(poll.clone(), Choices::one(place)))?;
        }
        self.talk.settle()?;
        let carol = UserId::new("carol")?;
        self.everywhere("the picture and the voice note, byte for byte", |who, screen| {
            let same = |name, file| screen.file(name) == Some(file);
            (who == Who::Alice || same(&picture, ROSE)) && (who == Who::Phone || same(&note, &file))
        })?;
        self.everywhere("a rose below it, of Carol's", |_, screen| {
            screen.reactions(&picture) == [(&carol, "🌹")]
        })?;
        self.everywhere("\"At seven, I think.\"", |_, screen| {
            screen.text(&text).is_some_and(|text| text == "At seven, I think.")
        })?;
        self.everywhere("the ferry before Carol's place, 2 to 1", |_, screen| {
            screen.counts(&poll).is_some_and(|counts| counts == [0, 2, 1])
        })
    }

    /// What is to be seen for a while only.
    pub(crate) fn fleeting(&mut self) -> Result<()> {
        self.talk.transcript.heading("Carol says something that disappears")?;
        let offer =
            Content::text("My flat is free until the end of the month.").disappearing(GLIMPSE);
        let offer = self.sends(Who::Carol, offer)?;
        self.talk.settle()?;
        for _ in 0..=GLIMPSE.as_secs() / DAY.as_secs() {
            self.talk.wait(DAY)?;
        }
        self.everywhere("nothing of the offer, four weeks after it was read", |_, screen| {
            screen.text(&offer).is_none()
        })
    }

    /// What is written now, and said later.
    pub(crate) fn scheduled(&mut self) -> Result<()> {
        self.talk.transcript.heading("Alice writes what is to be said nine hours later")?;
        let at = self.talk.now().after(LATER);
        let text = Content::text("Good morning! It is today.");
        let id = self.talk.tell_at(Who::Alice, Place::Roses, &text, at)?;
        let name = self.talk.name(Who::Alice, id)?;
        self.talk.wait(LATER / 2)?;
        let early = Who::ALL.into_iter().any(|who| self.talk.screen(who).text(&name).is_some());
        if early {
            return Err("it was NOT said when it should".into());
        }
        self.tells(Who::Alice, "sleeps; half of the time is over, and nobody has it")?;
        self.talk.wait(LATER - LATER / 2)?;
        self.talk.settle()?;
        let others = |who, screen: &Screen| who == Who::Alice || screen.text(&name).is_some();
        self.everywhere("her good morning", others)
    }

    /// Somebody says something in the group, and all look.
    fn sends(&mut self, who: Who, content: Content) -> Result<Reference> {
        let id = self.talk.tell(who, Place::Roses, content)?;
        self.talk.read_all()?;
        self.talk.name(who, id)
    }

    /// Something is so on all devices.
    fn everywhere(&mut self, what: &str, is: impl Fn(Who, &Screen) -> bool) -> Result<()> {
        for who in Who::ALL {
            if !is(who, self.talk.screen(who)) {
                return Err(format!("on {who} there is NOT {what}").into());
            }
        }
        Ok(self.talk.transcript.say(&format!("  **  On all four devices: {what}"))?)
    }
}
