//! Freivalds' check: what every row may be off by, which row is reported, which rows are exact.

use kforge_oracle::*;

const U: f64 = 1.0 / 16777216.0;

/// a, b and c = a·b of thirds, which f64 adds up exactly enough; b as it is stored.
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
    transpose_b: bool,
    dtype: DType,
}

fn number(i: usize) -> f64 {
    let mixed = (i as u64 + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    (mixed as f64 - 512.0) / 1024.0
}

impl Case {
    fn new(m: usize, n: usize, k: usize, transpose_b: bool) -> Self {
        let a: Vec<f64> = (0..m * k).map(number).collect();
        let b: Vec<f64> = (0..k * n).map(|i| number(i + 1000)).collect();
        let mut case = Case {
            m,
            n,
            k,
            a,
            b,
            c: Vec::new(),
            transpose_b,
            dtype: DType::F32,
        };
        case.multiply();
        case
    }

    fn b(&self, i: usize, j: usize) -> f64 {
        let at = if self.transpose_b {
            j * self.k + i
        } else {
            i * self.n + j
        };
        self.b[at]
    }

    fn multiply(&mut self) {
        let dot = |at: usize| -> f64 {
            let line = &self.a[at / self.n * self.k..][..self.k];
            line.iter()
                .enumerate()
                .map(|(i, a)| a * self.b(i, at % self.n))
                .sum()
        };
        self.c = (0..self.m * self.n).map(dot).collect();
    }

    fn product(&self) -> Product<'_, f64> {
        Product {
            m: self.m,
            n: self.n,
            k: self.k,
            a: &self.a,
            b: &self.b,
            c: &self.c,
            transpose_b: self.transpose_b,
            dtype: self.dtype,
        }
    }

    fn report(&self, rounds: usize) -> FreivaldsReport {
        freivalds(&self.product(), rounds, 3).expect("checks")
    }

    /// gamma_(K+1) of Σ|a||b|, a storage spacing per element, and what may be flushed.
    fn bound(&self, row: usize) -> f64 {
        let mut sizes = 0.0;
        for i in 0..self.k {
            for j in 0..self.n {
                sizes += (self.a[row * self.k + i] * self.b(i, j)).abs();
            }
        }
        let steps = (self.k + 1) as f64;
        let gamma = steps * U / (1.0 - steps * U);
        let line = &self.c[row * self.n..][..self.n];
        let stored: f64 = match self.dtype {
            DType::F32 => 0.0,
            dtype => line.iter().map(|c| dtype.spacing(*c)).sum(),
        };
        let flushed = steps * self.n as f64 * self.dtype.min_normal().min(1e-30);
        gamma * sizes * (1.0 + 1e-9) + stored + flushed
    }
}

fn near(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-11 * want
}

#[test]
fn a_row_may_be_off_by_the_bounds_of_its_elements() {
    for transpose_b in [false, true] {
        for dtype in [DType::F32, DType::F16, DType::Bf16] {
            let mut case = Case::new(5, 6, 7, transpose_b);
            case.dtype = dtype;
            let right = case.report(3);
            assert!(right.passed && right.exact_rows == 0 && right.rounds == 3);
            assert_eq!(right.miss, 0.125);
            case.c[3 * 6 + 2] += 4.0;
            let wrong = case.report(3);
            assert!(!wrong.passed && wrong.worst_row == 3, "{dtype:?} {wrong:?}");
            assert!((wrong.residual - 4.0).abs() < 1e-12);
            assert!(
                near(wrong.bound, case.bound(3)),
                "{} {}",
                wrong.bound,
                case.bound(3)
            );
        }
    }
}

#[test]
fn a_row_of_zeros_may_be_off_by_what_is_flushed() {
    for dtype in [DType::F32, DType::F16] {
        let mut case = Case::new(3, 4, 5, false);
        case.dtype = dtype;
        case.a[5..10].fill(0.0);
        case.multiply();
        case.c[4] = 1e-3;
        let report = case.report(2);
        assert!(
            report.worst_row == 1 && near(report.bound, case.bound(1)),
            "{report:?}"
        );
        assert!(!report.passed);
    }
}

#[test]
fn the_worst_row_is_the_one_furthest_beyond_its_bound() {
    let mut case = Case::new(4, 6, 7, false);
    // A small row with a small error, then a large one with a larger error but no larger share.
    case.a[7..14].iter_mut().for_each(|a| *a /= 1024.0);
    case.multiply();
    case.c[6] += 0.25;
    case.c[2 * 6] += 1.0;
    let report = case.report(2);
    assert!(
        report.worst_row == 1 && (report.residual - 0.25).abs() < 1e-12,
        "{report:?}"
    );
    case.c[2 * 6] += 1e6;
    assert_eq!(case.report(2).worst_row, 2);
    // The first of equals; and no row where none is off.
    let mut same = Case::new(3, 6, 7, false);
    let first = same.a[..7].to_vec();
    same.a[14..].copy_from_slice(&first);
    same.multiply();
    same.c[0] += 1.0;
    same.c[12] += 1.0;
    assert_eq!(same.report(1).worst_row, 0);
    let mut halves = Case::new(2, 1, 1, false);
    (halves.a, halves.b) = (vec![0.5, 1.5], vec![0.5]);
    halves.multiply();
    let report = halves.report(1);
    assert_eq!(
        (report.passed, report.worst_row, report.bound),
        (true, 0, 0.0)
    );
}

