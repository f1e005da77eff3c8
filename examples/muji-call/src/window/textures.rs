//! Pictures as the window draws them.

use std::collections::BTreeMap;
use std::time::Instant;

use eframe::egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2};
use muji_core::Media;
use muji_media::device::{VideoFrame, VideoOrigin};

use crate::window_state::WindowState;

/// What is drawn of everybody.
#[derive(Default)]
pub(crate) struct Textures {
    textures: BTreeMap<VideoOrigin, (TextureHandle, Instant)>,
}

impl Textures {
    /// Takes what is new in the view of the call.
    pub(crate) fn update(&mut self, ctx: &Context, window_state: &WindowState) {
        let us = VideoOrigin::Local(Media::Video);
        let ours = window_state.ours().map(|(picture, at)| (&us, picture, at));
        let of =
            |person| [Media::Slides, Media::Video].into_iter().filter_map(move |media| window_state.of(person, &media));
        let shown: Vec<_> = window_state.people.iter().flat_map(of).chain(ours).collect();
        self.textures.retain(|whose, _| shown.iter().any(|(of, ..)| *of == whose));
        for (whose, picture, at) in shown {
            match self.textures.get_mut(whose) {
                Some((_, drawn)) if *drawn == at => {}
                Some((texture, drawn)) => {
                    texture.set(image(picture), TextureOptions::LINEAR);
                    *drawn = at;
                }
                None => {
                    let texture = ctx.load_texture("picture", image(picture), TextureOptions::LINEAR);
                    self.textures.insert(whose.clone(), (texture, at));
                }
            }
        }
    }

    /// What is drawn of somebody, and its sides in pixels.
    pub(crate) fn of(&self, whose: &VideoOrigin) -> Option<(TextureId, Vec2)> {
        self.textures.get(whose).map(|(texture, _)| (texture.id(), texture.size_vec2()))
    }
}

fn image(picture: &VideoFrame) -> ColorImage {
    ColorImage::from_rgba_premultiplied([picture.width(), picture.height()], &picture.to_rgba())
}
