//! Compute units by adapter name, since no graphics API tells them portably.
//!
//! A compute unit is what runs whole workgroups: a multiprocessor of NVIDIA, a GPU core
//! of Apple, a compute unit of AMD. The numbers are the vendors'; where one name is sold
//! with several, the larger stands here. A name that is not listed is 0: not known.

/// Name and units; the adapter's name begins with the words of one.
const UNITS: &[(&str, u32)] = &[
    // Apple: GPU cores.
    ("Apple M1", 8),
    ("Apple M1 Pro", 16),
    ("Apple M1 Max", 32),
    ("Apple M1 Ultra", 64),
    ("Apple M2", 10),
    ("Apple M2 Pro", 19),
    ("Apple M2 Max", 38),
    ("Apple M2 Ultra", 76),
    ("Apple M3", 10),
    ("Apple M3 Pro", 18),
    ("Apple M3 Max", 40),
    ("Apple M3 Ultra", 80),
    ("Apple M4", 10),
    ("Apple M4 Pro", 20),
    ("Apple M4 Max", 40),
    // NVIDIA: streaming multiprocessors.
    ("NVIDIA H200", 132),
    ("NVIDIA H100", 132),
    ("NVIDIA H100 PCIe", 114),
    ("NVIDIA A100", 108),
    ("NVIDIA L4", 58),
    ("NVIDIA L40", 142),
    ("NVIDIA L40S", 142),
    ("Tesla V100", 80),
    ("Tesla T4", 40),
    ("NVIDIA GeForce RTX 3060", 28),
    ("NVIDIA GeForce RTX 3060 Ti", 38),
    ("NVIDIA GeForce RTX 3070", 46),
    ("NVIDIA GeForce RTX 3070 Ti", 48),
    ("NVIDIA GeForce RTX 3080", 68),
    ("NVIDIA GeForce RTX 3080 Ti", 80),
    ("NVIDIA GeForce RTX 3090", 82),
    ("NVIDIA GeForce RTX 3090 Ti", 84),
    ("NVIDIA GeForce RTX 4060", 24),
    ("NVIDIA GeForce RTX 4060 Ti", 34),
    ("NVIDIA GeForce RTX 4070", 46),
    ("NVIDIA GeForce RTX 4070 SUPER", 56),
    ("NVIDIA GeForce RTX 4070 Ti", 60),
    ("NVIDIA GeForce RTX 4070 Ti SUPER", 66),
    ("NVIDIA GeForce RTX 4080", 76),
    ("NVIDIA GeForce RTX 4080 SUPER", 80),
    ("NVIDIA GeForce RTX 4090", 128),
    ("NVIDIA GeForce RTX 5070", 48),
    ("NVIDIA GeForce RTX 5070 Ti", 70),
    ("NVIDIA GeForce RTX 5080", 84),
    ("NVIDIA GeForce RTX 5090", 170),
    // AMD: compute units.
    ("AMD Radeon RX 6800 XT", 72),
    ("AMD Radeon RX 6900 XT", 80),
    ("AMD Radeon RX 7800 XT", 60),
    ("AMD Radeon RX 7900 XT", 84),
    ("AMD Radeon RX 7900 XTX", 96),
];

/// Units of the adapter called `name`; 0 where they are not known. llvmpipe runs a
/// workgroup per thread of the processor.
pub(super) fn of(name: &str) -> u32 {
    if name.starts_with("llvmpipe") {
        return std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    }
    let words: Vec<&str> = name.split([' ', '-']).collect();
    // Sold under the name of a desktop's GPU, with other units.
    if words.iter().any(|word| ["Laptop", "Max"].contains(word)) && !name.starts_with("Apple") {
        return 0;
    }
    let is = |known: &&(&str, u32)| words.starts_with(&known.0.split(' ').collect::<Vec<_>>());
    // The longest name says most: an M1 Max is an M1, too.
    let found = UNITS.iter().filter(is).max_by_key(|known| known.0.len());
    found.map_or(0, |known| known.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_counts_and_words_are_whole() {
        assert_eq!(of("Apple M1"), 8);
        assert_eq!(of("Apple M1 Max"), 32);
        assert_eq!(of("NVIDIA H200"), 132);
        assert_eq!(of("NVIDIA A100-SXM4-80GB"), 108);
        assert_eq!(of("NVIDIA H100 80GB HBM3"), 132);
        assert_eq!(of("NVIDIA GeForce RTX 4090 Laptop GPU"), 0);
        assert_eq!(of("AMD Radeon RX 7900 XTX (RADV NAVI31)"), 96);
        assert_eq!(of("NVIDIA GeForce RTX 4060 Ti"), 34);
        assert_eq!(of("NVIDIA L40S"), 142);
        assert_eq!(of("Apple M10"), 0);
        assert_eq!(of("Intel(R) UHD Graphics 630"), 0);
    }

    #[test]
    fn llvmpipe_has_the_processors_threads() {
        assert!(of("llvmpipe (LLVM 15.0.6, 256 bits)") > 0);
    }
}
