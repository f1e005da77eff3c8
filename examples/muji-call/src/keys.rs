//! Single keys, while the program runs in the foreground of a terminal; from a pipe they come as bytes, and lines of JSON between them.

use std::io::{IsTerminal, Read, stdin};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::sync::mpsc;

use crate::user_action::UserAction;

/// Keys that wait; nobody presses more while the program does something else.
const QUEUE: usize = 16;

/// Longest line of JSON, with a JID in it (RFC 7622 section 3.1); what is longer is none.
const MAX_LINE: usize = 4_096;

/// The keys that are pressed. Dropped, it gives the terminal back as it was.
pub(crate) struct Keys {
    pressed: mpsc::Receiver<u8>,
    /// What came of a line of JSON so far.
    line: Option<Vec<u8>>,
    before: Option<Termios>,
}

impl Keys {
    /// `pipe`: somebody may press keys though there is no terminal.
    pub(crate) fn listen(pipe: bool) -> Self {
        let (press, pressed) = mpsc::channel(QUEUE);
        let before = single_keys();
        if before.is_some() || (pipe && !stdin().is_terminal()) {
            // Reading cannot be interrupted, so its thread ends with the program.
            std::thread::spawn(move || {
                for key in stdin().lock().bytes() {
                    let Ok(key) = key else { return };
                    if press.blocking_send(key).is_err() {
                        return;
                    }
                }
            });
        }
        Self { pressed, line: None, before }
    }

    /// What the next key means; never if there is nobody to press one.
    pub(crate) async fn next(&mut self) -> UserAction {
        loop {
            match self.pressed.recv().await {
                Some(key) => {
                    if let Some(action) = self.take(key) {
                        return action;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }
}

impl Keys {
    /// The action that ends with this byte.
    fn take(&mut self, key: u8) -> Option<UserAction> {
        if key == b'{' && self.line.is_none() {
            self.line = Some(Vec::new());
        }
        let Some(line) = &mut self.line else { return UserAction::of_key(key) };
        if key == b'\n' {
            let line = self.line.take()?;
            return UserAction::of_line(std::str::from_utf8(&line).ok()?);
        }
        if line.len() < MAX_LINE {
            line.push(key);
        }
        None
    }
}

/// Lets keys come without Enter and unseen. In the background asking for keys would stop the program.
fn single_keys() -> Option<Termios> {
    let ours = tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == getpgrp());
    let before = tcgetattr(stdin()).ok().filter(|_| ours)?;
    let mut modes = before.clone();
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(stdin(), OptionalActions::Now, &modes).ok()?;
    Some(before)
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _gone = tcsetattr(stdin(), OptionalActions::Now, before).is_err(); // The terminal may be closed by now.
        }
    }
}
