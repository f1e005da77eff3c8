//! The tones of prompts.

use std::collections::VecDeque;

use muji_core::media::Prompt;

use crate::audio::frame::{AudioFrame, FRAME};
use crate::device::AudioSource;
use crate::device::tone::Tone;

/// Prompts that wait in one call; a policy that asks for more than that has gone wrong, and the rest is left out.
const MAX_WAITING: usize = 4;

/// A frequency in Hz, or none for a pause, and for how many frames of 20 ms.
type Note = (Option<f32>, u32);

const PAUSE: Note = (None, 3);

/// Ascending says yes, descending says no, as telephone conferences do.
fn notes(prompt: Prompt) -> &'static [Note] {
    match prompt {
        Prompt::Waiting => &[(Some(440.0), 8), PAUSE, (Some(440.0), 8)],
        Prompt::Admitted => &[(Some(523.0), 6), (Some(659.0), 6), (Some(784.0), 10)],
        Prompt::Refused => &[(Some(392.0), 8), PAUSE, (Some(262.0), 16)],
        Prompt::Muted => &[(Some(659.0), 6), (Some(440.0), 8)],
        Prompt::Unmuted => &[(Some(440.0), 6), (Some(659.0), 8)],
        Prompt::Alone => &[(Some(330.0), 20)],
    }
}

/// What is played in one call.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    waiting: VecDeque<Note>,
    /// The note that plays, and its frames that are left.
    playing: Option<(Option<Tone>, u32)>,
}

impl Prompts {
    /// Plays a prompt behind those that play.
    pub(crate) fn play(&mut self, prompt: Prompt) {
        let notes = notes(prompt);
        if self.waiting.len() <= MAX_WAITING * notes.len() {
            self.waiting.extend(notes);
            self.waiting.push_back(PAUSE);
        }
    }

    /// True if nothing plays.
    pub(crate) fn is_silent(&self) -> bool {
        self.playing.is_none() && self.waiting.is_empty()
    }

    /// The next 20 ms; `None` if nothing plays.
    pub(crate) fn frame(&mut self) -> Option<AudioFrame> {
        let next = || self.waiting.pop_front().map(|(hertz, frames)| (hertz.map(Tone::new), frames));
        let (mut tone, left) = self.playing.take().or_else(next)?;
        let mut frame = [0; FRAME];
        if let Some(tone) = &mut tone {
            let _endless = tone.fill(&mut frame).is_err();
        }
        self.playing = (left > 1).then_some((tone, left - 1));
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_play_one_after_the_other_and_a_flood_of_them_is_left_out() {
        let mut prompts = Prompts::default();
        assert_eq!(prompts.frame(), None);
        prompts.play(Prompt::Refused);
        prompts.play(Prompt::Admitted);
        let frames: Vec<AudioFrame> = std::iter::from_fn(|| prompts.frame()).collect();
        let loud = |frame: &&AudioFrame| frame.iter().any(|sample| *sample != 0);
        assert_eq!((frames.len(), frames.iter().filter(loud).count()), (8 + 3 + 16 + 3 + 22 + 3, 8 + 16 + 22));
        assert!(prompts.is_silent());
        (0..1_000).for_each(|_| prompts.play(Prompt::Alone));
        assert!(std::iter::from_fn(|| prompts.frame()).count() < 200);
    }
}
