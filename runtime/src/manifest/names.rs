//! Which names and paths a manifest may contain.
//!
//! Names end up in messages and reports, paths on a disk, so both are refused
//! rather than escaped.

/// Longest name or path in bytes.
pub const MAX_NAME: usize = 200;

/// Whether a name may stand for a buffer, kernel, symbol, stage or knob.
///
/// 1 to 200 bytes of letters, digits and `_ . $ : / + -`.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "_.$:/+-".contains(c);
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(allowed)
}

/// Whether a path stays inside the package on every system.
///
/// Relative, `/` between 1 to 4 parts of `[A-Za-z0-9_.-]`, none starting with
/// a dot. That leaves no `..`, no drive letters, no separators of Windows.
pub fn is_inner_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    path.len() <= MAX_NAME && path.split('/').count() <= 4 && path.split('/').all(part)
}
