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

/// The fetches of one simulated day.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Day {
    /// The rate limit.
    pub(crate) calls_per_second: u32,
    /// The first minute of the outage, and the first after it.
    pub(crate) outage_minutes: (u64, u64),
    pub(crate) fetches_per_minute: Vec<u64>,
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws a name and two bars per candidate, in the given order.
pub(crate) fn draw_delays(candidates: &[Delays]) -> Outcome<String> {
    let rows = || (0..).map(f64::from).zip(candidates.iter().rev());
    let caption = "Callers delayed by more than 10 ms during a refresh and without one, of 10,000";
    draw_chart(caption, 0.0..10_000.0, 0.0..candidates.len() as f64, |chart| {
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

/// Draws one line per day, over the outage as a gray area. There must be at least one day.
pub(crate) fn draw_days(days: &[Day]) -> Outcome<String> {
    let hours = |minute: u64| minute as f64 / 60.0;
    let first = days.first().ok_or("the simulation printed no `fetches_per_minute`")?;
    let (outage_start, outage_end) = first.outage_minutes;
    let length = days.iter().map(|day| day.fetches_per_minute.len()).max().unwrap_or(0);
    let largest = days.iter().flat_map(|day| &day.fetches_per_minute).max().copied().unwrap_or(0);
    let top = largest as f64 * 1.3;
    let caption = "Fetches from STS per minute, on a simulated day of 10,000 roles";
    draw_chart(caption, 0.0..hours(length as u64), 0.0..top, |chart| {
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(13).max_light_lines(0).x_desc("hour").label_style(TEXT);
        mesh.x_label_formatter(&f64::to_string).y_label_formatter(&f64::to_string).draw()?;
        let corners = [(hours(outage_start), 0.0), (hours(outage_end), top)];
        let outage = chart.draw_series([Rectangle::new(corners, GRAY.filled())])?;
        outage.label("outage of STS").legend(|at| draw_legend_key(at, GRAY));
        for (day, color) in days.iter().zip(COLORS.into_iter().cycle()) {
            let counts = day.fetches_per_minute.iter().map(|count| *count as f64);
            let line = chart.draw_series(LineSeries::new((0..).map(hours).zip(counts), color))?;
            line.label(format!("rate limit {}/s", day.calls_per_second));
            line.legend(move |at| draw_legend_key(at, color));
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
        legend.position(SeriesLabelPosition::UpperRight).background_style(WHITE);
        legend.label_font(TEXT).draw()?;
        area.present()?;
    }
    Ok(svg)
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
    fn day_chart_has_a_line_per_rate_limit() {
        let (outage_minutes, fetches_per_minute) = ((2, 3), vec![9; 5]);
        let day = Day { calls_per_second: 200, outage_minutes, fetches_per_minute };
        let svg = draw_days(&[day.clone(), Day { calls_per_second: 50, ..day }]).unwrap();
        assert_has_texts(&svg, &["rate limit 200/s", "rate limit 50/s", "outage of STS"]);
        assert_eq!(svg.matches("stroke=\"#FF7F0E\"").count(), 1, "{svg}");
        assert!(draw_days(&[]).unwrap_err().to_string().contains("fetches_per_minute"));
    }
}
