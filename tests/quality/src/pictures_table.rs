//! Pictures, ours and libwebrtc's.

use std::path::Path;

use futures::future::join_all;
use muji_harness::impairment::Loss;
use muji_harness::plot::{Line, plot};

use crate::film::Film;
use crate::goals::Goals;
use crate::material::Material;
use crate::pictures::{self, Seen};
use crate::rows::{PICTURES, PicturesRow};
use crate::{Failure, dash, libwebrtc};

/// So many calls of libwebrtc at once leave a machine with two cores enough time for each.
const AT_ONCE: usize = 4;

/// We may be frozen for so much more of the time than libwebrtc.
const FROZEN_MORE: f64 = 0.005;
/// So different may be the share that is frozen as we count it and as libwebrtc itself does.
const COUNTED: f64 = 0.003;
/// Pictures a second.
const RATE: f64 = 29.0;
/// A minute, for many viewers.
const KEY_FRAMES: f64 = 5.0;
/// Milliseconds from capture to shown on the clean path of 40 ms, for 95 % of pictures: as it was when they were shown at once.
const CLEAN_DELAY: f64 = 42.0;

pub(crate) async fn measure(
    material: &Material,
    row: &str,
    with_libwebrtc: bool,
    goals: &mut Goals,
) -> Result<(), Failure> {
    let film = Film::open(&material.film)?;
    let rows: Vec<&PicturesRow> = PICTURES.iter().filter(|wanted| wanted.name.contains(row)).collect();
    let ours = rows.iter().map(|row| pictures::measure(&film, row)).collect::<Result<Vec<_>, _>>()?;
    drop(film);
    let mut theirs = Vec::new();
    for some in rows.chunks(AT_ONCE) {
        theirs.extend(join_all(some.iter().map(|row| of_libwebrtc(material, row, with_libwebrtc))).await);
    }
    let theirs = theirs.into_iter().collect::<Result<Vec<_>, _>>()?;
    println!("| pictures | frozen | libwebrtc | goal | pictures a second | libwebrtc | goal | met |");
    println!("|---|---|---|---|---|---|---|---|");
    for ((row, ours), theirs) in rows.iter().zip(&ours).zip(&theirs) {
        judge(row, ours, theirs.as_ref(), goals);
    }
    println!(
        "\n| pictures | capture to shown, ms: median, 95 % | libwebrtc | key frames a minute | libwebrtc | kbit/s | libwebrtc |"
    );
    println!("|---|---|---|---|---|---|---|");
    for ((row, ours), theirs) in rows.iter().zip(&ours).zip(&theirs) {
        detail(row, ours, theirs.as_ref());
    }
    println!();
    if rows.len() == PICTURES.len() {
        draw(&material.folder, &ours, &theirs)?;
    }
    Ok(())
}

/// What goes with it: delay, key frames and bits. Where libwebrtc counts other freezes than we do of its pictures, that is said.
fn detail(row: &PicturesRow, ours: &Seen, theirs: Option<&Seen>) {
    let both = |value: &dyn Fn(&Seen) -> String| [Some(ours), theirs].map(|seen| seen.map_or_else(dash, value));
    let [delay, their_delay] = both(&|seen| format!("{:.0}, {:.0}", seen.delay[0], seen.delay[1]));
    let [keys, their_keys] = both(&|seen| format!("{:.0}", seen.key_frames));
    let [bits, their_bits] = both(&|seen| format!("{:.0}", seen.bits / 1_000.0));
    println!("| {} | {delay} | {their_delay} | {keys} | {their_keys} | {bits} | {their_bits} |", row.name);
    let told = theirs.and_then(|theirs| Some((theirs.frozen, theirs.frozen_as_told?)));
    if let Some((frozen, told)) = told.filter(|(frozen, told)| (frozen - told).abs() > COUNTED) {
        println!("({}: libwebrtc itself counts {:.1} %, not {:.1} %)", row.name, told * 100.0, frozen * 100.0);
    }
}

/// Many viewers are measured of ours alone.
async fn of_libwebrtc(material: &Material, row: &PicturesRow, with_libwebrtc: bool) -> Result<Option<Seen>, Failure> {
    if !with_libwebrtc || row.viewers > 1 {
        return Ok(None);
    }
    libwebrtc::pictures(material, row.network).await.map(Some)
}

fn judge(row: &PicturesRow, ours: &Seen, theirs: Option<&Seen>, goals: &mut Goals) {
    let limit = theirs.map(|theirs| theirs.frozen + FROZEN_MORE);
    let mut met = vec![goals.check(row.name, "pictures a second", Some(ours.rate >= RATE))];
    if row.viewers > 1 {
        met.push(goals.check(row.name, "key frames a minute", Some(ours.key_frames <= KEY_FRAMES)));
    } else {
        met.push(goals.check(row.name, "frozen", limit.map(|limit| ours.frozen <= limit)));
    }
    if matches!(row.network.loss, Loss::Each(0.0)) {
        met.push(goals.check(row.name, "from capture to shown", Some(ours.delay[1] <= CLEAN_DELAY)));
    }
    let verdict = Goals::worst(&met);
    let percent = |share: Option<f64>| share.map_or_else(dash, |share| format!("{:.1} %", share * 100.0));
    println!(
        "| {} | {} | {} | {} | {:.1} | {} | {RATE} | {verdict} |",
        row.name,
        percent(Some(ours.frozen)),
        percent(theirs.map(|theirs| theirs.frozen)),
        percent(limit),
        ours.rate,
        theirs.map_or_else(dash, |theirs| format!("{:.1}", theirs.rate))
    );
}

/// The frozen share over random loss, for each delay.
fn draw(folder: &Path, ours: &[Seen], theirs: &[Option<Seen>]) -> Result<(), Failure> {
    let points = |delay: u128, seen: &dyn Fn(usize) -> Option<f64>| -> Vec<(f64, f64)> {
        let rows = PICTURES.iter().enumerate().filter(|(_, row)| row.viewers == 1);
        let of_delay = rows.filter(|(_, row)| row.network.delay.as_millis() == delay);
        let points = of_delay.filter_map(|(place, row)| match row.network.loss {
            Loss::Each(share) => Some((share * 100.0, seen(place)? * 100.0)),
            Loss::Rows { .. } | Loss::Spikes { .. } | Loss::Bursts { .. } => None,
        });
        points.collect()
    };
    let of_ours = |place: usize| Some(ours[place].frozen);
    let of_theirs = |place: usize| theirs[place].as_ref().map(|seen| seen.frozen);
    let lines = [
        Line { name: "ours, 40 ms", colour: [210, 50, 40], points: points(40, &of_ours) },
        Line { name: "ours, 100 ms", colour: [200, 150, 30], points: points(100, &of_ours) },
        Line { name: "libwebrtc, 40 ms", colour: [30, 90, 200], points: points(40, &of_theirs) },
        Line { name: "libwebrtc, 100 ms", colour: [150, 60, 160], points: points(100, &of_theirs) },
    ];
    plot(
        &folder.join("frozen.png"),
        "Share of time without a new picture, in percent, over random loss in percent",
        &lines,
    )
}
