//! Who may know whom: the dependency rules between the crates of the workspace.
//!
//! Read from `cargo metadata`. Edges for tests (`dev-dependencies`) are free,
//! except that they bring no MLIR to a crate that must build without it.

use super::Finding;
use crate::workspace::array;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Crate, and the crates of the workspace it may depend on; `None` is all of them.
const MAY_KNOW: &[(&str, Option<&[&str]>)] = &[
    ("kforge-oracle", Some(&[])),
    ("kforge-runtime", Some(&[])),
    ("kforge-verify", Some(&["kforge-oracle", "kforge-runtime"])),
    // Mutants are judged by the gate, and nothing that ships knows of them.
    (
        "kforge-mutate",
        Some(&["kforge-oracle", "kforge-runtime", "kforge-verify"]),
    ),
    ("kforge-dialect", Some(&["kforge-oracle"])),
    (
        "kforge-lowering",
        Some(&["kforge-dialect", "kforge-runtime", "kforge-oracle"]),
    ),
    (
        "kforge-passes",
        Some(&[
            "kforge-dialect",
            "kforge-lowering",
            "kforge-oracle",
            "kforge-runtime",
            "kforge-verify",
        ]),
    ),
    // The planner needs the option table, which the passes own.
    (
        "kforge-planner",
        Some(&["kforge-dialect", "kforge-passes", "kforge-runtime"]),
    ),
    ("kforge-model", Some(&["kforge-dialect"])),
    ("kforge-tools", None),
    ("kforge-plugin", None),
    ("kforge-fuzz", None),
    ("xtask", Some(&[])),
];

/// Crates that run where no LLVM is installed.
const WITHOUT_MLIR: [&str; 5] = [
    "kforge-oracle",
    "kforge-runtime",
    "kforge-verify",
    "kforge-mutate",
    "xtask",
];

/// Crates that bring MLIR or LLVM with them.
const MLIR: [&str; 4] = ["melior", "mlir-sys", "llvm-sys", "tblgen"];

/// Checks every edge between workspace crates and the MLIR-free trees.
pub fn check_edges(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members: Vec<&str> = members(metadata).collect();
    for id in &members {
        let crate_name = name(metadata, id);
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(known, _)| *known == crate_name) else {
            findings.push(finding(
                crate_name,
                "no rule says what it may depend on: add it to MAY_KNOW in the tidy command",
            ));
            continue;
        };
        for (dependency, development) in dependencies(metadata, id) {
            let other = name(metadata, dependency);
            let refused = allowed.is_some_and(|allowed| !allowed.contains(&other));
            if members.contains(&dependency) && !development && refused {
                findings.push(finding(crate_name, &format!("must not depend on {other}")));
            }
        }
        if WITHOUT_MLIR.contains(&crate_name) {
            for found in tree(metadata, id).intersection(&BTreeSet::from(MLIR)) {
                findings.push(finding(
                    crate_name,
                    &format!("must build without MLIR and LLVM, but {found} is in its tree"),
                ));
            }
        }
    }
    findings
}

/// Checks that a crate takes the workspace's lints: without them no other rule holds in it.
pub fn check_manifest(path: &str, text: &str) -> Option<Finding> {
    let mut lines = text.lines().map(str::trim);
    let inherits = lines.any(|line| line == "[lints]")
        && lines
            .take_while(|line| !line.starts_with('['))
            .any(|line| line == "workspace = true");
    (!inherits).then(|| Finding {
        path: path.to_string(),
        line: 0,
        rule: "lints",
        message: "does not take the workspace's lints: add `[lints] workspace = true`".to_string(),
    })
}

/// Manifests of the workspace's crates.
pub fn manifests(metadata: &Value) -> Vec<PathBuf> {
    members(metadata)
        .filter_map(|id| package(metadata, id)?["manifest_path"].as_str())
        .map(PathBuf::from)
        .collect()
}

fn finding(crate_name: &str, message: &str) -> Finding {
    Finding {
        path: format!("crate {crate_name}"),
        line: 0,
        rule: "who-knows-whom",
        message: message.to_string(),
    }
}

