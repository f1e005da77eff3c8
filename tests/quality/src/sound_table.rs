//! Sound, ours and libwebrtc's.

use std::path::Path;

use futures::future::join_all;
use muji_harness::impairment::{Impairment, Loss};
use muji_harness::plot::{Line, plot};

use crate::compared::Compared;
use crate::goals::Goals;
use crate::material::Material;
use crate::rows::SOUND;
use crate::sound::{self, Heard};
use crate::{Failure, dash, libwebrtc, mixed};

/// From this share of loss on ours is to be better by so much PESQ, at so many times libwebrtc's bit rate at most.
const LOSS: f64 = 0.05;
const BETTER: f64 = 0.3;
const BITS: f64 = 1.5;
/// Milliseconds that ours may be later.
const LATER: f64 = 5.0;
/// Of one core, for each peer.
const DECODING: f64 = 0.02;

pub(crate) async fn measure(
    material: &Material,
    row: &str,
    with_libwebrtc: bool,
    goals: &mut Goals,
) -> Result<(), Failure> {
    let rows: Vec<&Impairment> = SOUND.iter().filter(|network| network.name.contains(row)).collect();
    let ours = rows.iter().map(|network| sound::measure(material, network)).collect::<Result<Vec<_>, _>>()?;
    let say = |network| libwebrtc::sound(material, network);
    let theirs = in_real_time(&rows, with_libwebrtc, say, |network, told| libwebrtc::heard(material, network, told));
    let theirs = theirs.await?;
    let say = |network| mixed::sound(material, network);
    let mixed = in_real_time(&rows, with_libwebrtc, say, |network, told| mixed::heard(material, network, told));
    let measured = Compared::rows(ours, theirs, mixed.await?);
    println!(
        "| sound | PESQ | libwebrtc | ours to libwebrtc | goal | mouth to ear, ms: median, 95 % | libwebrtc | ours to libwebrtc | goal | met |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (network, heard) in rows.iter().zip(&measured) {
        judge(network, heard, goals);
    }
    println!(
        "\n| sound | concealed or recovered, % | libwebrtc, concealed alone | ours to libwebrtc, concealed alone | packets lost, % | libwebrtc | ours to libwebrtc | kbit/s | libwebrtc | ours to libwebrtc | to receive, % of a core |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (network, heard) in rows.iter().zip(&measured) {
        detail(network, heard);
    }
    println!();
    if rows.len() == SOUND.len() {
        draw(&material.folder, &measured)?;
    }
    Ok(())
}

/// What goes with it: what was made up, what was lost, and what it costs.
fn detail(network: &Impairment, heard: &Compared<Heard>) {
    let cells = [
        heard.each(|heard| heard.concealed * 100.0),
        heard.each(|heard| heard.lost * 100.0),
        heard.each(|heard| heard.bits / 1_000.0),
    ];
    let cells: Vec<String> = cells.into_iter().flatten().map(|value| text(value, 1)).collect();
    let decoding = text(heard.ours.decoding.map(|share| share * 100.0), 2);
    println!("| {} | {} | {decoding} |", network.name, cells.join(" | "));
}

/// All rows at once: sound is light. What was heard takes a while to tell, in which no relay may run.
async fn in_real_time<T, F>(
    rows: &[&Impairment],
    with_libwebrtc: bool,
    call: impl Fn(Impairment) -> F,
    heard: impl Fn(Impairment, &T) -> Result<Heard, Failure>,
) -> Result<Vec<Option<Heard>>, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    if !with_libwebrtc {
        return Ok(rows.iter().map(|_| None).collect());
    }
    let told = join_all(rows.iter().map(|network| call(**network))).await;
    rows.iter().zip(told).map(|(network, told)| heard(**network, &told?).map(Some)).collect()
}

fn judge(network: &Impairment, heard: &Compared<Heard>, goals: &mut Goals) {
    let (ours, theirs) = (&heard.ours, heard.libwebrtc.as_ref());
    let better = if lost(network) >= LOSS { BETTER } else { 0.0 };
    let limit = theirs.and_then(|theirs| theirs.pesq).map(|pesq| pesq + better);
    let latest = theirs.map(|theirs| theirs.delay[0] + LATER);
    let good = ours.pesq.zip(limit).map(|(pesq, limit)| pesq >= limit);
    let met = [
        goals.check(network.name, "PESQ", good),
        goals.check(network.name, "mouth to ear", latest.map(|latest| ours.delay[0] <= latest)),
        goals.check(network.name, "bit rate", theirs.map(|theirs| ours.bits <= BITS * theirs.bits)),
        goals.check(network.name, "processor", ours.decoding.map(|share| share <= DECODING)),
    ];
    let pesq = heard.each(|heard| heard.pesq).map(|pesq| text(pesq.flatten(), 2)).join(" | ");
    let delay = heard.each(|heard| format!("{:.0}, {:.0}", heard.delay[0], heard.delay[1]));
    println!(
        "| {} | {pesq} | {} | {} | {} | {} |",
        network.name,
        text(limit, 2),
        delay.map(|delay| delay.unwrap_or_else(dash)).join(" | "),
        text(latest, 0),
        Goals::worst(&met)
    );
}

/// The share of packets.
fn lost(network: &Impairment) -> f64 {
    match network.loss {
        Loss::Each(share) | Loss::Rows { share, .. } | Loss::Spikes { share, .. } | Loss::Bursts { share, .. } => share,
    }
}

fn text(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.digits$}"))
}

/// PESQ over random loss.
fn draw(folder: &Path, measured: &[Compared<Heard>]) -> Result<(), Failure> {
    let random = |network: &Impairment| matches!(network.loss, Loss::Each(_)) && network.jitter.is_zero();
    let points = |pesq: &dyn Fn(usize) -> Option<f64>| -> Vec<(f64, f64)> {
        let rows = SOUND.iter().enumerate().filter(|(_, network)| random(network));
        rows.filter_map(|(place, network)| Some((lost(network) * 100.0, pesq(place)?))).collect()
    };
    let lines = [
        Line { name: "ours", colour: [210, 50, 40], points: points(&|place| measured[place].ours.pesq) },
        Line {
            name: "libwebrtc",
            colour: [30, 90, 200],
            points: points(&|place| measured[place].libwebrtc.as_ref()?.pesq),
        },
    ];
    plot(&folder.join("pesq.png"), "PESQ over random loss in percent", &lines)
}
