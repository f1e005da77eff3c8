//! Somebody who does with a client what he is asked to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Client;
use super::{Cannot, Order};

const NOT_NOW: Cannot = Cannot::Here("the person says that it cannot be done now");

/// Why nothing more is asked of him.
pub(crate) const ENOUGH: &str = "the person has had enough";

/// Where he reads and types.
pub(crate) struct Desk {
    show: Box<dyn Fn(&str) + Send + Sync>,
    typed: Mutex<Receiver<String>>,
    has_had_enough: AtomicBool,
}

impl Desk {
    /// The terminal.
    pub(crate) fn terminal() -> Arc<Self> {
        let (tell, typed) = channel();
        // It waits for what is typed until the program ends.
        std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self::new(|what| println!("  > {what}"), typed)
    }

    pub(crate) fn new(show: impl Fn(&str) + Send + Sync + 'static, typed: Receiver<String>) -> Arc<Self> {
        Arc::new(Self { show: Box::new(show), typed: Mutex::new(typed), has_had_enough: AtomicBool::new(false) })
    }

    /// The last line that was typed since the last look.
    fn typed(&self) -> Option<String> {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner).try_iter().last()
    }

    pub(super) fn has_had_enough(&self) -> bool {
        self.has_had_enough.load(Ordering::Relaxed)
    }

    /// What he says of what he was asked to do; `None` while he says nothing.
    pub(super) fn answer(&self) -> Option<Result<(), Cannot>> {
        if self.has_had_enough() {
            return Some(Err(Cannot::Here(ENOUGH)));
        }
        Some(match self.typed()?.trim() {
            "" => Ok(()),
            "n" => Err(Cannot::NotImplemented),
            "x" => Err(NOT_NOW),
            "q" => {
                self.has_had_enough.store(true, Ordering::Relaxed);
                Err(Cannot::Here(ENOUGH))
            }
            _ => {
                (self.show)(HELP);
                return None;
            }
        })
    }

    /// Asks him to do something.
    pub(super) fn ask(&self, what: &str) {
        drop(self.typed());
        (self.show)(what);
    }
}

/// What he may type.
pub(crate) const HELP: &str = "Enter: it is done (what shows by itself needs no word); n: the client cannot do that; x: it cannot be done \
                               now; q: enough.";

/// Him and his client.
pub(crate) struct Person(pub(crate) Arc<Desk>);

impl Client for Person {
    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        self.0.ask(&match order {
            Order::Wait => "Let the client be online, in no call.".to_owned(),
            Order::Join(room, None) => format!("Join the call in {room}, with sound alone."),
            Order::Join(room, Some(guest)) => format!("Join the call in {room}, with sound alone, and invite {guest}."),
            Order::Call(whom) => format!("Call {whom}, with sound alone."),
            Order::Accept => "Take what rings.".to_owned(),
            Order::Decline => "Decline what rings.".to_owned(),
            Order::Leave => "Leave the call: hang up.".to_owned(),
            Order::Mute => "Mute the microphone.".to_owned(),
            Order::Unmute => "Unmute the microphone.".to_owned(),
            Order::AddPictures => "Send pictures too.".to_owned(),
            Order::RemovePictures => "Send no pictures any more.".to_owned(),
        });
        Ok(())
    }

    fn done(&mut self) -> Option<Result<(), Cannot>> {
        self.0.answer()
    }

    fn gone(&mut self) -> Option<Cannot> {
        None // Whether it went is for the person to say.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_says_that_it_is_done_or_why_not_and_with_enough_it_is_over() {
        let (tell, typed) = channel();
        let mut person = Person(Desk::new(|_| {}, typed));
        person.order(&Order::Mute).expect("it is shown");
        assert_eq!(person.done(), None);
        let answers = [("", Ok(())), ("n", Err(Cannot::NotImplemented)), ("x", Err(NOT_NOW))];
        for (line, answer) in answers {
            tell.send(line.to_owned()).expect("he listens");
            assert_eq!(person.done(), Some(answer));
        }
        tell.send("what?".to_owned()).expect("he listens");
        assert_eq!(person.done(), None);
        tell.send("q".to_owned()).expect("he listens");
        assert_eq!(person.done(), Some(Err(Cannot::Here(ENOUGH))));
        assert_eq!(person.done(), Some(Err(Cannot::Here(ENOUGH))));
    }

    #[test]
    fn what_was_typed_before_he_was_asked_answers_nothing() {
        let (tell, typed) = channel();
        let mut person = Person(Desk::new(|_| {}, typed));
        tell.send("n".to_owned()).expect("he listens");
        person.order(&Order::Mute).expect("it is shown");
        assert_eq!(person.done(), None);
    }
}
