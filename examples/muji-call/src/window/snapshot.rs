//! A picture of the window in a file, whether there is a window or not: the same view, drawn without a screen.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use eframe::egui::{Context, FullOutput, Pos2, RawInput, Rect, TexturesDelta, vec2};
use egui_software_backend::{BufferMutRef, ColorFieldOrder, EguiSoftwareRender};

use super::textures::Textures;
use super::view::View;
use crate::window_state::SharedWindowState;

/// The picture's sides, in pixels.
const WIDTH: usize = 1_000;
const HEIGHT: usize = 640;

/// Between two pictures.
const INTERVAL: Duration = Duration::from_secs(1);

/// Writes the file once a second, until it is dropped.
pub(crate) struct Snapshots {
    _end: Sender<()>,
}

impl Snapshots {
    /// Begins.
    pub(crate) fn begin(shared_view: SharedWindowState, file: PathBuf) -> std::io::Result<Self> {
        let (end, ended) = channel();
        std::thread::Builder::new().name("muji-snapshots".to_owned()).spawn(move || {
            let mut camera = Camera::new();
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(INTERVAL) {
                if !shared_view.with(|window_state| window_state.in_call) {
                    continue; // The last of the call stays.
                }
                if let Err(why) = camera.take(&shared_view, &file) {
                    crate::output::error(format_args!("muji-call: {}: {why}", file.display()));
                    return;
                }
            }
        })?;
        Ok(Self { _end: end })
    }
}

/// Draws the window without a screen.
pub(super) struct Camera {
    pub(super) ctx: Context,
    view: View,
    textures: Textures,
    renderer: EguiSoftwareRender,
}

impl Camera {
    pub(super) fn new() -> Self {
        // Its cache knows meshes by their corners and would show the first picture for ever.
        let renderer = EguiSoftwareRender::new(ColorFieldOrder::Rgba).with_caching(false);
        Self { ctx: Context::default(), view: View::default(), textures: Textures::default(), renderer }
    }

    fn take(&mut self, shared_view: &SharedWindowState, file: &Path) -> std::io::Result<()> {
        let mut pixels = vec![[0; 4]; WIDTH * HEIGHT];
        let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, vec2(WIDTH as f32, HEIGHT as f32)));
        let mut deltas = TexturesDelta::default();
        // The first pass measures, the second draws.
        for _ in 0..2 {
            let mut output = self.run(shared_view, RawInput { screen_rect, ..RawInput::default() });
            deltas.append(std::mem::take(&mut output.textures_delta));
            let delta = std::mem::take(&mut deltas);
            self.draw(output, &delta, &mut pixels, [WIDTH, HEIGHT]);
        }
        write(file, &pixels)
    }

    /// What is to be drawn of the call.
    pub(super) fn run(&mut self, shared_view: &SharedWindowState, input: RawInput) -> FullOutput {
        let Self { ctx, view, textures, .. } = self;
        shared_view.with(|window_state| {
            ctx.run(input, |ctx| {
                textures.update(ctx, window_state, |whose| view.width_of(whose));
                view.show(ctx, window_state, textures); // Nobody presses anything here.
            })
        })
    }

    pub(super) fn draw(
        &mut self,
        output: FullOutput,
        delta: &TexturesDelta,
        pixels: &mut [[u8; 4]],
        [width, height]: [usize; 2],
    ) {
        let primitives = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let mut buffer = BufferMutRef::new(pixels, width, height);
        self.renderer.render(&mut buffer, &primitives, delta, output.pixels_per_point);
    }
}

/// Writes beside the file and then takes its place, so that nobody reads half a picture.
fn write(file: &Path, pixels: &[[u8; 4]]) -> std::io::Result<()> {
    let beside = file.with_extension("png.part");
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(&beside)?), WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgb);
    let rgb: Vec<u8> = pixels.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
    encoder.write_header()?.write_image_data(&rgb)?;
    std::fs::rename(beside, file)
}
