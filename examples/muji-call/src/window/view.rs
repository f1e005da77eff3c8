//! How the window looks, and what is pressed in it.

use eframe::egui::{
    Align2, Button, CentralPanel, Color32, Context, FontId, Frame, Id, Key, Label, Modal, Painter, Pos2, Rect,
    RichText, Sense, Stroke, StrokeKind, TextEdit, TextureId, TopBottomPanel, Ui, Vec2, ViewportCommand, pos2, vec2,
};
use jid::BareJid;
use muji_core::Media;
use muji_media::device::VideoOrigin;

use super::textures::Textures;
use crate::user_action::UserAction;
use crate::window_state::{Person, WindowState};

/// A button's sides, and the gap between two, in points.
const BUTTON: Vec2 = vec2(120.0, 34.0);
const GAP: f32 = 8.0;

/// The shape of a tile.
const ASPECT: f32 = 16.0 / 9.0;

/// Our own picture, in parts of the width of the window.
const OURS: f32 = 0.18;

const BACKGROUND: Color32 = Color32::from_rgb(24, 26, 30);
const TILE: Color32 = Color32::from_rgb(48, 52, 60);
const SPEAKS: Color32 = Color32::from_rgb(80, 200, 120);
const PROBLEM: Color32 = Color32::from_rgb(240, 180, 60);
const SHADE: Color32 = Color32::from_black_alpha(150);

/// What the window itself remembers.
#[derive(Default)]
pub(crate) struct View {
    /// The address being written, while somebody is being invited.
    guest: Option<String>,
    full_screen: bool,
}

impl View {
    /// Draws everything; what the user wants.
    pub(crate) fn show(&mut self, ctx: &Context, window_state: &WindowState, textures: &Textures) -> Vec<UserAction> {
        let mut actions = Vec::new();
        TopBottomPanel::bottom("bar").frame(Frame::new().fill(BACKGROUND).inner_margin(GAP)).show(ctx, |ui| {
            self.bar(ui, window_state, &mut actions);
        });
        CentralPanel::default().frame(Frame::new().fill(BACKGROUND).inner_margin(GAP)).show(ctx, |ui| {
            tiles(ui, window_state, textures);
        });
        self.invitation(ctx, &mut actions);
        ringing(ctx, window_state, &mut actions);
        self.keys(ctx, window_state, &mut actions);
        actions
    }