fn members(metadata: &Value) -> impl Iterator<Item = &str> {
    array(&metadata["workspace_members"]).filter_map(Value::as_str)
}

fn package<'a>(metadata: &'a Value, id: &str) -> Option<&'a Value> {
    array(&metadata["packages"]).find(|package| package["id"] == id)
}

fn name<'a>(metadata: &'a Value, id: &str) -> &'a str {
    package(metadata, id)
        .and_then(|package| package["name"].as_str())
        .unwrap_or_default()
}

/// Direct dependencies; `true` for one that only tests use.
fn dependencies<'a>(metadata: &'a Value, id: &str) -> Vec<(&'a str, bool)> {
    array(&metadata["resolve"]["nodes"])
        .filter(|node| node["id"] == id)
        .flat_map(|node| array(&node["deps"]))
        .filter_map(|edge| {
            let development = array(&edge["dep_kinds"]).all(|kind| kind["kind"] == "dev");
            Some((edge["pkg"].as_str()?, development))
        })
        .collect()
}

/// Names of everything that building and testing this crate builds.
fn tree<'a>(metadata: &'a Value, root: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = dependencies(metadata, root)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let further = dependencies(metadata, id).into_iter();
            open.extend(
                further
                    .filter(|(_, development)| !development)
                    .map(|(id, _)| id),
            );
        }
    }
    seen.into_iter().map(|id| name(metadata, id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A workspace of `members`, with edges `(from, to, kind)`.
    fn workspace(members: &[&str], others: &[&str], edges: &[(&str, &str, Value)]) -> Value {
        let all: Vec<&str> = members.iter().chain(others).copied().collect();
        json!({
            "workspace_members": members,
            "packages": all.iter().map(|name| json!({"id": name, "name": name})).collect::<Vec<_>>(),
            "resolve": {"nodes": all.iter().map(|id| json!({
                "id": id,
                "deps": edges.iter().filter(|edge| edge.0 == *id).map(|(_, to, kind)| json!({
                    "pkg": to, "dep_kinds": [{"kind": kind}],
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>()},
        })
    }

    fn messages(metadata: &Value) -> Vec<String> {
        check_edges(metadata)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn allowed_edges_pass() {
        let metadata = workspace(
            &["kforge-dialect", "kforge-oracle", "kforge-tools"],
            &["melior"],
            &[
                ("kforge-dialect", "kforge-oracle", Value::Null),
                ("kforge-dialect", "melior", Value::Null),
                ("kforge-tools", "kforge-dialect", Value::Null),
            ],
        );
        assert!(messages(&metadata).is_empty());
    }

    #[test]
    fn forbidden_edge_is_found_unless_for_tests() {
        let edge = |kind: Value| {
            workspace(
                &["kforge-oracle", "kforge-runtime"],
                &[],
                &[("kforge-oracle", "kforge-runtime", kind)],
            )
        };
        let found = messages(&edge(Value::Null));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("must not depend on kforge-runtime"),
            "{found:?}"
        );
        assert_eq!(messages(&edge(json!("build"))).len(), 1);
        assert!(messages(&edge(json!("dev"))).is_empty());
    }

    #[test]
    fn mlir_is_found_through_others_and_through_tests() {
        let through = |kind: Value| {
            workspace(
                &["kforge-runtime"],
                &["helper", "mlir-sys"],
                &[
                    ("kforge-runtime", "helper", kind),
                    ("helper", "mlir-sys", Value::Null),
                ],
            )
        };
        for kind in [Value::Null, json!("dev"), json!("build")] {
            let found = messages(&through(kind));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("mlir-sys is in its tree"));
        }
    }

    #[test]
    fn unknown_crate_needs_a_rule() {
        let found = messages(&workspace(&["kforge-new"], &[], &[]));
        assert!(found[0].contains("no rule"), "{found:?}");
    }

    #[test]
    fn lints_must_be_inherited() {
        assert!(check_manifest("a", "[package]\n[lints]\nworkspace = true\n").is_none());
        assert!(check_manifest("a", "[package]\n").is_some());
        assert!(check_manifest("a", "[lints]\n[x]\nworkspace = true\n").is_some());
    }
}
