//! The tiles of participants and of the screens that they share: where each is, what is drawn of it, and which one is large.
//!
//! ```text
//!  nothing is large         one is large: pinned, a screen, or who speaks of many     one alone
//!  ┌────┬────┬────┐         ┌────────────────┐                                        ┌────────────────┐
//!  │    │    │    │         │                │                                        │                │
//!  ├────┼────┼────┤         ├────┬────┬────┬─┘                                        │                │
//!  │    │    │    │         │    │    │    │                                          │                │
//!  └────┴────┴────┘         └────┴────┴────┘                                          └────────────────┘
//! ```

use std::collections::BTreeMap;

use eframe::egui::{
    Align2, Color32, FontId, Painter, Pos2, Rect, Response, Sense, Stroke, StrokeKind, TextureId, Ui, Vec2, WidgetInfo,
    WidgetType, pos2, vec2,
};
use muji_core::Media;
use muji_media::device::VideoOrigin;

use super::textures::Textures;
use crate::window_state::{Person, WindowState};

/// Between two tiles, and around all, in points.
pub(super) const GAP: f32 = 8.0;

pub(super) const BACKGROUND: Color32 = Color32::from_rgb(24, 26, 30);
pub(super) const TILE: Color32 = Color32::from_rgb(48, 52, 60);

/// The shape of a tile.
const ASPECT: f32 = 16.0 / 9.0;

/// Our own picture, in parts of the width of the window.
const OURS: f32 = 0.18;

/// The part of the height that those have who are not large.
const STRIP: f32 = 0.22;

/// With more others than that their tiles are small, and who speaks is shown large.
const MANY: usize = 6;

/// Lines around a tile, in points.
const LINE: f32 = 3.0;

const SPEAKS: Color32 = Color32::from_rgb(80, 200, 120);
const PROBLEM: Color32 = Color32::from_rgb(240, 180, 60);
const SHARED: Color32 = Color32::from_rgb(220, 60, 60);
const FOCUSED: Color32 = Color32::WHITE;
const SHADE: Color32 = Color32::from_black_alpha(150);

const HINT: &str = "Click or Enter: large, and back. Double click or o: alone, and back";

/// A tile: whose, and whether it shows the person or a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tile {
    name: String,
    media: Media,
}

/// Which tiles are shown how.
#[derive(Default)]
pub(super) struct Tiles {
    pinned: Option<Tile>,
    alone: Option<Tile>,
    /// Who spoke last.
    speaker: Option<String>,
    /// The one that the keyboard is at, or the large one.
    focused: Option<Tile>,
    /// In how many pixels each picture was drawn last.
    widths: BTreeMap<VideoOrigin, f32>,
}

impl Tiles {
    /// Draws them. True if one is shown alone from now on, or not any more.
    pub(super) fn show(&mut self, ui: &Ui, window_state: &WindowState, textures: &Textures) -> bool {
        let whole = ui.available_rect_before_wrap();
        self.widths.clear();
        let tiles = self.update(window_state);
        let large = self.large(&tiles);
        let alone = self.alone.as_ref().and_then(|alone| tiles.iter().position(|tile| tile == alone));
        let places = match alone {
            Some(alone) => vec![(alone, whole)],
            None => places(whole, tiles.len(), large),
        };
        let mut is_chosen = false;
        self.focused = alone.or(large).map(|index| tiles[index].clone());
        for (index, place) in places {
            let response = self.tile(ui, place, &tiles[index], window_state, textures);
            if response.has_focus() || response.double_clicked() {
                self.focused = Some(tiles[index].clone());
            }
            is_chosen |= response.double_clicked();
        }
        if tiles.is_empty() {
            nobody(ui.painter(), whole, window_state);
        }
        own(ui.painter(), whole, window_state, textures);
        is_chosen && self.toggle_alone()
    }

    /// Shows one alone, or all again. True if that changes anything.
    pub(super) fn toggle_alone(&mut self) -> bool {
        let before = self.alone.take();
        if before.is_none() {
            self.alone = self.focused.clone();
        }
        before.is_some() || self.alone.is_some()
    }

    /// In how many pixels a picture was drawn last, if it was.
    pub(super) fn width_of(&self, whose: &VideoOrigin) -> Option<f32> {
        self.widths.get(whose).copied()
    }

    /// Whether one is shown alone.
    pub(super) fn is_one_alone(&self) -> bool {
        self.alone.is_some()
    }

    /// All are shown again.
    pub(super) fn show_all(&mut self) {
        self.alone = None;
    }

    /// The tiles there are now, screens first; what was chosen and is gone is forgotten.
    fn update(&mut self, window_state: &WindowState) -> Vec<Tile> {
        let people = &window_state.people;
        let screens = people.iter().filter(|person| window_state.of(person, &Media::Slides).is_some());
        let tile = |media: Media| move |person: &Person| Tile { name: person.name.clone(), media: media.clone() };
        let tiles: Vec<Tile> = screens.map(tile(Media::Slides)).chain(people.iter().map(tile(Media::Video))).collect();
        for chosen in [&mut self.pinned, &mut self.alone] {
            if chosen.as_ref().is_some_and(|chosen| !tiles.contains(chosen)) {
                *chosen = None;
            }
        }
        let speaks = |name: &String| people.iter().any(|person| person.speaks && person.name == *name);
        if !self.speaker.as_ref().is_some_and(speaks)
            && let Some(speaker) = people.iter().find(|person| person.speaks)
        {
            self.speaker = Some(speaker.name.clone());
        }
        tiles
    }

