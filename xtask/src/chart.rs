//! The charts of the documentation, as SVG.

use std::ops::Range;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use serde::Deserialize;

use crate::workspace::Outcome;

const TEXT: (&str, i32) = ("sans-serif", 14);
const COLORS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(255, 127, 14)];
const GRAY: RGBColor = RGBColor(200, 200, 200);

/// The delayed callers of one candidate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delays {
    pub(crate) candidate: String,
    pub(crate) during_refresh: u32,
    /// In an equally long run without a refresh.
    pub(crate) without_refresh: u32,
}

/// The calls to STS of one simulated day of a fleet.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct FleetDay {
    pub(crate) processes: u64,
    pub(crate) roles: u64,
    pub(crate) phases: Vec<Phase>,
    pub(crate) calls_per_minute: Vec<u64>,
    pub(crate) sessions_per_minute: Vec<u64>,
}

/// A part of a day with a name, from one minute to another.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) minutes: (f64, f64),
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws a name and two bars per candidate, in the given order.
pub(crate) fn draw_delays(candidates: &[Delays]) -> Outcome<String> {
    let rows = || (0..).map(f64::from).zip(candidates.iter().rev());
    let caption = "Callers delayed by more than 10 ms during a refresh and without one, of 10,000";
    let legend = SeriesLabelPosition::UpperRight;
    draw_chart(caption, legend, 0.0..10_000.0, 0.0..candidates.len() as f64, |chart| {
        let mut mesh = chart.configure_mesh();
        mesh.disable_y_mesh().disable_y_axis().max_light_lines(0).label_style(TEXT);
        mesh.x_label_formatter(&f64::to_string).draw()?;
        for (label, color, bottom, value) in [
            ("during a refresh", COLORS[1], 0.4, (|row| row.during_refresh) as fn(&Delays) -> u32),
            ("without a refresh", GRAY, 0.1, |row| row.without_refresh),
        ] {
            let bars = rows().map(|(y, row)| {
                let corners = [(0.0, y + bottom), (f64::from(value(row)), y + bottom + 0.25)];
                Rectangle::new(corners, color.filled())
            });
            chart.draw_series(bars)?.label(label).legend(move |at| draw_legend_key(at, color));
        }
        let names = rows().map(|(y, row)| {
            let Delays { candidate, during_refresh, without_refresh } = row;
            let text = format!("{candidate}: {during_refresh} and {without_refresh}");
            Text::new(text, (0.0, y + 0.9), TEXT)
        });
        Ok(chart.draw_series(names).map(|_| ())?)
    })
}

/// Draws the calls and the sessions of each minute, over the phases of the day as gray areas.
///
/// The vertical axis is logarithmic: an outage has a hundred times the calls of a quiet minute.
pub(crate) fn draw_fleet_day(day: &FleetDay) -> Outcome<String> {
    let hours = |minute: f64| minute / 60.0;
    let series = || [(&day.calls_per_minute, COLORS[1]), (&day.sessions_per_minute, COLORS[0])];
    let values = || series().into_iter().flat_map(|(values, _)| values);
    let exponent = |value: f64| value.max(1.0).log10();
    let highest = values().max().copied().unwrap_or(0) as f64;
    let (top, length) = (exponent(highest) * 1.45, day.calls_per_minute.len() as f64);
    let FleetDay { processes, roles, .. } = day;
    let caption =
        format!("Calls to STS per minute: a simulated day of {processes} processes, {roles} roles");
    let legend = SeriesLabelPosition::LowerRight;
    draw_chart(&caption, legend, 0.0..hours(length), 0.0..top, |chart| {
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(13).max_light_lines(0).x_desc("hour").label_style(TEXT);
        mesh.x_label_formatter(&f64::to_string).y_labels(6);
        mesh.y_label_formatter(&|exponent| match exponent.fract() == 0.0 {
            true => 10_f64.powf(*exponent).to_string(),
            false => String::new(),
        });
        mesh.draw()?;
        // A phase of a minute is still visible.
        let end_of = |phase: &Phase| hours(phase.minutes.1.max(phase.minutes.0 + length / 200.0));
        let areas = day.phases.iter().map(|phase| {
            Rectangle::new([(hours(phase.minutes.0), 0.0), (end_of(phase), top)], GRAY.filled())
        });
        chart.draw_series(areas)?;
        // The names come after all areas, so that none is covered by the next area, and those of
        // neighbors are at different heights, so that they do not overlap.
        let names = day.phases.iter().zip([0.99, 0.92].iter().cycle()).map(|(phase, height)| {
            Text::new(phase.name.clone(), (end_of(phase) + 0.1, top * height), TEXT)
        });
        chart.draw_series(names)?;
        for ((values, color), label) in series().into_iter().zip(["calls", "sessions issued"]) {
            let points =
                (0..).map(f64::from).map(hours).zip(values.iter().map(|n| exponent(*n as f64)));
            let line = chart.draw_series(LineSeries::new(points, color))?;
            line.label(label).legend(move |at| draw_legend_key(at, color));
        }
        Ok(())
    })
}

