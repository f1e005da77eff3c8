//! PESQ (ITU-T P.862.2, wide band), by the Python package `pesq`.

use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::material::Material;

/// Of a recording, in the mean of each time that the speech was said but the first; `None` without the package.
pub(crate) fn pesq(material: &Material, recording: &Path) -> Result<Option<f64>, Failure> {
    if !material.has("pesq") {
        return Ok(None);
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/score.py");
    let output = Command::new(&material.python).arg("-B").arg(program).args([&material.speech, recording]).output()?;
    if !output.status.success() {
        return Err(format!("PESQ cannot be measured: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Some(String::from_utf8(output.stdout)?.trim().parse()?))
}
