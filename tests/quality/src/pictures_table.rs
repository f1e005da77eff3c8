//! Pictures, ours and libwebrtc's.

use std::path::Path;
use std::sync::Arc;

use futures::future::{OptionFuture, join_all};
use muji_harness::impairment::Loss;
use muji_harness::plot::{Line, plot};

use crate::compared::Compared;
use crate::film::Film;
use crate::goals::Goals;
use crate::material::Material;
use crate::pictures::{self, Seen};
use crate::rows::{PICTURES, PicturesRow};
use crate::{Failure, dash, libwebrtc, mixed};

/// So many calls with libwebrtc at once leave a machine with two cores enough time for each.
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
    let film = Arc::new(Film::open(&material.film)?);
    let rows: Vec<&PicturesRow> = PICTURES.iter().filter(|wanted| wanted.name.contains(row)).collect();
    let ours = rows.iter().map(|row| pictures::measure(&film, row)).collect::<Result<Vec<_>, _>>()?;
    let libwebrtc = in_real_time(&rows, with_libwebrtc, |row| libwebrtc::pictures(material, row.network)).await?;
    let mixed = in_real_time(&rows, with_libwebrtc, |row| mixed::pictures(material, film.clone(), row.network)).await?;
    let measured = Compared::rows(ours, libwebrtc, mixed);
    println!(
        "| pictures | frozen | libwebrtc | ours to libwebrtc | goal | pictures a second | libwebrtc | ours to libwebrtc | goal | met |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (row, seen) in rows.iter().zip(&measured) {
        judge(row, seen, goals);
    }
    println!(
        "\n| pictures | capture to shown, ms: median, 95 % | libwebrtc | ours to libwebrtc | key frames a minute | libwebrtc | ours to libwebrtc | kbit/s | libwebrtc | ours to libwebrtc |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (row, seen) in rows.iter().zip(&measured) {
        detail(row, seen);
    }
    println!();
    if rows.len() == PICTURES.len() {
        draw(&material.folder, &measured)?;
    }
    Ok(())
}

/// Some calls at once. Rows of many viewers are measured without libwebrtc.
async fn in_real_time<'row, F>(
    rows: &[&'row PicturesRow],
    with_libwebrtc: bool,
    call: impl Fn(&'row PicturesRow) -> F,
) -> Result<Vec<Option<Seen>>, Failure>
where
    F: Future<Output = Result<Seen, Failure>>,
{
    let mut seen = Vec::new();
    for some in rows.chunks(AT_ONCE) {
        let calls = some.iter().map(|row| (with_libwebrtc && row.viewers == 1).then(|| call(row)));
        seen.extend(join_all(calls.map(OptionFuture::from)).await);
    }
    seen.into_iter().map(Option::transpose).collect()
}

/// What goes with it: delay, key frames and bits. Where libwebrtc counts other freezes than we do of its pictures, that is said.
fn detail(row: &PicturesRow, seen: &Compared<Seen>) {
    let cells = [
        seen.each(|seen| format!("{:.0}, {:.0}", seen.delay[0], seen.delay[1])),
        seen.each(|seen| format!("{:.0}", seen.key_frames)),
        seen.each(|seen| format!("{:.0}", seen.bits / 1_000.0)),
    ];
    let cells: Vec<String> = cells.into_iter().flatten().map(|cell| cell.unwrap_or_else(dash)).collect();
    println!("| {} | {} |", row.name, cells.join(" | "));
    let told = seen.libwebrtc.as_ref().and_then(|seen| Some((seen.frozen, seen.frozen_as_told?)));
    if let Some((frozen, told)) = told.filter(|(frozen, told)| (frozen - told).abs() > COUNTED) {
        println!("({}: libwebrtc itself counts {:.1} %, not {:.1} %)", row.name, told * 100.0, frozen * 100.0);
    }
}

fn judge(row: &PicturesRow, seen: &Compared<Seen>, goals: &mut Goals) {
    let ours = &seen.ours;
    let limit = seen.libwebrtc.as_ref().map(|theirs| theirs.frozen + FROZEN_MORE);
    let mut met = vec![goals.check(row.name, "pictures a second", Some(ours.rate >= RATE))];
    if row.viewers > 1 {
        met.push(goals.check(row.name, "key frames a minute", Some(ours.key_frames <= KEY_FRAMES)));
    } else {
        met.push(goals.check(row.name, "frozen", limit.map(|limit| ours.frozen <= limit)));
    }
    if matches!(row.network.loss, Loss::Each(0.0)) {
        met.push(goals.check(row.name, "from capture to shown", Some(ours.delay[1] <= CLEAN_DELAY)));
    }
    let percent = |share: Option<f64>| share.map_or_else(dash, |share| format!("{:.1} %", share * 100.0));
    let [frozen, their_frozen, mixed_frozen] = seen.each(|seen| seen.frozen).map(percent);
    let rates = seen.each(|seen| seen.rate).map(|rate| rate.map_or_else(dash, |rate| format!("{rate:.1}")));
    println!(
        "| {} | {frozen} | {their_frozen} | {mixed_frozen} | {} | {} | {RATE} | {} |",
        row.name,
        percent(limit),
        rates.join(" | "),
        Goals::worst(&met)
    );
}

/// The frozen share over random loss, for each delay.
fn draw(folder: &Path, measured: &[Compared<Seen>]) -> Result<(), Failure> {
    let points = |delay: u128, seen: &dyn Fn(usize) -> Option<f64>| -> Vec<(f64, f64)> {
        let rows = PICTURES.iter().enumerate().filter(|(_, row)| row.viewers == 1);
        let of_delay = rows.filter(|(_, row)| row.network.delay.as_millis() == delay);
        let points = of_delay.filter_map(|(place, row)| match row.network.loss {
            Loss::Each(share) => Some((share * 100.0, seen(place)? * 100.0)),
            Loss::Rows { .. } | Loss::Spikes { .. } | Loss::Bursts { .. } => None,
        });
        points.collect()
    };
    let of_ours = |place: usize| Some(measured[place].ours.frozen);
    let of_theirs = |place: usize| measured[place].libwebrtc.as_ref().map(|seen| seen.frozen);
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
