//! A plot as SVG: requests a second to the right, latency upwards in powers of ten.

use crate::report::duration_text;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// Room around the axes: left, top, right, bottom.
const MARGINS: [f64; 4] = [80.0, 20.0, 20.0, 50.0];
/// One for each curve; there are no more.
const COLORS: [&str; 4] = ["#9aa0a6", "#5f6368", "#8ab4f8", "#1a73e8"];
/// Lines of the grid upwards from the axis.
const VERTICAL_LINES: usize = 5;

/// A line of the plot.
pub(super) struct Curve {
    /// What it shows.
    pub(super) name: String,
    /// Requests a second and microseconds, by requests a second.
    pub(super) points: Vec<(f64, f64)>,
}

/// Where figures are on the picture.
struct Scale {
    most_requests: f64,
    /// Powers of ten of microseconds.
    lowest: f64,
    highest: f64,
}

impl Scale {
    fn of(curves: &[Curve]) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let most_requests = points().map(|(rate, _)| *rate).fold(1.0, f64::max);
        let powers = || points().map(|(_, latency_us)| latency_us.max(1.0).log10());
        let lowest = powers().fold(f64::INFINITY, f64::min);
        let highest = powers().fold(0.0, f64::max).ceil();
        let lowest = if lowest.is_finite() { lowest.floor() } else { 0.0 };
        Self { most_requests, lowest, highest: highest.max(lowest + 1.0) }
    }

    fn x(&self, rate: f64) -> f64 {
        MARGINS[0] + rate / self.most_requests * (WIDTH - MARGINS[0] - MARGINS[2])
    }

    fn y(&self, power: f64) -> f64 {
        let part = (power - self.lowest) / (self.highest - self.lowest);
        HEIGHT - MARGINS[3] - part * (HEIGHT - MARGINS[1] - MARGINS[3])
    }
}

/// The picture of some curves.
pub(super) fn svg(curves: &[Curve]) -> String {
    let scale = Scale::of(curves);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let (left, right, bottom) = (MARGINS[0], WIDTH - MARGINS[2], HEIGHT - MARGINS[3]);
    let mut power = scale.lowest;
    // Writing to a String cannot fail, here and below.
    while power <= scale.highest {
        let y = scale.y(power);
        let _ = writeln!(text, "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#dadce0\"/>");
        let label = duration_text(10_f64.powf(power));
        let _ = writeln!(text, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 8.0, y + 4.0);
        power += 1.0;
    }
    for line in 0..=VERTICAL_LINES {
        let rate = scale.most_requests * line as f64 / VERTICAL_LINES as f64;
        let (x, y) = (scale.x(rate), bottom + 18.0);
        let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{:.0}k</text>", rate / 1e3);
    }
    let (middle, below) = ((left + right) / 2.0, bottom + 38.0);
    let _ = writeln!(text, "<text x=\"{middle:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">requests a second</text>");
    for (place, (curve, color)) in curves.iter().zip(COLORS).enumerate() {
        let points: Vec<String> = curve
            .points
            .iter()
            .map(|(rate, latency_us)| format!("{:.1},{:.1}", scale.x(*rate), scale.y(latency_us.max(1.0).log10())))
            .collect();
        let path = points.join(" ");
        let _ = writeln!(text, "<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>");
        for point in &points {
            if let Some((x, y)) = point.split_once(',') {
                let _ = writeln!(text, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{color}\"/>");
            }
        }
        let y = MARGINS[1] + 16.0 * (place as f64 + 1.0);
        let _ = writeln!(text, "<text x=\"{}\" y=\"{y}\" fill=\"{color}\">{}</text>", left + 12.0, curve.name);
    }
    text.push_str("</svg>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_holds_its_curves() {
        let curve = Curve { name: "p50".into(), points: vec![(1000.0, 50.0), (2000.0, 5000.0)] };
        let text = svg(&[curve]);
        assert!(text.contains("points=\"390.0,") && text.contains("700.0,") && text.contains("10 µs"), "{text}");
        assert!(svg(&[]).ends_with("</svg>\n"));
    }
}
