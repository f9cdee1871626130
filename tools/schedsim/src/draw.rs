//! Curves as SVG: service and error over time, one column for each run.

use crate::run::{Course, Part};
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use sched::simulation::TIMEBASE;
use std::path::Path;

/// Size of one run's column.
const COLUMN: (u32, u32) = (640, 720);
/// Curves drawn in one picture; more would be a stain.
const CURVES: usize = 12;
/// Points of a curve: more than one can see.
const POINTS: usize = 800;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn seconds(ticks: f64) -> f64 {
    ticks / TIMEBASE.ticks_per_second as f64
}

/// Draws `courses` side by side into `path`. Of many partitions, some of them, evenly.
///
/// # Errors
/// The file cannot be written.
pub fn draw(title: &str, courses: &[Course], path: &Path) -> Result<()> {
    let size = (COLUMN.0 * courses.len().max(1) as u32, COLUMN.1);
    let root = SVGBackend::new(path, size).into_drawing_area();
    let columns = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        root.fill(&WHITE)?;
        let root = root.titled(title, ("sans-serif", 18))?;
        for (column, course) in root
            .split_evenly((1, courses.len().max(1)))
            .iter()
            .zip(courses)
        {
            let (above, below) = column.split_vertically(COLUMN.1 * 11 / 20);
            service(course, &above)?;
            error(course, &below)?;
        }
        root.present()
    };
    columns().map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

/// The partitions that are drawn, with their colours.
fn drawn(course: &Course) -> impl Iterator<Item = (&Part, RGBColor)> {
    let step = course.parts.len().div_ceil(CURVES).max(1);
    course
        .parts
        .iter()
        .step_by(step)
        .enumerate()
        .map(|(number, part)| {
            let (red, green, blue) = Palette99::pick(number).rgb();
            (part, RGBColor(red, green, blue))
        })
}

fn curve<'a>(
    course: &'a Course,
    values: impl Iterator<Item = f64> + 'a,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let step = course.times.len().div_ceil(POINTS).max(1);
    course
        .times
        .iter()
        .map(|&time| seconds(time))
        .zip(values)
        .step_by(step)
}

fn service(course: &Course, area: &Area) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let end = seconds(course.span());
    let last = |part: &Part| {
        part.used
            .last()
            .copied()
            .unwrap_or(0.0)
            .max(part.ideal.last().copied().unwrap_or(0.0))
    };
    let most = drawn(course)
        .map(|(part, _)| seconds(last(part)))
        .fold(0.01, f64::max);
    let caption = format!(
        "{}, {} CPUs: service in s of CPU (ideal: pale)",
        course.policy, course.cpus
    );
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 15))
        .margin(8)
        .x_label_area_size(30)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..end, 0.0..most * 1.05)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("s")
        .draw()?;
    for (part, colour) in drawn(course) {
        let ideal = curve(course, part.ideal.iter().map(|&ticks| seconds(ticks)));
        chart.draw_series(LineSeries::new(ideal, colour.mix(0.3).stroke_width(4)))?;
        let used = curve(course, part.used.iter().map(|&ticks| seconds(ticks)));
        chart
            .draw_series(LineSeries::new(used, colour.stroke_width(1)))?
            .label(part.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
}

fn error(course: &Course, area: &Area) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let lags = |part: &Part| -> Vec<f64> {
        let pairs = part.used.iter().zip(&part.ideal);
        pairs
            .map(|(used, ideal)| 1e3 * seconds(used - ideal))
            .collect()
    };
    let curves: Vec<_> = drawn(course)
        .map(|(part, colour)| (lags(part), colour))
        .collect();
    let most = curves
        .iter()
        .flat_map(|(lags, _)| lags)
        .fold(0.5, |most: f64, lag| most.max(lag.abs()));
    let mut chart = ChartBuilder::on(area)
        .caption(
            "beyond the ideal division, in ms of CPU",
            ("sans-serif", 15),
        )
        .margin(8)
        .x_label_area_size(30)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..seconds(course.span()), -most * 1.05..most * 1.05)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("s")
        .draw()?;
    for (lags, colour) in &curves {
        chart.draw_series(LineSeries::new(
            curve(course, lags.iter().copied()),
            colour.stroke_width(1),
        ))?;
    }
    Ok(())
}
