//! A kernel that counts its runs and is wrong from some run on.

use kforge_runtime::{
    Dtype,
    manifest::{Access, Binding, Buffer, BufferId, Expr, Role, Step},
};
use kforge_verify::Subject;

use super::{
    packages::{SUM, TWICE, package},
    steps,
};

/// The function alone, since units alone have no state; right for `runs` runs.
pub fn subject(runs: u32) -> Result<Subject, String> {
    let counting = SUM
        .replace("@binding(2)", "@binding(3)")
        .replace(
            "@compute",
            "@group(0) @binding(2) var<storage, read_write> n: array<f32>;\n@compute",
        )
        .replace(
            "{ s[i] = a[i] + b[i]; }",
            &format!("{{ n[i] += 1.0; s[i] = a[i] + b[i] + select(0.0, 1.0, n[i] > {runs}.0); }}"),
        );
    let mut package = package(&counting, TWICE);
    let size = [Expr::from(100)];
    let state = Buffer::dense("n", Dtype::F32, size, Role::State);
    package.manifest.buffers.push(state);
    if let Some(kernel) = package.manifest.kernels.get_mut("sum") {
        let binding = Binding {
            access: Access::ReadWrite,
            ..kernel.bindings[0].clone()
        };
        kernel.bindings.insert(2, binding);
    }
    if let Some(Step::Dispatch(dispatch)) = steps(&mut package).and_then(|it| it.first_mut()) {
        dispatch.args.insert(2, BufferId(4).into());
    }
    let mut subject = Subject::of_package(&package, "main").map_err(|it| it.to_string())?;
    subject.units.clear();
    Ok(subject)
}
