//! Whether text on a shared screen can be read by who looks: letters of 12 pixels on a page of 1920 x 1080, at 1 Mbit/s and in virtual
//! time, read by tesseract. It reads what was sent too: more than of that cannot be asked for.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use muji_media::device::VideoFrame;
use muji_media::parts::codec::VideoEncoding;
use muji_media::parts::{DegradationPreference, VideoReceiver, VideoSender};
use muji_media::stats::Target;
use muji_media::transport::ReceivedRtp;

use crate::Goals;

const WIDTH: usize = 1_920;
const HEIGHT: usize = 1_080;
const BITS: u32 = 1_000_000;
const INTERVAL: Duration = Duration::from_micros(1_000_000 / 30);

/// The share of letters that are read, and how long each page is shown.
const GOAL: f64 = 0.98;
const SHOWN: Duration = Duration::from_secs(4);

/// How long after a page has come it is read, in frames: a second, and all the time.
const AFTER: [u32; 2] = [30, 119];

const FONT: &str = "DejaVu-Sans";
const LINE: usize = 120;
const LINES: usize = 24;
const TEXT: [&str; 2] = [
    "But, soft! what light through yonder window breaks? It is the east, and Juliet is the sun. Arise, fair sun, and kill the envious \
     moon, who is already sick and pale with grief, that thou her maid art far more fair than she. ",
    "O Romeo, Romeo! wherefore art thou Romeo? Deny thy father and refuse thy name; or, if thou wilt not, be but sworn my love, and I \
     will no longer be a Capulet. What is in a name? That which we call a rose by any other name would smell as sweet. ",
];

pub(crate) fn measure(goals: &mut Goals) {
    println!("## Text of 12 pixels on a screen of 1920 x 1080, at 1 Mbit/s\n");
    let pages = TEXT.map(wrapped);
    if let Some(missing) = missing() {
        println!("skipped: {missing} is not installed\n");
        return;
    }
    let pictures: Vec<VideoFrame> = pages.iter().map(|page| draw(page)).collect();
    let (seen, bits) = look(&pictures);
    println!("Sent: {bits:.0} kbit/s.\n\n| read by tesseract | of letters, % | goal | met |\n|---|---|---|---|");
    for (number, page) in pages.iter().enumerate() {
        let sent = 100.0 * read(&pictures[number], page);
        println!("| page {} as it was drawn | {sent:.1} | | |", number + 1);
        for (after, seen) in AFTER.iter().zip(&seen[number]) {
            let (share, after) = (read(seen, page), f64::from(after + 1) / 30.0);
            let what = format!("page {}, {after:.0} s after it came", number + 1);
            let met = goals.check(share >= GOAL, || format!("text that is read: {what}"));
            println!("| {what} | {:.1} | {:.0} | {met} |", 100.0 * share, 100.0 * GOAL);
        }
    }
    println!();
}

/// Shows the pages, one after the other; what is seen of each, and how many kbit/s were sent.
fn look(pages: &[VideoFrame]) -> (Vec<Vec<VideoFrame>>, f64) {
    let mut now = Instant::now();
    let target = Target { bits: BITS, layered: false };
    let preference = DegradationPreference::MaintainResolution;
    let mut sender =
        VideoSender::new(now, VideoEncoding::Vp8, [WIDTH, HEIGHT], preference, target).expect("libvpx works");
    let (mut receiver, mut sequence, mut bytes) = (VideoReceiver::new(now), 0, 0);
    let (mut seen, mut last) = (Vec::new(), None);
    let frames = (SHOWN.as_secs_f64() / INTERVAL.as_secs_f64()) as u32;
    for page in pages {
        let mut of_page = Vec::new();
        for frame in 0..frames {
            let sent = if sender.is_due(now) { sender.packets(now, page).expect("libvpx works") } else { None };
            for packet in sent.into_iter().flat_map(|sent| sent.packets) {
                bytes += packet.payload.len();
                sequence += 1;
                let (ssrc, payload_type, captured, turns) = (1, 98, None, None);
                let packet = ReceivedRtp { ssrc, payload_type, sequence, arrived: now, captured, turns, packet };
                drop(receiver.receive(now, VideoEncoding::Vp8, &packet));
            }
            last = receiver.take(now).pop().map(|shown| shown.frame).or(last);
            if AFTER.contains(&frame) {
                of_page.push(last.clone().expect("the first frame was a key frame"));
            }
            now += INTERVAL;
        }
        seen.push(of_page);
    }
    let kilobits = bytes as f64 * 8.0 / 1_000.0;
    (seen, kilobits / (SHOWN.as_secs_f64() * pages.len() as f64))
}

/// A page of lines that are about as long.
fn wrapped(text: &str) -> String {
    let (mut page, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace().cycle() {
        if line.len() + word.len() > LINE {
            page.push(std::mem::take(&mut line));
            if page.len() == LINES {
                return page.join("\n");
            }
        }
        line = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
    }
    page.join("\n")
}

/// What draws the pages or reads them, and is not there.
fn missing() -> Option<&'static str> {
    let Ok(fonts) = Command::new("convert").args(["-list", "font"]).output() else { return Some("ImageMagick") };
    let fonts = String::from_utf8_lossy(&fonts.stdout).into_owned();
    if !fonts.lines().any(|line| line.trim().strip_prefix("Font: ") == Some(FONT)) {
        return Some("the font DejaVu Sans");
    }
    Command::new("tesseract").arg("--version").output().is_err().then_some("tesseract")
}

/// The page, black on white.
fn draw(page: &str) -> VideoFrame {
    let mut command = Command::new("convert");
    command.args(["-size", "1920x1080", "xc:white", "-font", FONT, "-pointsize", "12", "-fill", "black"]);
    command.args(["-interline-spacing", "8", "-annotate", "+40+60", page, "-depth", "8", "gray:-"]);
    let drawn = command.output().expect("it is installed").stdout;
    let limited = |grey: &u8| (16 + u32::from(*grey) * 219 / 255) as u8;
    let mut samples: Vec<u8> = drawn.iter().map(limited).collect();
    samples.resize(WIDTH * HEIGHT * 3 / 2, 128);
    VideoFrame::from_samples(WIDTH, HEIGHT, samples).expect("it has the size of a frame")
}

/// The share of a page's letters that are read in a picture, which is enlarged as tesseract likes it.
fn read(picture: &VideoFrame, page: &str) -> f64 {
    let [width, height] = [picture.width(), picture.height()];
    let header = format!("P5 {width} {height} 255\n");
    let larger = piped(
        "convert",
        &["pgm:-", "-resize", "3840x", "pgm:-"],
        &[header.as_bytes(), &picture.samples()[..width * height]].concat(),
    );
    let text = String::from_utf8_lossy(&piped("tesseract", &["-", "-", "--psm", "6"], &larger)).into_owned();
    let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<Vec<char>>();
    let (page, text) = (letters(page), letters(&text));
    1.0 - distance(&page, &text) as f64 / page.len() as f64
}

fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it is installed");
    let mut writes = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        scope.spawn(move || drop(writes.write_all(input)));
        child.wait_with_output().expect("it ran").stdout
    })
}

/// How many letters are to be put in, taken out or changed to make one text of the other (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (at, with) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != with);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
