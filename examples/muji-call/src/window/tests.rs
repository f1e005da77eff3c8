//! The window without a screen: where everything is, and what the mouse and the keyboard do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use eframe::egui::epaint::{ClippedShape, Shape};
use eframe::egui::{Context, Event, Key, Modifiers, PointerButton, Pos2, RawInput, Rect, TexturesDelta, vec2};
use muji_core::{Media, SessionId};
use muji_media::device::{VideoFrame, VideoOrigin, VideoSink};
use winit::platform::x11::EventLoopBuilderExtX11 as _;

use super::snapshot::Camera;
use super::textures::Textures;
use super::view::View;
use super::{App, actions, options};
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

#[test]
fn the_security_code_is_shown_once_also_when_it_is_the_last_message() {
    let call = call(1);
    let mut window = Window::new(SIDES, 1.0);
    let shown = |texts: &[(String, Rect)]| {
        let texts = texts.iter().map(|(text, _)| text.clone());
        texts.filter(|text| text.contains("12345 67890") || text.contains("camera")).collect::<Vec<_>>()
    };
    call.with(|state| {
        state.security_code = Some("12345 67890".to_owned());
        state.message = "security code: the call is private if the others read the same digits: 12345 67890".to_owned();
    });
    assert_eq!(shown(&window.after(&call, &[])), ["Security code 12345 67890"]);
    call.with(|state| state.message = "the camera is gone".to_owned());
    assert_eq!(shown(&window.after(&call, &[])), ["Security code 12345 67890", "the camera is gone"]);
}

/// The window in pixels, so many of them a point.
fn picture(call: &SharedWindowState, scale: usize) -> Vec<[u8; 4]> {
    let mut camera = Camera::new();
    camera.ctx.set_pixels_per_point(scale as f32);
    let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, vec2(SIDES[0], SIDES[1])));
    let [width, height] = SIDES.map(|side| side as usize * scale);
    let (mut pixels, mut deltas) = (vec![[0; 4]; width * height], TexturesDelta::default());
    // The scale counts from the second pass on, and the third draws.
    for pass in 0..3 {
        let mut output = camera.run(call, RawInput { screen_rect, ..RawInput::default() });
        deltas.append(std::mem::take(&mut output.textures_delta));
        if pass == 2 {
            camera.draw(output, &deltas, &mut pixels, [width, height]);
        }
    }
    pixels
}

#[test]
fn on_a_screen_of_twice_the_density_it_is_the_same_picture_with_sharper_letters() {
    let call = call(4);
    let (usual, dense) = (picture(&call, 1), picture(&call, 2));
    let (width, mut apart, mut sharper) = (SIDES[0] as usize, 0, 0);
    for (at, pixel) in usual.iter().enumerate() {
        let (x, y) = (at % width * 2, at / width * 2);
        let four = [[0, 0], [1, 0], [0, 1], [1, 1]].map(|[right, down]| dense[(y + down) * width * 2 + x + right]);
        let parts = |part: usize| four.map(|pixel| u32::from(pixel[part]));
        let mean = [0, 1, 2].map(|part| (parts(part).iter().sum::<u32>() / 4) as u8);
        apart += usize::from(mean.iter().zip(pixel).any(|(mean, seen)| mean.abs_diff(*seen) > 64));
        sharper += usize::from(parts(1).iter().max() > parts(1).iter().min().map(|least| least + 32).as_ref());
    }
    // Edges of letters, and nothing else.
    assert!(apart < usual.len() / 200, "{apart} of {} pixels are others", usual.len());
    assert!(sharper > 500, "{sharper} pixels have a detail");
    let reddish = |pixels: &[[u8; 4]]| pixels.iter().filter(|[red, _, blue, _]| *red > 150 && *blue < 80).count();
    let (of_usual, of_dense) = (reddish(&usual), reddish(&dense));
    assert!(of_usual > usual.len() / 2 && of_dense.abs_diff(4 * of_usual) < of_dense / 50, "{of_usual} and {of_dense}");
}

/// The window, and how often it was drawn.
struct Counted(App, Arc<AtomicUsize>);

impl eframe::App for Counted {
    fn update(&mut self, ctx: &Context, frame: &mut eframe::Frame) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.update(ctx, frame);
    }
}

/// Shows sixteen pictures thirty times a second; what the whole process computes for each time that the window is drawn.
fn feed(mut call: SharedWindowState, drawn: &AtomicUsize) -> Duration {
    const WARMED_UP: u32 = 3 * 30;
    const MEASURED: u32 = 5 * 30;
    let (picture, begun) = (VideoFrame::filled(640, 360, [200, 40, 40]), Instant::now());
    let mut measured = (drawn.load(Ordering::Relaxed), ProcessTime::now());
    for number in 0..WARMED_UP + MEASURED {
        for person in 0..16 {
            call.show(&VideoOrigin::Remote(SessionId(person), "0".into(), Media::Video), picture.clone());
        }
        if number == WARMED_UP {
            measured = (drawn.load(Ordering::Relaxed), ProcessTime::now());
        }
        let next = begun + Duration::from_secs(1) / 30 * (number + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let (before, used) = measured;
    let used = used.elapsed() / u32::try_from(drawn.load(Ordering::Relaxed) - before).unwrap_or(u32::MAX).max(1);
    call.with(|state| state.over = true);
    used
}

/// Drawn by GL, in software where there is no graphics card.
#[test]
#[ignore = "it measures: make bench"]
#[expect(clippy::print_stdout, reason = "what is measured")]
fn sixteen_pictures_in_the_window_take_less_than_a_core() {
    let (call, drawn) = (call(16), Arc::new(AtomicUsize::new(0)));
    let (textures, view) = (Textures::default(), View::default());
    let app = Counted(App { shared_view: call.clone(), actions: actions().0, view, textures }, drawn.clone());
    let any_thread = |builder: &mut eframe::EventLoopBuilder<eframe::UserEvent>| {
        builder.with_any_thread(true);
    };
    let options = eframe::NativeOptions { event_loop_builder: Some(Box::new(any_thread)), ..options() };
    let feeder = std::thread::spawn(move || feed(call, &drawn));
    eframe::run_native("muji-call", options, Box::new(|_| Ok(Box::new(app)))).expect("there is a screen");
    let each = feeder.join().expect("it only feeds").as_secs_f64();
    let core = each * 30.0 * 100.0;
    println!(
        "sixteen pictures of 640 x 360 in the window: {:.1} ms each time, {core:.0} % of a core at 30 a second",
        each * 1_000.0
    );
    assert!(core < 100.0, "the goal is less than a core");
}
