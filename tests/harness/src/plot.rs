//! Lines in a picture: what benchmarks measured.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::register_font;

/// The picture's sides, in pixels.
const WIDTH: u32 = 900;
const HEIGHT: u32 = 420;

/// A line and its name.
pub struct Line {
    /// What it is called in the picture.
    pub name: &'static str,
    /// Red, green, blue.
    pub colour: [u8; 3],
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// Draws lines into a file (PNG).
///
/// # Errors
/// If the file cannot be written.
pub fn plot(file: &Path, title: &str, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the font cannot be read")?;
    let all = || lines.iter().flat_map(|line| &line.points);
    let right = all().map(|(x, _)| *x).fold(0.0, f64::max);
    // A single key frame would make all else small.
    let mut heights: Vec<f64> = all().map(|(_, y)| *y).collect();
    heights.sort_by(f64::total_cmp);
    let top = heights[heights.len() * 995 / 1_000] * 1.1;
    let mut pixels = vec![0; (WIDTH * HEIGHT * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(10)
            .x_label_area_size(26)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..right, 0.0..top)?;
        chart.configure_mesh().light_line_style(WHITE).label_style(("sans-serif", 13)).draw()?;
        for Line { name, colour: [red, green, blue], points } in lines {
            let colour = RGBColor(*red, *green, *blue);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour))?
                .label(*name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 1), (x + 14, y + 1)], colour.filled()));
        }
        chart.configure_series_labels().label_font(("sans-serif", 13)).background_style(WHITE.mix(0.8)).draw()?;
        area.present()?;
    }
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(file)?), WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(())
}
