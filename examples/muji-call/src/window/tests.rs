//! The window without a screen: where everything is, and what the mouse and the keyboard do.

use std::time::{Duration, Instant};

use eframe::egui::epaint::{ClippedShape, Shape};
use eframe::egui::{Event, Key, Modifiers, PointerButton, Pos2, RawInput, Rect, vec2};
use muji_core::{Media, SessionId};
use muji_media::device::{VideoFrame, VideoOrigin, VideoSink};

use super::snapshot::Camera;
use crate::window_state::{Person, SharedWindowState};

const SIDES: [f32; 2] = [1_000.0, 640.0];

/// A call with so many others, each with a picture.
fn call(others: usize) -> SharedWindowState {
    let mut call = SharedWindowState::default();
    let person = |number: usize| Person {
        name: format!("person {number}"),
        session: Some(SessionId(number as u64)),
        ..Person::default()
    };
    call.with(|state| {
        state.in_call = true;
        state.name = "romeo".to_owned();
        state.people = (0..others).map(person).collect();
    });
    (0..others).for_each(|number| show(&mut call, number, Media::Video));
    call
}

fn show(call: &mut SharedWindowState, number: usize, media: Media) {
    let whose = VideoOrigin::Remote(SessionId(number as u64), "0".into(), media);
    call.show(&whose, VideoFrame::filled(640, 360, [200, 40, 40]));
}

/// A window of this size in points, at a scale, and what happens in it.
struct Window {
    camera: Camera,
    screen: Rect,
    /// Seconds since it was opened.
    now: f64,
}

impl Window {
    fn new(sides: [f32; 2], scale: f32) -> Self {
        let camera = Camera::new();
        camera.ctx.set_pixels_per_point(scale);
        Self { camera, screen: Rect::from_min_size(Pos2::ZERO, vec2(sides[0], sides[1])), now: 0.0 }
    }

    /// Lets these happen; all texts that are drawn then, and where.
    fn after(&mut self, call: &SharedWindowState, events: &[Event]) -> Vec<(String, Rect)> {
        let mut shapes = Vec::new();
        self.now += 1.0; // Clicks that follow each other sooner are double clicks.
        // In the first pass things are measured, in the second what was pressed is seen.
        for events in [events.to_vec(), Vec::new(), Vec::new()] {
            let input =
                RawInput { screen_rect: Some(self.screen), events, time: Some(self.now), ..RawInput::default() };
            shapes = self.camera.run(call, input).shapes;
        }
        let mut texts = Vec::new();
        shapes.into_iter().for_each(|ClippedShape { shape, .. }| collect(shape, &mut texts));
        texts
    }
}

fn collect(shape: Shape, texts: &mut Vec<(String, Rect)>) {
    match shape {
        Shape::Text(text) if text.galley.text().is_empty() => {}
        Shape::Text(text) => texts.push((text.galley.text().to_owned(), text.visual_bounding_rect())),
        Shape::Vec(shapes) => shapes.into_iter().for_each(|shape| collect(shape, texts)),
        _ => {}
    }
}

fn place(texts: &[(String, Rect)], name: &str) -> Rect {
    texts.iter().find(|(text, _)| text == name).expect("it is shown").1
}

fn names(texts: &[(String, Rect)]) -> Vec<&str> {
    texts.iter().map(|(text, _)| text.as_str()).filter(|text| text.starts_with("person")).collect()
}

fn clicks(at: Pos2, times: usize) -> Vec<Event> {
    let button =
        |pressed| Event::PointerButton { pos: at, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE };
    let click = [button(true), button(false)];
    [Event::PointerMoved(at)].into_iter().chain(click.into_iter().cycle().take(2 * times)).collect()
}

fn key(key: Key) -> Event {
    Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE }
}

#[test]
fn every_word_is_within_the_window_also_at_twice_the_size_and_in_the_smallest_window() {
    let call = call(4);
    for (sides, scale) in [(SIDES, 1.0), ([500.0, 320.0], 2.0), ([360.0, 240.0], 1.0), ([360.0, 240.0], 2.0)] {
        let mut window = Window::new(sides, scale);
        let texts = window.after(&call, &[]);
        for wanted in ["Mute (m)", "Camera off (v)", "Invite (i)", "Full screen (f)", "Leave (q)", "person 3"] {
            let found = texts.iter().find(|(text, _)| text == wanted);
            let (_, place) = found.unwrap_or_else(|| panic!("{wanted} is not shown in {sides:?}: {texts:?}"));
            assert!(window.screen.contains_rect(*place), "{wanted} is at {place:?} of {sides:?}");
        }
        let buttons: Vec<Rect> =
            texts.iter().filter(|(text, _)| text.ends_with(')')).map(|(_, place)| *place).collect();
        let lowest = texts.iter().filter(|(text, _)| text.starts_with("person")).map(|(_, place)| place.bottom());
        let lowest = lowest.fold(0.0, f32::max);
        assert!(buttons.iter().all(|button| button.top() > lowest), "no tile is below a button: {sides:?}");
    }
}

