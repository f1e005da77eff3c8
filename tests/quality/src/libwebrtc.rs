//! The same with both ends of libwebrtc, in real time: Python programs that are given the film or the speech, and the package `wrtc`,
//! which binds libwebrtc with the API of browsers. Their datagrams go through a [`Relay`].

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hound::WavReader;
use muji_harness::impairment::Impairment;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::material::Material;
use crate::pictures::{BEGINNING, LOOK, Seen, Shown};
use crate::relay::Relay;
use crate::rows::path_delay;
use crate::sound::{Heard, TIMES};
use crate::{Failure, delay, pesq};

/// Beyond what is shown or said: to start Python, read the film, connect and end.
const MORE: Duration = Duration::from_secs(60);

/// Its picture or its sound was so late that the machine was too busy, in seconds.
const LATE: f64 = 0.030;

/// A film over a network.
pub(crate) async fn pictures(material: &Material, network: Impairment) -> Result<Seen, Failure> {
    let [beginning, look] = [BEGINNING, LOOK].map(|time| time.as_secs().to_string());
    let arguments = [&beginning, &look].map(String::as_str);
    let told = call("pictures.py", material, &material.film, &arguments, network, BEGINNING + LOOK).await?;
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
    Ok(Seen::of(&[shown.collect()], BEGINNING + LOOK, number("key_frames")?, number("bytes")?))
}

/// Speech over a network.
pub(crate) async fn sound(material: &Material, network: Impairment) -> Result<Heard, Failure> {
    let recording = material.recording("libwebrtc", network.name);
    let said = WavReader::open(&material.speech)?.into_samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    let time = Duration::from_secs_f64((said.len() * TIMES) as f64 / 48_000.0);
    let file = recording.to_string_lossy();
    let arguments = [file.as_ref(), &TIMES.to_string()];
    let told = call("sound.py", material, &material.speech, &arguments, network, time).await?;
    let number = |name: &str| told[name].as_f64().ok_or_else(|| format!("libwebrtc does not tell {name}"));
    busy(network, number("late")?);
    let heard = WavReader::open(&recording)?.into_samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    let delays = delay::delays(&said, heard.get(said.len()..).unwrap_or_default());
    let path = path_delay(&network);
    Ok(Heard {
        pesq: pesq::pesq(material, &recording)?,
        delay: [0.5, 0.95].map(|share| delay::at(&delays, share) - path),
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
    arguments: &[&str],
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