#[test]
fn errors_that_cancel_are_found_by_signs() {
    let mut case = Case::new(2, 6, 7, false);
    case.c[6] += 1.0;
    case.c[7] -= 1.0;
    assert!(!case.report(24).passed);
    let mut case = Case::new(2, 6, 7, false);
    case.c[6] += 1.0;
    case.c[7] += 1.0;
    assert!(!case.report(24).passed);
}

#[test]
fn nothing_finite_is_nothing_shown() {
    let mut case = Case::new(3, 4, 5, false);
    case.a[5] = 1e300;
    case.b[0] = 1e300;
    case.multiply();
    let report = case.report(2);
    assert!(!report.passed && report.worst_row == 1, "{report:?}");
    assert_eq!(
        (report.residual, report.bound),
        (f64::INFINITY, f64::INFINITY)
    );
    for stray in [f64::NAN, f64::INFINITY] {
        let mut case = Case::new(3, 4, 5, false);
        case.c[9] = stray;
        let report = case.report(2);
        assert!(!report.passed && report.worst_row == 2, "{report:?}");
        assert_eq!(report.residual, f64::INFINITY);
    }
}

fn whole(dtype: DType, a: [f64; 2], b: [f64; 2]) -> Case {
    let mut case = Case::new(1, 1, 2, false);
    (case.a, case.b, case.dtype) = (a.to_vec(), b.to_vec(), dtype);
    case.multiply();
    case
}

#[test]
fn exact_rows_are_sums_of_integers_within_24_bits() {
    let exact = |dtype, a, b| whole(dtype, a, b).report(1).exact_rows;
    let f32 = DType::F32;
    // 2 · 2048 · 4096 = 2^24, whatever the other elements.
    assert_eq!(exact(f32, [2048.0, 1.0], [-4096.0, 3.0]), 1);
    assert_eq!(exact(f32, [2048.0, 1.0], [-4097.0, 3.0]), 0);
    assert_eq!(exact(f32, [2049.0, 1.0], [4096.0, 3.0]), 0);
    assert_eq!(exact(f32, [2.0, 1.0], [0.5, 3.0]), 0);
    assert_eq!(exact(f32, [0.5, 1.0], [2.0, 3.0]), 0);
    // In half precision the result counts as well: 2047 is stored as it is, 2048 may be 2049.
    assert_eq!(exact(DType::F16, [2046.0, 1.0], [1.0, 1.0]), 1);
    assert_eq!(exact(DType::F16, [2047.0, 1.0], [1.0, 1.0]), 0);
    assert_eq!(exact(DType::Bf16, [254.0, 1.0], [1.0, 1.0]), 1);
    assert_eq!(exact(DType::Bf16, [255.0, 1.0], [1.0, 1.0]), 0);
    assert_eq!(exact(f32, [2047.0, 1.0], [1.0, 1.0]), 1);
    // Small results of sums that are not exact are not exact either.
    assert_eq!(exact(DType::F16, [0.5, 1.0], [1.0, 1.0]), 0);
    // In f32 a row with NaN stays exact, and is wrong.
    let mut case = whole(f32, [2.0, 1.0], [3.0, 1.0]);
    case.c[0] = f64::NAN;
    let report = case.report(1);
    assert_eq!((report.passed, report.exact_rows), (false, 1));
}

#[test]
fn empty_products_are_refused() {
    let empty = |m: usize, n: usize| {
        let case = Case::new(m, n, 2, false);
        freivalds(&case.product(), 1, 0).is_err()
    };
    assert!(empty(0, 3) && empty(3, 0) && empty(0, 0) && !empty(1, 1));
}

#[test]
fn the_last_row_is_checked_first_and_the_first_one_next() {
    let seeded = |case: &Case, rows, seed| {
        let tolerance = CompareOptions::default();
        check_rows(&case.product(), rows, seed, &tolerance).expect("checks")
    };
    let rows = |case: &Case, rows| seeded(case, rows, 1);
    let case = Case::new(9, 4, 5, true);
    for count in 1..12 {
        let comparison = rows(&case, count);
        assert!(comparison.passed);
        assert_eq!(comparison.elements, count.min(9) * 4);
    }
    let wrong = |row: usize, count: usize| {
        let mut case = Case::new(9, 4, 5, true);
        case.c[row * 4 + 1] += 1.0;
        let found = (0..20).filter(|seed| !seeded(&case, count, *seed).passed);
        let found = found.count();
        assert!(found == 0 || found == 20 || row == 4);
        found > 0
    };
    assert!(wrong(8, 1) && !wrong(0, 1));
    assert!(wrong(8, 2) && wrong(0, 2) && !wrong(4, 2) && wrong(4, 3));
    assert!((0..9).all(|row| wrong(row, 9)));
    assert!(check_rows(&case.product(), 0, 1, &CompareOptions::default()).is_err());
}