    fn bar(&mut self, ui: &mut Ui, window_state: &WindowState, actions: &mut Vec<UserAction>) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = GAP;
            let pressed = |ui: &mut Ui, text: &str, on: bool| {
                let fill = if on { Color32::from_rgb(140, 60, 50) } else { TILE };
                let text = RichText::new(text).color(Color32::WHITE);
                ui.add_enabled(window_state.in_call, Button::new(text).fill(fill).min_size(BUTTON)).clicked()
            };
            if pressed(ui, if window_state.muted { "Unmute (m)" } else { "Mute (m)" }, window_state.muted) {
                actions.push(UserAction::Mute);
            }
            if pressed(
                ui,
                if window_state.camera_off { "Camera on (v)" } else { "Camera off (v)" },
                window_state.camera_off,
            ) {
                actions.push(UserAction::Camera);
            }
            if pressed(ui, "Invite (i)", false) {
                self.guest = Some(String::new());
            }
            if pressed(ui, "Full screen (f)", false) {
                self.toggle_full_screen(ui.ctx());
            }
            if pressed(ui, "Leave (q)", false) {
                actions.push(UserAction::Leave);
            }
            let words = [window_state.security_code.as_deref(), Some(&window_state.message)].into_iter().flatten();
            for words in words {
                ui.add(Label::new(RichText::new(words).color(Color32::GRAY).small()).truncate());
            }
        });
    }

    fn toggle_full_screen(&mut self, ctx: &Context) {
        self.full_screen = !self.full_screen;
        ctx.send_viewport_cmd(ViewportCommand::Fullscreen(self.full_screen));
    }

    /// Asks for an address.
    fn invitation(&mut self, ctx: &Context, actions: &mut Vec<UserAction>) {
        let Some(guest) = &mut self.guest else { return };
        let (mut invited, address) = (false, guest.parse::<BareJid>().ok().filter(|jid| jid.node().is_some()));
        let closed = Modal::new(Id::new("invite")).show(ctx, |ui| {
            ui.label("Whom? An address such as juliet@example.org");
            ui.add(TextEdit::singleline(guest)).request_focus();
            let clicked = ui.add_enabled(address.is_some(), Button::new("Invite")).clicked();
            invited = address.is_some() && (clicked || ui.input(|input| input.key_pressed(Key::Enter)));
        });
        if let Some(address) = address.filter(|_| invited) {
            actions.push(UserAction::Invite(address));
        }
        if invited || closed.should_close() {
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
        let leaves_full_screen = self.full_screen && ctx.input(|input| input.key_pressed(Key::Escape));
        if leaves_full_screen || ctx.input(|input| input.key_pressed(Key::F)) {
            self.toggle_full_screen(ctx);
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

// ---- tiles -----------------------------------------------------------------------------------------------------------

fn tiles(ui: &mut Ui, window_state: &WindowState, textures: &Textures) {
    let (response, painter) = ui.allocate_painter(ui.available_size(), Sense::hover());
    let whole = response.rect;
    // Screens first: they are what is talked about.
    let screens = window_state.people.iter().filter(|person| window_state.of(person, &Media::Slides).is_some());
    let shown: Vec<(&Person, Media)> = screens
        .map(|person| (person, Media::Slides))
        .chain(window_state.people.iter().map(|person| (person, Media::Video)))
        .collect();
    let places = grid(whole, shown.len());
    for ((person, media), place) in shown.into_iter().zip(places) {
        let picture = window_state.of(person, &media).and_then(|(whose, ..)| textures.of(whose));
        if media == Media::Slides {
            screen(&painter, place, person, picture);
        } else {
            tile(&painter, place, person, picture);
        }
    }
    if window_state.people.is_empty() {
        let text = if window_state.in_call {
            format!("Nobody else is in {} yet", window_state.title)
        } else {
            window_state.title.clone()
        };
        painter.text(whole.center(), Align2::CENTER_CENTER, text, FontId::proportional(20.0), Color32::GRAY);
    }
    own(&painter, whole, window_state, textures);
}

/// Places for so many tiles, as large as they fit.
fn grid(whole: Rect, count: usize) -> Vec<Rect> {
    let width = |columns: usize| {
        let rows = count.div_ceil(columns);
        let [columns, rows] = [columns as f32, rows as f32];
        let by_width = (whole.width() - GAP * (columns - 1.0)) / columns;
        by_width.min((whole.height() - GAP * (rows - 1.0)) / rows * ASPECT)
    };
    let Some(columns) = (1..=count).max_by(|one, other| width(*one).total_cmp(&width(*other))) else {
        return Vec::new();
    };
    let size = vec2(width(columns), width(columns) / ASPECT);
    let rows = count.div_ceil(columns);
    let of_row = |row: usize| columns.min(count - row * columns);
    let length = |tiles: usize, side: f32| side * tiles as f32 + GAP * (tiles as f32 - 1.0);
    let top = whole.center().y - length(rows, size.y) / 2.0;
    let place = |index: usize| {
        let (row, column) = (index / columns, index % columns);
        let left = whole.center().x - length(of_row(row), size.x) / 2.0;
        Rect::from_min_size(pos2(left + column as f32 * (size.x + GAP), top + row as f32 * (size.y + GAP)), size)
    };
    (0..count).map(place).collect()
}

fn tile(painter: &Painter, place: Rect, person: &Person, picture: Option<(TextureId, Vec2)>) {
    painter.rect_filled(place, 6.0, TILE);
    match picture {
        Some(picture) => draw(painter, place, picture),
        None => {
            let font = FontId::proportional(place.height() * 0.3);
            painter.text(place.center(), Align2::CENTER_CENTER, initials(&person.name), font, Color32::LIGHT_GRAY);
        }
    }
    let mut words = person.name.clone();
    for (so, mark) in [(person.muted, "muted"), (person.camera_off, "no camera")] {
        if so {
            words = format!("{words} · {mark}");
        }
    }
    let at = place.left_bottom() + vec2(GAP, -GAP);
    label(painter, at, Align2::LEFT_BOTTOM, &words, Color32::WHITE);
    if let Some(problem) = &person.problem {
        label(painter, place.center_top() + vec2(0.0, GAP), Align2::CENTER_TOP, problem, PROBLEM);
    }
    if person.speaks {
        painter.rect_stroke(place, 6.0, Stroke::new(3.0, SPEAKS), StrokeKind::Inside);
    }
}

/// What somebody shows of a screen.
fn screen(painter: &Painter, place: Rect, person: &Person, picture: Option<(TextureId, Vec2)>) {
    painter.rect_filled(place, 6.0, TILE);
    if let Some(picture) = picture {
        draw(painter, place, picture);
    }
    let (at, words) = (place.left_bottom() + vec2(GAP, -GAP), format!("{} · screen", person.name));
    label(painter, at, Align2::LEFT_BOTTOM, &words, Color32::WHITE);
}

/// The whole of a picture, as large as it fits.
fn draw(painter: &Painter, place: Rect, (texture, size): (TextureId, Vec2)) {
    let scale = (place.width() / size.x).min(place.height() / size.y);
    let shown = Rect::from_center_size(place.center(), size * scale);
    painter.image(texture, shown, Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)), Color32::WHITE);
}

/// Our own picture, small and in the corner.
fn own(painter: &Painter, whole: Rect, window_state: &WindowState, textures: &Textures) {
    let Some((texture, size)) = textures.of(&VideoOrigin::Local(Media::Video)) else { return };
    let width = whole.width() * OURS;
    let place =
        Rect::from_min_size(whole.max - vec2(width, width * size.y / size.x), vec2(width, width * size.y / size.x));
    painter.image(texture, place, Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)), Color32::WHITE);
    painter.rect_stroke(place, 0.0, Stroke::new(2.0, BACKGROUND), StrokeKind::Outside);
    let words = if window_state.muted { format!("{} · muted", window_state.name) } else { window_state.name.clone() };
    label(painter, place.left_bottom() + vec2(GAP, -GAP), Align2::LEFT_BOTTOM, &words, Color32::WHITE);
}

