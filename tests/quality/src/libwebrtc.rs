//! The same with both ends of libwebrtc, in real time: Python programs that are given the film or the speech, and the package `wrtc`,
//! which binds libwebrtc with the API of browsers. Their datagrams go through a [`Relay`].

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hound::WavReader;
use muji_harness::impairment::Impairment;
use muji_media::device::SAMPLE_RATE;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::material::Material;
use crate::pictures::{BEGINNING, LOOK, Seen, Shown};
use crate::relay::Relay;
use crate::rows::path_delay;
use crate::sound::{self, Heard, TIMES};
use crate::{Failure, delay, pesq};

/// Beyond what is shown or said: to start Python, read the film, connect and end.
const MORE: Duration = Duration::from_secs(60);

/// Its picture or its sound was so late that the machine was too busy, in seconds.
const LATE: f64 = 0.030;

/// A film over a network.
pub(crate) async fn pictures(material: &Material, network: Impairment) -> Result<Seen, Failure> {
    let [beginning, look] = [BEGINNING, LOOK].map(|time| time.as_secs().to_string());
    let told = call("pictures.py", material, &material.film, &[beginning, look], network, BEGINNING + LOOK).await?;
    let captured = numbers(&told["captured"]);
    let late = captured.iter().enumerate().map(|(number, at)| at - number as f64 / 30.0).fold(0.0, f64::max);
    busy(network, late);
    let shown = told["shown"].as_array().ok_or("no pictures")?.iter().filter_map(|shown| {
        let (number, at) = (shown[0].as_u64()?, shown[1].as_f64()?);
        let since = at - captured.get(usize::try_from(number).ok()?)?;
        (at >= BEGINNING.as_secs_f64() && since >= 0.0)
            .then(|| Shown { at: Duration::from_secs_f64(at), since: Duration::from_secs_f64(since) })
    });
    let number = |name: &str| told[name].as_f64().ok_or_else(|| format!("libwebrtc does not tell {name}"));
    let seen = Seen::of(&[shown.collect()], BEGINNING + LOOK, number("key_frames")?, number("bytes")?);
    Ok(Seen { frozen_as_told: Some(number("frozen")? / LOOK.as_secs_f64()), ..seen })
}

/// Speech over a network; what the program tells, for [`heard`].
pub(crate) async fn sound(material: &Material, network: Impairment) -> Result<Value, Failure> {
    let seconds = f64::from(WavReader::open(&material.speech)?.duration()) / f64::from(SAMPLE_RATE);
    let recording = material.recording("libwebrtc", network.name);
    let arguments = [recording.to_string_lossy().into_owned(), TIMES.to_string()];
    let time = Duration::from_secs_f64(seconds * TIMES as f64);
    call("sound.py", material, &material.speech, &arguments, network, time).await
}

/// What was heard of it. That takes a while, in which no relay may run.
pub(crate) fn heard(material: &Material, network: Impairment, told: &Value) -> Result<Heard, Failure> {
    let number = |name: &str| told[name].as_f64().ok_or_else(|| format!("libwebrtc does not tell {name}"));
    busy(network, number("late")?);
    let recording = material.recording("libwebrtc", network.name);
    let said = sound::read(&material.speech)?;
    let delays = delay::delays(&said, sound::read(&recording)?.get(said.len()..).unwrap_or_default());
    Ok(Heard {
        pesq: pesq::pesq(material, &recording)?,
        delay: [0.5, 0.95].map(|share| delay::at(&delays, share) - path_delay(&network)),
        concealed: number("concealed")?,
        lost: number("lost")?,
        bits: number("bits")?,
        decoding: None,
    })
}

/// Runs a program; what it tells.
async fn call(
    program: &str,
    material: &Material,
    content: &Path,
    arguments: &[String],
    network: Impairment,
    time: Duration,
) -> Result<Value, Failure> {
    let relay = Relay::bind(network).await?;
    let ports = relay.ports()?.map(|port| port.to_string());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(program);
    let mut command = Command::new(&material.python);
    command.arg("-B").arg(program).arg(content).args(arguments).args(ports).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::select! {
        why = relay.run() => return Err(why.into()),
        output = timeout(time + MORE, command.output()) => output.map_err(|_| "libwebrtc does not end")??,
    };
    if !output.status.success() {
        return Err(format!("libwebrtc failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn busy(network: Impairment, late: f64) {
    if late > LATE {
        println!("({}: the machine was too busy for libwebrtc, by {:.0} ms at worst)", network.name, late * 1_000.0);
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}
