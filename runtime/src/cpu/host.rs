//! What this processor is, in LLVM's words.

/// Instruction sets that are checked, in LLVM's names.
macro_rules! detected {
    ($detect:ident: $($name:tt = $llvm:literal),* $(,)?) => {
        [$(($llvm, std::arch::$detect!($name))),*]
    };
}

/// Features this processor has, sorted, in LLVM's names.
pub(crate) fn features() -> Vec<String> {
    let mut names: Vec<String> = table()
        .into_iter()
        .filter(|(_, present)| *present)
        .map(|(name, _)| name.to_owned())
        .collect();
    names.sort_unstable();
    names
}

/// Every feature this crate can check, and whether it is there.
#[cfg(target_arch = "x86_64")]
fn table() -> Vec<(&'static str, bool)> {
    let detected = detected!(is_x86_feature_detected:
        "sse3" = "sse3", "ssse3" = "ssse3", "sse4.1" = "sse4.1", "sse4.2" = "sse4.2",
        "avx" = "avx", "avx2" = "avx2", "fma" = "fma", "f16c" = "f16c",
        "bmi1" = "bmi", "bmi2" = "bmi2", "lzcnt" = "lzcnt", "popcnt" = "popcnt",
        "movbe" = "movbe", "adx" = "adx", "aes" = "aes", "pclmulqdq" = "pclmul",
        "rdrand" = "rdrnd", "rdseed" = "rdseed", "sha" = "sha", "fxsr" = "fxsr",
        "xsave" = "xsave", "xsaveopt" = "xsaveopt", "xsavec" = "xsavec", "xsaves" = "xsaves",
        "cmpxchg16b" = "cx16", "gfni" = "gfni", "vaes" = "vaes", "vpclmulqdq" = "vpclmulqdq",
        "avx512f" = "avx512f", "avx512bw" = "avx512bw", "avx512cd" = "avx512cd",
        "avx512dq" = "avx512dq", "avx512vl" = "avx512vl", "avx512ifma" = "avx512ifma",
        "avx512vbmi" = "avx512vbmi", "avx512vbmi2" = "avx512vbmi2",
        "avx512vnni" = "avx512vnni", "avx512bitalg" = "avx512bitalg",
        "avx512vpopcntdq" = "avx512vpopcntdq", "avx512bf16" = "avx512bf16",
        "avx512fp16" = "avx512fp16", "avxvnni" = "avxvnni",
    );
    // Part of every x86-64 processor.
    let base = ["64bit", "cmov", "cx8", "mmx", "sse", "sse2", "x87"];
    detected
        .into_iter()
        .chain(base.map(|name| (name, true)))
        .collect()
}

#[cfg(target_arch = "aarch64")]
fn table() -> Vec<(&'static str, bool)> {
    let detected = detected!(is_aarch64_feature_detected:
        "neon" = "neon", "fp16" = "fullfp16", "dotprod" = "dotprod", "bf16" = "bf16",
        "i8mm" = "i8mm", "sve" = "sve", "sve2" = "sve2", "lse" = "lse", "crc" = "crc",
        "aes" = "aes", "sha2" = "sha2", "rdm" = "rdm",
    );
    detected.into_iter().chain([("fp-armv8", true)]).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn table() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// Why code for `triple` using `needed` features cannot run here, if so.
pub(crate) fn refusal(triple: &str, needed: &[String]) -> Option<String> {
    let arch = triple.split('-').next().unwrap_or_default();
    let arch = if arch == "arm64" { "aarch64" } else { arch };
    let here = std::env::consts::ARCH;
    if arch != here {
        return Some(format!("code is for {arch}, this processor is {here}"));
    }
    let system = match std::env::consts::OS {
        "macos" => ["darwin", "macos"],
        other => [other, other],
    };
    if !system.iter().any(|name| triple.contains(name)) {
        return Some(format!(
            "code is for {triple}, this system is {}",
            std::env::consts::OS
        ));
    }
    let table = table();
    let state = |name: &str| {
        table
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, on)| *on)
    };
    let missing: Vec<_> = needed
        .iter()
        .filter(|name| state(name) == Some(false))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Some(format!("this processor lacks {}", missing.join(", ")));
    }
    let unknown: Vec<_> = needed
        .iter()
        .filter(|name| state(name).is_none())
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Some(format!(
            "cannot tell whether this processor has {}",
            unknown.join(", ")
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_features_are_accepted_and_others_named() {
        let triple = format!(
            "{}-unknown-{}-gnu",
            std::env::consts::ARCH,
            std::env::consts::OS
        );
        assert_eq!(refusal(&triple, &features()), None);
        let reason = refusal(&triple, &["warp-drive".into()]).unwrap();
        assert!(reason.contains("warp-drive"), "{reason}");
        let reason = refusal("riscv64-unknown-linux-gnu", &[]).unwrap();
        assert!(reason.contains("riscv64"), "{reason}");
    }
}
