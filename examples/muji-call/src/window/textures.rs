//! Pictures as the window draws them.

use std::collections::BTreeMap;
use std::time::Instant;

use eframe::egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2};
use muji_core::Media;
use muji_media::device::{VideoFrame, VideoOrigin};

use crate::window_state::WindowState;

/// A picture is not made smaller than that, in pixels.
const MIN_WIDTH: f32 = 16.0;

/// What is drawn of everybody.
#[derive(Default)]
pub(crate) struct Textures {
    textures: BTreeMap<VideoOrigin, (TextureHandle, Instant)>,
}

impl Textures {
    /// Takes what is new in the view of the call. `width` says in how many pixels a picture is drawn, as far as that is known.
    pub(crate) fn update(
        &mut self,
        ctx: &Context,
        window_state: &WindowState,
        width: impl Fn(&VideoOrigin) -> Option<f32>,
    ) {
        let us = [Media::Video, Media::Slides].map(VideoOrigin::Local);
        let ours = us.iter().filter_map(|us| window_state.fresh(us).map(|(picture, at)| (us, picture, at)));
        let of =
            |person| [Media::Slides, Media::Video].into_iter().filter_map(move |media| window_state.of(person, &media));
        let shown: Vec<_> = window_state.people.iter().flat_map(of).chain(ours).collect();
        self.textures.retain(|whose, _| shown.iter().any(|(of, ..)| *of == whose));
        for (whose, picture, at) in shown {
            match self.textures.get_mut(whose) {
                Some((_, drawn)) if *drawn == at => {}
                Some((texture, drawn)) => {
                    texture.set(image(picture, width(whose)), TextureOptions::LINEAR);
                    *drawn = at;
                }
                None => {
                    let texture = ctx.load_texture("picture", image(picture, width(whose)), TextureOptions::LINEAR);
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

/// As large as it is drawn, if it is at least twice as large: of sixteen pictures this saves most of the work.
fn image(picture: &VideoFrame, width: Option<f32>) -> ColorImage {
    let [from, height] = [picture.width(), picture.height()];
    let smaller = width.map(|width| width.max(MIN_WIDTH) as usize).filter(|width| 2 * width <= from);
    let smaller = smaller.map(|width| picture.resized([width, height * width / from]));
    let picture = smaller.as_ref().unwrap_or(picture);
    ColorImage::from_rgba_premultiplied([picture.width(), picture.height()], &picture.to_rgba())
}
