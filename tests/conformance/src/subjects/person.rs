//! A client that a person operates: the suite asks for each step on the terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Client;
use super::{Cannot, Order};

const NOT_NOW: Cannot = Cannot::Here("the person answered that it cannot be done now");

/// Why no further step is asked for.
pub(crate) const ENOUGH: &str = "the person stopped the run";

/// Where the person reads and types.
pub(crate) struct Desk {
    show: Box<dyn Fn(&str) + Send + Sync>,
    typed: Mutex<Receiver<String>>,
    has_stopped: AtomicBool,
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
        Arc::new(Self { show: Box::new(show), typed: Mutex::new(typed), has_stopped: AtomicBool::new(false) })
    }

    /// The last line that was typed since the last look.
    fn typed(&self) -> Option<String> {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner).try_iter().last()
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Ordering::Relaxed)
    }

    /// The answer to the last step; `None` until there is one.
    pub(super) fn answer(&self) -> Option<Result<(), Cannot>> {
        if self.has_stopped() {
            return Some(Err(Cannot::Here(ENOUGH)));
        }
        Some(match self.typed()?.trim() {
            "" => Ok(()),
            "n" => Err(Cannot::NotImplemented),
            "x" => Err(NOT_NOW),
            "q" => {
                self.has_stopped.store(true, Ordering::Relaxed);
                Err(Cannot::Here(ENOUGH))
            }
            _ => {
                (self.show)(HELP);
                return None;
            }
        })
    }

    /// Asks the person to do something.
    pub(super) fn ask(&self, what: &str) {
        drop(self.typed());
        (self.show)(what);
    }
}

/// What the person may type.
pub(crate) const HELP: &str = "Enter: done (not needed if the client's reaction shows it); n: the client cannot do that; x: it cannot be \
                               done now; q: stop.";

/// The person and the client.
pub(crate) struct Person(pub(crate) Arc<Desk>);

impl Client for Person {
    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        self.0.ask(&match order {
            Order::Wait => "Bring the client online, without a call.".to_owned(),
            Order::Join(room, None) => format!("Join the call in {room}, with audio only."),
            Order::Join(room, Some(guest)) => format!("Join the call in {room}, with audio only, and invite {guest}."),
            Order::Call(whom) => format!("Call {whom}, with audio only."),
            Order::Accept => "Accept the call that rings.".to_owned(),
            Order::Decline => "Decline the call that rings.".to_owned(),
            Order::Leave => "Leave the call: hang up.".to_owned(),
            Order::Mute => "Mute the microphone.".to_owned(),
            Order::Unmute => "Unmute the microphone.".to_owned(),
            Order::AddPictures => "Add video.".to_owned(),
            Order::RemovePictures => "Remove video.".to_owned(),
        });
        Ok(())
    }

    fn done(&mut self) -> Option<Result<(), Cannot>> {
        self.0.answer()
    }

    fn gone(&mut self) -> Option<Cannot> {
        None // The person sees whether the client has exited.
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
