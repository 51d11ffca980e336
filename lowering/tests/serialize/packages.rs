//! What the package says.

use crate::{TILED_MATMUL, VECTOR_ADD, serialized};
use kforge_lowering::serialize::unit_package;
use kforge_runtime::{
    Package,
    manifest::{Access, BufferId, Entry, Knob, Role, Step, UNIT_ENTRY},
};

fn role(package: &Package, name: &str) -> (BufferId, Role) {
    let place = package
        .manifest
        .buffers
        .iter()
        .position(|buffer| buffer.name == name);
    let place =
        place.unwrap_or_else(|| panic!("no buffer {name} in {:?}", package.manifest.buffers));
    (BufferId(place as u32), package.manifest.buffers[place].role)
}

fn arguments(entry: &Entry, step: usize) -> Vec<u32> {
    let Step::Dispatch(dispatch) = &entry.steps[step];
    dispatch
        .args
        .iter()
        .map(|argument| argument.buffer.0)
        .collect()
}

#[test]
fn buffers_have_roles_and_views_share_them() {
    let package = serialized(VECTOR_ADD).package;
    let (input, input_role) = role(&package, "add_twice.arg0");
    let (weight, weight_role) = role(&package, "layer.w");
    let (constant, constant_role) = role(&package, "two");
    assert_eq!(
        [input_role, weight_role, constant_role],
        [Role::Input, Role::Weight, Role::Constant]
    );
    assert_eq!(package.constants["two"].to_f64_vec(), [2.0]);
    let entry = &package.manifest.entries["add_twice"];
    let first = arguments(entry, 0);
    let second = arguments(entry, 1);
    assert_eq!(first[..2], [input.0, weight.0]);
    // The scratch buffer is written as scalars and read as vectors.
    assert_eq!(second[..2], [first[2], constant.0]);
    assert_eq!(
        package.manifest.buffers[first[2] as usize].role,
        Role::Scratch
    );
    assert_eq!(entry.outputs[0].buffer.0, second[2]);
    assert_eq!(entry.outputs[0].shape, [10.into(), 10.into()]);
    assert_eq!(
        package.manifest.buffers[second[2] as usize].role,
        Role::Output
    );
}

#[test]
fn kernels_carry_stage_knobs_and_exact_access() {
    let package = serialized(VECTOR_ADD).package;
    let add = &package.manifest.kernels["add"];
    assert_eq!(add.stage, "sum");
    assert_eq!(add.knobs["tile"], Knob::Integer(64));
    assert_eq!(add.knobs["unrolled"], Knob::Bool(false));
    assert_eq!(add.workgroup_size, [64, 1, 1]);
    let access: Vec<Access> = add.bindings.iter().map(|binding| binding.access).collect();
    assert_eq!(access, [Access::Read, Access::Read, Access::Write]);
    // A kernel without a name is its own stage; lanes count as scalars.
    let scale = &package.manifest.kernels["scale"];
    assert_eq!(scale.stage, "scale");
    assert_eq!(scale.bindings[0].elements, Some(100.into()));
}

#[test]
fn wgsl_reads_back() {
    for source in [VECTOR_ADD, TILED_MATMUL] {
        let package = serialized(source).package;
        for name in package.manifest.kernels.keys() {
            let text = package.wgsl(name).unwrap();
            let module = naga::front::wgsl::parse_str(text).unwrap();
            naga::valid::Validator::new(Default::default(), naga::valid::Capabilities::empty())
                .validate(&module)
                .unwrap();
        }
    }
}

#[test]
fn programs_stand_beside_the_package() {
    let serialized = serialized(TILED_MATMUL);
    assert_eq!(serialized.remarks, Vec::<String>::new());
    let program = serialized.package.program.as_ref().unwrap();
    assert_eq!(program["function"]["inputs"][1]["name"], "arg1");
    let units = serialized.package.units().unwrap();
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].stage, "matmul_0");
    assert_eq!(units[0].steps, 0..1);
    assert_eq!((units[0].inputs.len(), units[0].outputs.len()), (2, 1));
    assert!(units[0].program.is_some());
}

#[test]
fn a_package_survives_a_folder() {
    let mut package = serialized(TILED_MATMUL).package;
    let folder = tempfile::tempdir().unwrap();
    package.save(folder.path().join("p")).unwrap();
    assert_eq!(Package::load(folder.path().join("p")).unwrap(), package);
}

#[test]
fn units_end_with_a_specification() {
    // Without one, every launch is a unit; with one on the second kernel only,
    // both launches are, and what passes between them is their own.
    let plain = serialized(VECTOR_ADD);
    let stages: Vec<&str> = plain.units.iter().map(|unit| unit.stage.as_str()).collect();
    assert_eq!(stages, ["sum", "sum", "scale"]);
    let source = VECTOR_ADD.replace(
        "kernel attributes {known_block_size = array<i32: 32, 1, 1>}",
        "kernel attributes {known_block_size = array<i32: 32, 1, 1>, kforge.spec = \"\"}",
    );
    let joined = serialized(&source);
    let unit = joined
        .units
        .iter()
        .find(|unit| unit.entry == "add_twice")
        .unwrap();
    assert_eq!(unit.steps, 0..2);
    assert_eq!((unit.inputs.len(), unit.outputs.len()), (3, 1));
    let index = joined.units.iter().position(|other| other == unit).unwrap();
    let cut = unit_package(&joined, index).unwrap();
    cut.validate().unwrap();
    let roles: Vec<Role> = cut
        .manifest
        .buffers
        .iter()
        .map(|buffer| buffer.role)
        .collect();
    assert_eq!(
        roles,
        [
            Role::Input,
            Role::Input,
            Role::Scratch,
            Role::Input,
            Role::Output
        ]
    );
    assert_eq!(
        cut.files["kernels/scale.wgsl"],
        joined.package.files["kernels/scale.wgsl"]
    );
    assert_eq!(cut.manifest.entries[UNIT_ENTRY].inputs.len(), 3);
}

#[test]
fn one_buffer_passed_twice_is_two_inputs_of_its_unit() {
    let source = VECTOR_ADD.replace(
        "args(%a : memref<100xf32>, %b",
        "args(%a : memref<100xf32>, %a",
    );
    let serialized = serialized(&source);
    let unit = &serialized.units[0];
    assert_eq!(unit.inputs[0], unit.inputs[1]);
    let cut = unit_package(&serialized, 0).unwrap();
    let entry = &cut.manifest.entries[UNIT_ENTRY];
    assert_ne!(entry.inputs[0].buffer, entry.inputs[1].buffer);
    cut.validate().unwrap();
}

#[test]
fn an_argument_that_is_written_is_an_output() {
    let source = VECTOR_ADD
        .replace(
            "func.func @add(%a: memref<100xf32>, %b: memref<100xf32>) -> memref<100xf32> {",
            "func.func @add(%a: memref<100xf32>, %b: memref<100xf32>, %o: memref<100xf32>) {",
        )
        .replacen("    %o = memref.alloc() : memref<100xf32>\n", "", 1)
        .replacen("    func.return %o : memref<100xf32>", "    func.return", 1);
    let package = serialized(&source).package;
    let entry = &package.manifest.entries["add"];
    assert_eq!(entry.inputs.len(), 3);
    assert_eq!(entry.outputs.len(), 1);
    assert_eq!(entry.outputs[0].name, "arg2");
    assert_eq!(entry.outputs[0].buffer, entry.inputs[2].buffer);
}