    /// The one that is large: the pinned one, a screen, or, of many, who spoke last.
    fn large(&self, tiles: &[Tile]) -> Option<usize> {
        if tiles.len() < 2 {
            return None;
        }
        let pinned = || tiles.iter().position(|tile| self.pinned.as_ref() == Some(tile));
        let screen = || tiles.iter().position(|tile| tile.media == Media::Slides);
        let speaker = || {
            let speaker = self.speaker.as_ref().filter(|_| tiles.len() > MANY)?;
            tiles.iter().position(|tile| tile.name == *speaker && tile.media == Media::Video)
        };
        pinned().or_else(screen).or_else(speaker)
    }

    fn tile(&mut self, ui: &Ui, place: Rect, tile: &Tile, window_state: &WindowState, textures: &Textures) -> Response {
        let response = ui.interact(place, ui.id().with((&tile.name, tile.media == Media::Slides)), Sense::click());
        let Some(person) = window_state.people.iter().find(|person| person.name == tile.name) else { return response };
        let whose = window_state.of(person, &tile.media).map(|(whose, ..)| whose);
        if let Some(whose) = whose {
            self.widths.insert(whose.clone(), place.width() * ui.pixels_per_point());
        }
        let picture = whose.and_then(|whose| textures.of(whose));
        let words = if tile.media == Media::Slides { format!("{} · screen", person.name) } else { words(person) };
        response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, &words));
        let painter = ui.painter();
        draw_tile(painter, place, picture, &words);
        if tile.media != Media::Slides {
            draw_state(painter, place, person, picture.is_some());
        }
        if response.has_focus() {
            painter.rect_stroke(place.shrink(LINE), 6.0, Stroke::new(1.0, FOCUSED), StrokeKind::Inside);
        }
        if response.clicked() {
            self.pinned = Some(tile.clone()).filter(|tile| self.pinned.as_ref() != Some(tile));
        }
        response.on_hover_text(HINT)
    }
}

/// Where each tile is: one large with the others below, or all alike.
fn places(whole: Rect, count: usize, large: Option<usize>) -> Vec<(usize, Rect)> {
    let Some(large) = large else { return grid(whole, count).into_iter().enumerate().collect() };
    let (top, strip) = whole.split_top_bottom_at_y(whole.bottom() - whole.height() * STRIP);
    let top = Rect::from_min_max(top.min, top.max - vec2(0.0, GAP));
    let others = (0..count).filter(|index| *index != large).zip(grid(strip, count - 1));
    [(large, top)].into_iter().chain(others).collect()
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

fn draw_tile(painter: &Painter, place: Rect, picture: Option<(TextureId, Vec2)>, words: &str) {
    painter.rect_filled(place, 6.0, TILE);
    if let Some(picture) = picture {
        draw(painter, place, picture);
    }
    label(painter, place.left_bottom() + vec2(GAP, -GAP), Align2::LEFT_BOTTOM, words, Color32::WHITE);
}

/// What is said of a person after the name.
fn words(person: &Person) -> String {
    let mut words = person.name.clone();
    for (so, mark) in [(person.muted, "muted"), (person.camera_off, "no camera")] {
        if so {
            words = format!("{words} · {mark}");
        }
    }
    words
}

fn draw_state(painter: &Painter, place: Rect, person: &Person, is_seen: bool) {
    if !is_seen {
        let font = FontId::proportional(place.height() * 0.3);
        painter.text(place.center(), Align2::CENTER_CENTER, initials(&person.name), font, Color32::LIGHT_GRAY);
    }
    if let Some(problem) = &person.problem {
        label(painter, place.center_top() + vec2(0.0, GAP), Align2::CENTER_TOP, problem, PROBLEM);
    }
    if person.speaks {
        painter.rect_stroke(place, 6.0, Stroke::new(LINE, SPEAKS), StrokeKind::Inside);
    }
}

fn nobody(painter: &Painter, whole: Rect, window_state: &WindowState) {
    let title = &window_state.title;
    let text = if window_state.in_call { format!("Nobody else is in {title} yet") } else { title.clone() };
    painter.text(whole.center(), Align2::CENTER_CENTER, text, FontId::proportional(20.0), Color32::GRAY);
}

/// The whole of a picture, as large as it fits.
fn draw(painter: &Painter, place: Rect, (texture, size): (TextureId, Vec2)) {
    let scale = (place.width() / size.x).min(place.height() / size.y);
    let shown = Rect::from_center_size(place.center(), size * scale);
    painter.image(texture, shown, Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)), Color32::WHITE);
}

/// What we send, small and in the corner: our own picture, and over it what we share, in a frame.
fn own(painter: &Painter, whole: Rect, window_state: &WindowState, textures: &Textures) {
    let width = whole.width() * OURS;
    let mut corner = whole.max;
    let words = if window_state.muted { format!("{} · muted", window_state.name) } else { window_state.name.clone() };
    for (media, words, frame) in [(Media::Video, words.as_str(), BACKGROUND), (Media::Slides, "You share this", SHARED)]
    {
        let Some((texture, size)) = textures.of(&VideoOrigin::Local(media)) else { continue };
        let sides = vec2(width, width * size.y / size.x);
        let place = Rect::from_min_size(corner - sides, sides);
        painter.image(texture, place, Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)), Color32::WHITE);
        painter.rect_stroke(place, 0.0, Stroke::new(LINE, frame), StrokeKind::Outside);
        label(painter, place.left_bottom() + vec2(GAP, -GAP), Align2::LEFT_BOTTOM, words, Color32::WHITE);
        corner.y = place.top() - GAP;
    }
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