fn draw_legend_key((x, y): (i32, i32), color: RGBColor) -> Rectangle<(i32, i32)> {
    Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled())
}

/// Draws axes, what `draw_content` adds, and the legend.
fn draw_chart(
    caption: &str,
    legend_position: SeriesLabelPosition,
    x: Range<f64>,
    y: Range<f64>,
    draw_content: impl FnOnce(&mut Chart<'_, '_>) -> Outcome,
) -> Outcome<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (800, 360)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(caption, ("sans-serif", 18))
            .margin(25)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d(x, y)?;
        draw_content(&mut chart)?;
        let mut legend = chart.configure_series_labels();
        legend.position(legend_position).background_style(WHITE);
        legend.label_font(TEXT).draw()?;
        area.present()?;
    }
    Ok(adapt_to_dark_mode(&svg))
}

/// The colors of a chart on a dark page. Style rules take precedence over the attributes of the
/// elements.
const DARK: &str = r##"<style>@media (prefers-color-scheme: dark) {
[fill="#FFFFFF"] { fill: #0D1117; }
[fill="#000000"] { fill: #E6EDF3; }
[stroke="#000000"] { stroke: #8B949E; }
[fill="#C8C8C8"] { fill: #30363D; }
[stroke="#1F77B4"] { stroke: #58A6FF; }
[fill="#1F77B4"] { fill: #58A6FF; }
}</style>
"##;

/// Adds the style rules for dark pages after the opening tag.
fn adapt_to_dark_mode(svg: &str) -> String {
    match svg.split_once('\n') {
        Some((open, rest)) => format!("{open}\n{DARK}{rest}"),
        None => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_has_texts(svg: &str, texts: &[&str]) {
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for text in texts {
            assert!(svg.contains(&format!("\n{text}\n")), "{text} is not in {svg}");
        }
    }

    #[test]
    fn delays_chart_has_names_bars_and_legend() {
        let delays = |candidate: &str, during_refresh| {
            let candidate = candidate.to_owned();
            Delays { candidate, during_refresh, without_refresh: 7 }
        };
        let svg = draw_delays(&[delays("rolecall", 0), delays("a peer", 9_000)]).unwrap();
        assert_has_texts(&svg, &["rolecall: 0 and 7", "a peer: 9000 and 7"]);
        assert_eq!(svg.matches("#FF7F0E").count(), 3, "two bars and the legend: {svg}");
    }

    #[test]
    fn fleet_chart_marks_every_phase() {
        let phase = |name: &str, start, end| {
            let name = name.to_owned();
            Phase { name, minutes: (start, end) }
        };
        let (phases, calls_per_minute) =
            (vec![phase("a", 0.0, 1.0), phase("b", 2.0, 3.0)], vec![9; 5]);
        let sessions_per_minute = vec![8; 5];
        let (processes, roles) = (2, 10);
        let day = FleetDay { processes, roles, phases, calls_per_minute, sessions_per_minute };
        let svg = draw_fleet_day(&day).unwrap();
        let svg = svg.replace(DARK, "");
        assert_has_texts(&svg, &["a", "b", "calls", "sessions issued"]);
        let gray = svg.matches("fill=\"#C8C8C8\"").count();
        assert_eq!(gray, 2, "an area for each phase: {svg}");
        for color in ["#FF7F0E", "#1F77B4"] {
            assert_eq!(svg.matches(&format!("stroke=\"{color}\"")).count(), 1, "{color}: {svg}");
        }
    }

    #[test]
    fn chart_adapts_to_dark_mode() {
        let svg = draw_delays(&[]).unwrap();
        assert!(svg.contains("prefers-color-scheme: dark"), "{svg}");
        // Each color of the drawing that is unreadable on a dark page is replaced.
        for color in ["#FFFFFF", "#000000"] {
            assert!(svg.contains(&format!("fill=\"{color}\"")), "{color} is not drawn: {svg}");
            assert!(DARK.contains(&format!("[fill=\"{color}\"]")), "{color} stays in dark mode");
        }
    }
}
