//! How the window looks, and what is pressed in it.

use eframe::egui::{
    Button, CentralPanel, Color32, Context, Frame, Id, Key, Label, Modal, RichText, TextEdit, TopBottomPanel, Ui, Vec2,
    ViewportCommand, vec2,
};
use jid::BareJid;
use muji_media::device::VideoOrigin;

use super::textures::Textures;
use super::tiles::{BACKGROUND, GAP, TILE, Tiles};
use crate::user_action::UserAction;
use crate::window_state::WindowState;

/// A button's sides, in points.
const BUTTON: Vec2 = vec2(120.0, 34.0);

/// What the window itself remembers.
#[derive(Default)]
pub(crate) struct View {
    /// The address being written, while somebody is being invited.
    guest: Option<String>,
    full_screen: bool,
    tiles: Tiles,
}

impl View {
    /// Draws everything; what the user wants.
    pub(crate) fn show(&mut self, ctx: &Context, window_state: &WindowState, textures: &Textures) -> Vec<UserAction> {
        let mut actions = Vec::new();
        TopBottomPanel::bottom("bar").frame(Frame::new().fill(BACKGROUND).inner_margin(GAP)).show(ctx, |ui| {
            self.bar(ui, window_state, &mut actions);
        });
        CentralPanel::default().frame(Frame::new().fill(BACKGROUND).inner_margin(GAP)).show(ctx, |ui| {
            if self.tiles.show(ui, window_state, textures) {
                self.set_full_screen(ui.ctx(), self.tiles.is_one_alone());
            }
        });
        self.invitation(ctx, &mut actions);
        ringing(ctx, window_state, &mut actions);
        self.keys(ctx, window_state, &mut actions);
        actions
    }

    /// In how many pixels a picture was drawn last, if it was.
    pub(crate) fn width_of(&self, whose: &VideoOrigin) -> Option<f32> {
        self.tiles.width_of(whose)
    }

    fn bar(&mut self, ui: &mut Ui, window_state: &WindowState, actions: &mut Vec<UserAction>) {
        // Where the window is narrow, or its letters are large, in several rows.
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = Vec2::splat(GAP);
            let pressed = |ui: &mut Ui, text: &str, on: bool, hint: &str| {
                let fill = if on { Color32::from_rgb(140, 60, 50) } else { TILE };
                let text = RichText::new(text).color(Color32::WHITE);
                let button = ui.add_enabled(window_state.in_call, Button::new(text).fill(fill).min_size(BUTTON));
                button.on_hover_text(hint).clicked()
            };
            let (muted, camera_off) = (window_state.muted, window_state.camera_off);
            let text = if muted { "Unmute (m)" } else { "Mute (m)" };
            if pressed(ui, text, muted, "Key m: nobody hears you while you are muted") {
                actions.push(UserAction::Mute);
            }
            let text = if camera_off { "Camera on (v)" } else { "Camera off (v)" };
            if pressed(ui, text, camera_off, "Key v: nobody sees you while the camera is off") {
                actions.push(UserAction::Camera);
            }
            if pressed(ui, "Invite (i)", false, "Key i: asks for the address of a person to invite") {
                self.guest = Some(String::new());
            }
            if pressed(ui, "Full screen (f)", false, "Key f: fills the screen; f or Escape ends it") {
                self.set_full_screen(ui.ctx(), !self.full_screen);
            }
            if pressed(ui, "Leave (q)", false, "Key q: leaves the call") {
                actions.push(UserAction::Leave);
            }
            let said = |ui: &mut Ui, words: &str| {
                ui.add(Label::new(RichText::new(words).color(Color32::GRAY).small()).truncate())
            };
            let code = window_state.security_code.as_deref();
            if let Some(code) = code {
                said(ui, &format!("Security code {code}"))
                    .on_hover_text("The call is private if the others read the same digits");
            }
            // The message that says the code says nothing more.
            if code.is_none_or(|code| !window_state.message.contains(code)) {
                said(ui, &window_state.message);
            }
        });
    }

    fn set_full_screen(&mut self, ctx: &Context, full_screen: bool) {
        self.full_screen = full_screen;
        if !full_screen {
            self.tiles.show_all();
        }
        ctx.send_viewport_cmd(ViewportCommand::Fullscreen(full_screen));
    }

    /// Asks for an address.
    fn invitation(&mut self, ctx: &Context, actions: &mut Vec<UserAction>) {
        let Some(guest) = &mut self.guest else { return };
        let mut invited = None;
        let closed = Modal::new(Id::new("invite")).show(ctx, |ui| {
            ui.label("Whom? An address such as juliet@example.org");
            ui.add(TextEdit::singleline(guest)).request_focus();
            // Behind the field: on a slow machine the last letters come in one frame with Enter.
            let address = guest.parse::<BareJid>().ok().filter(|jid| jid.node().is_some());
            let clicked = ui.add_enabled(address.is_some(), Button::new("Invite")).clicked();
            invited = address.filter(|_| clicked || ui.input(|input| input.key_pressed(Key::Enter)));
        });
        let is_invited = invited.is_some();
        actions.extend(invited.map(UserAction::Invite));
        if is_invited || closed.should_close() {
            self.guest = None;
        }
    }

    fn keys(&mut self, ctx: &Context, window_state: &WindowState, actions: &mut Vec<UserAction>) {
        if self.guest.is_some() {
            return; // Its letters are an address.
        }
        for (key, byte) in [(Key::A, b'a'), (Key::D, b'd'), (Key::M, b'm'), (Key::V, b'v'), (Key::Q, b'q')] {
            if ctx.input(|input| input.key_pressed(key)) {
                actions.extend(UserAction::of_key(byte));
            }
        }
        if window_state.in_call && ctx.input(|input| input.key_pressed(Key::I)) {
            self.guest = Some(String::new());
        }
        if ctx.input(|input| input.key_pressed(Key::O)) && self.tiles.toggle_alone() {
            self.set_full_screen(ctx, self.tiles.is_one_alone());
        }
        let leaves_full_screen = self.full_screen && ctx.input(|input| input.key_pressed(Key::Escape));
        if leaves_full_screen || ctx.input(|input| input.key_pressed(Key::F)) {
            self.set_full_screen(ctx, !self.full_screen);
        }
    }
}

/// Somebody calls.
fn ringing(ctx: &Context, window_state: &WindowState, actions: &mut Vec<UserAction>) {
    let Some(who) = &window_state.rings else { return };
    Modal::new(Id::new("ringing")).show(ctx, |ui| {
        ui.heading(format!("{who} calls"));
        ui.horizontal(|ui| {
            if ui.add(Button::new("Accept (a)").min_size(BUTTON)).clicked() {
                actions.push(UserAction::Accept);
            }
            if ui.add(Button::new("Decline (d)").min_size(BUTTON)).clicked() {
                actions.push(UserAction::Decline);
            }
        });
    });
}
