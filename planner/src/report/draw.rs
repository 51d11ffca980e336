//! What drawings are made of: a logarithmic axis, lines and labels of an SVG.
//!
//! Classes have their colours from [`STYLE`](super::STYLE) or from whoever draws. Every
//! text is escaped here.

use std::fmt::Write;

use super::html::escape;

/// Width of every drawing, in pixels of its view box.
pub const WIDTH: f64 = 860.0;

/// A logarithmic axis: positive values to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The value at `from`.
    pub least: f64,
    /// The value at `to`.
    pub most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// For these values, with a margin; one value alone gets room around it. Values that are
    /// not positive and finite do not count; `None` without any other.
    pub fn of(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let values = values.filter(|it| it.is_finite() && *it > 0.0);
        let ends = values.fold(None, |ends: Option<(f64, f64)>, it| {
            Some(ends.map_or((it, it), |(a, b)| (a.min(it), b.max(it))))
        });
        let (least, most) = ends?;
        let room = (most / least).powf(0.05).clamp(1.02, 10.0);
        Some(Self {
            least: (least / room).max(f64::MIN_POSITIVE),
            most: (most * room).min(f64::MAX),
            from,
            to,
        })
    }

    /// The pixel of a positive value.
    pub fn at(&self, value: f64) -> f64 {
        let (low, high) = (self.least.ln(), self.most.ln());
        self.from + (value.ln() - low) / (high - low) * (self.to - self.from)
    }
}

/// The start of a drawing that ends with `</svg>`; `height` in pixels.
pub fn open(height: f64, label: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(label)
    )
}

/// Appends a straight line from `[x1, y1]` to `[x2, y2]`.
pub fn line(svg: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let _ = write!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

/// Appends text at a point; `anchor` is `start`, `middle` or `end`.
pub fn label_at(svg: &mut String, [x, y]: [f64; 2], anchor: &str, text: &str) {
    let text = escape(text);
    let _ = write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}
