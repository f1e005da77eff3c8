//! The window: the pictures of all participants, their state, and buttons.

pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
mod textures;
mod tiles;
mod view;

use std::time::Duration;

use eframe::egui;
use tokio::sync::mpsc;

use crate::user_action::UserAction;
use crate::window_state::SharedWindowState;
use textures::Textures;
use view::View;

/// How often the view of the call is read: video frames come every 33 ms. egui takes off what it thinks a frame takes, a sixtieth of a
/// second.
const INTERVAL: Duration = Duration::from_millis(33 + 17);

/// The window's sides when it opens, in points.
const SIZE: [f32; 2] = [1_000.0, 640.0];

/// Wishes that wait; nobody presses faster.
const ACTIONS: usize = 16;

/// Whether there is a screen to open a window on.
pub(crate) fn has_screen() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|screen| !screen.is_empty()))
}

/// A channel for the user's actions from the window to the program.
pub(crate) fn actions() -> (mpsc::Sender<UserAction>, mpsc::Receiver<UserAction>) {
    mpsc::channel(ACTIONS)
}

/// Shows the window until it is closed or the program is over.
pub(crate) fn show(shared_view: SharedWindowState, actions: mpsc::Sender<UserAction>) -> eframe::Result {
    let app = App { shared_view, actions, view: View::default(), textures: Textures::default() };
    eframe::run_native("muji-call", options(), Box::new(|_| Ok(Box::new(app))))
}

fn options() -> eframe::NativeOptions {
    let viewport = egui::ViewportBuilder::default().with_inner_size(SIZE).with_min_inner_size([360.0, 240.0]);
    // Frames come when pictures do; waiting for the screen would be a second clock.
    eframe::NativeOptions { viewport, vsync: false, ..Default::default() }
}

struct App {
    shared_view: SharedWindowState,
    actions: mpsc::Sender<UserAction>,
    view: View,
    textures: Textures,
}

impl eframe::App for App {
    fn update(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        let Self { shared_view, view, textures, .. } = self;
        let (actions, over) = shared_view.with(|window_state| {
            textures.update(ctx, window_state, |whose| view.width_of(whose));
            (view.show(ctx, window_state, textures), window_state.over)
        });
        for action in actions {
            let _ended = self.actions.try_send(action).is_err(); // Then so does the window.
        }
        if over {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        } else if ctx.input(|input| input.viewport().close_requested()) {
            // The call is left properly first; the window goes with the program.
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            let _ended = self.actions.try_send(UserAction::Quit).is_err();
        }
        ctx.request_repaint_after(INTERVAL);
    }
}