#[test]
fn a_click_or_enter_makes_a_tile_large_and_the_next_one_all_alike_again() {
    let call = call(3);
    let mut window = Window::new(SIDES, 1.0);
    let before = window.after(&call, &[]);
    let is_large = |texts: &[(String, Rect)], large: &str| {
        let others = names(texts).into_iter().filter(|name| *name != large);
        others.map(|name| place(texts, name)).all(|other| other.top() > place(texts, large).bottom())
    };
    let on_it = place(&before, "person 2").left_top() - vec2(0.0, 40.0);
    assert!(is_large(&window.after(&call, &clicks(on_it, 1)), "person 2"));
    assert_eq!(window.after(&call, &clicks(Pos2::new(500.0, 200.0), 1)), before);
    // By the keyboard: behind the five buttons are the tiles.
    (0..6).for_each(|_| drop(window.after(&call, &[key(Key::Tab)])));
    assert!(is_large(&window.after(&call, &[key(Key::Enter)]), "person 0"));
    assert!(!is_large(&window.after(&call, &[key(Key::Enter)]), "person 0"));
}

#[test]
fn a_double_click_or_o_shows_one_alone_and_escape_shows_all() {
    let call = call(3);
    let mut window = Window::new(SIDES, 1.0);
    let place = place(&window.after(&call, &[]), "person 1").left_top() - vec2(0.0, 40.0);
    for ends in [clicks(Pos2::new(500.0, 200.0), 2), vec![key(Key::Escape)], vec![key(Key::O)]] {
        assert_eq!(names(&window.after(&call, &clicks(place, 2))), ["person 1"]);
        assert_eq!(names(&window.after(&call, &ends)).len(), 3);
    }
    // By the keyboard: the one that Tab has reached.
    (0..7).for_each(|_| drop(window.after(&call, &[key(Key::Tab)])));
    let alone = window.after(&call, &[key(Key::O)]);
    assert_eq!(names(&alone).len(), 1, "{alone:?}");
}

#[test]
fn a_screen_is_large_and_of_many_the_one_who_speaks() {
    let mut call = call(3);
    show(&mut call, 1, Media::Slides);
    let mut window = Window::new(SIDES, 1.0);
    let texts = window.after(&call, &[]);
    assert!(place(&texts, "person 1 · screen").bottom() < place(&texts, "person 1").top());
    let call = self::call(9);
    let texts = window.after(&call, &[]);
    assert!(place(&texts, "person 0").top() == place(&texts, "person 1").top(), "nobody has spoken yet");
    call.with(|state| state.people[4].speaks = true);
    window.after(&call, &[]);
    // Also in the pause behind.
    call.with(|state| state.people[4].speaks = false);
    let texts = window.after(&call, &[]);
    assert!(
        (0..9)
            .filter(|other| *other != 4)
            .all(|other| { place(&texts, &format!("person {other}")).top() > place(&texts, "person 4").bottom() })
    );
}

#[test]
fn what_we_share_is_marked() {
    let mut call = call(1);
    let mut window = Window::new(SIDES, 1.0);
    let is_marked = |texts: &[(String, Rect)]| texts.iter().any(|(text, _)| text == "You share this");
    assert!(!is_marked(&window.after(&call, &[])));
    let ours = VideoOrigin::Local(Media::Slides);
    call.show(&ours, VideoFrame::filled(640, 360, [40, 200, 40]));
    assert!(is_marked(&window.after(&call, &[])));
    call.end(&ours);
    assert!(!is_marked(&window.after(&call, &[])));
}

/// For docs/status.md: `cargo test -p muji-call --bin muji-call -- --ignored --nocapture sixteen`.
#[test]
#[ignore = "it measures"]
fn what_sixteen_tiles_take() {
    let (mut call, mut camera) = (call(16), Camera::new());
    let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, vec2(SIDES[0], SIDES[1])));
    let mut pixels = vec![[0; 4]; 1_000 * 640];
    let mut times = [Duration::ZERO; 2];
    for _ in 0..90 {
        (0..16).for_each(|number| show(&mut call, number, Media::Video));
        let begun = Instant::now();
        let mut output = camera.run(&call, RawInput { screen_rect, ..RawInput::default() });
        times[0] += begun.elapsed();
        let delta = std::mem::take(&mut output.textures_delta);
        camera.draw(output, &delta, &mut pixels, [1_000, 640]);
        times[1] += begun.elapsed();
    }
    let [laid_out, drawn] = times.map(|time| time.as_secs_f64() * 1_000.0 / 90.0);
    println!(
        "a frame of sixteen tiles of 640 x 360: {laid_out:.1} ms until it is laid out, {drawn:.1} ms drawn in software"
    );
}