fn label(painter: &Painter, at: Pos2, align: Align2, text: &str, colour: Color32) {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(14.0), colour);
    let place = align.anchor_size(at, galley.size());
    painter.rect_filled(place.expand(3.0), 3.0, SHADE);
    painter.galley(place.min, galley, colour);
}

/// The first letters of the first two words.
fn initials(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric()).filter_map(|word| word.chars().next());
    words.take(2).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_the_window_without_touching_whatever_their_number() {
        for (width, height) in [(1_000.0, 600.0), (300.0, 900.0), (2_000.0, 300.0)] {
            let whole = Rect::from_min_size(pos2(8.0, 8.0), vec2(width, height));
            for count in 0..=64 {
                let places = grid(whole, count);
                assert_eq!(places.len(), count);
                for (index, place) in places.iter().enumerate() {
                    assert!(whole.expand(0.1).contains_rect(*place), "{count} in {width} x {height}: {place:?}");
                    assert!((place.width() / place.height() - ASPECT).abs() < 0.01);
                    let touches = |other: &Rect| other.shrink(0.1).intersects(*place);
                    assert!(!places[index + 1..].iter().any(touches));
                }
            }
        }
        let whole = Rect::from_min_size(Pos2::ZERO, vec2(1_000.0, 600.0));
        assert_eq!(grid(whole, 1)[0].width(), 1_000.0);
        assert_eq!(grid(whole, 4)[0].width(), (1_000.0 - GAP) / 2.0);
    }

    #[test]
    fn initials_are_of_two_words_at_most() {
        assert_eq!(["romeo", "Nurse Angelica of V.", "", "élodie-b"].map(initials), ["R", "NA", "", "ÉB"]);
    }
}
