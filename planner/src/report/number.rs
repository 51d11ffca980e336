//! Numbers as people read them.

/// Four digits that count: `0.01235`, `1.234`, `123.4`, `12345`; a dash for what is no number.
pub fn digits(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let before = match value.abs() {
        size if size > 0.0 => size.log10().floor(),
        _ => 0.0,
    };
    let after = (3.0 - before).clamp(0.0, 9.0) as usize;
    format!("{value:.after$}")
}

/// As [`digits`], or a dash.
pub(super) fn known(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), digits)
}

/// A factor: `1.25x`, or a dash.
pub(super) fn factor(value: Option<f64>) -> String {
    let value = value.filter(|it| it.is_finite());
    value.map_or_else(|| "-".to_owned(), |it| format!("{it:.2}x"))
}

/// Powers of ten times 1, 2 and 5 within a range, smallest first: the ticks of a
/// logarithmic axis from `least` to `most`, both positive.
pub fn ticks(least: f64, most: f64) -> Vec<f64> {
    let (from, to) = (least.log10().floor() as i32, most.log10().ceil() as i32);
    let all = (from..=to).flat_map(|power| [1.0, 2.0, 5.0].map(|it| it * 10_f64.powi(power)));
    let within: Vec<f64> = all.filter(|it| (least..=most).contains(it)).collect();
    match (within.len(), to - from) {
        // Within one step of the scale: its ends.
        (0 | 1, _) => vec![least, most],
        // Many powers of ten: these alone, at most about eight.
        (9.., powers) => {
            let every = (powers / 8).max(1) as usize;
            let powers = (from..=to).step_by(every).map(|power| 10_f64.powi(power));
            powers.filter(|it| (least..=most).contains(it)).collect()
        }
        _ => within,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let shown = [0.0, 0.012345, 1.23456, 123.456, 12345.6].map(digits);
        assert_eq!(shown, ["0.000", "0.01235", "1.235", "123.5", "12346"]);
        assert_eq!(digits(f64::NAN), "-");
    }

    #[test]
    fn ticks_lie_within_the_range() {
        assert_eq!(ticks(0.9, 6.0), [1.0, 2.0, 5.0]);
        assert_eq!(ticks(1.1, 1.3), [1.1, 1.3]);
        let wide = ticks(1e-300, 1e300);
        assert!(wide.len() <= 12 && wide.len() >= 2, "{wide:?}");
    }
}
