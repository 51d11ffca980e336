//! Kernels of everything but matmul and attention on a device: do they compute
//! what their ops mean, whole functions and unit by unit?

#[path = "../numeric/mod.rs"]
mod numeric;

mod blocks;
mod elementwise;
mod mlp;
mod movement;
mod rope;
mod rows;
mod structure;
mod units;

/// A function of the given signature and body.
fn function(signature: &str, body: &str) -> String {
    format!("func.func @f{signature} {{\n{body}\n}}")
}

/// `tensor<..>` of a shape.
fn tensor(sizes: &[i64], element: &str) -> String {
    let sizes: String = sizes.iter().map(|size| format!("{size}x")).collect();
    format!("tensor<{sizes}{element}>")
}

/// Checks one module on the quick cases.
fn right(text: &str) {
    let modules = [(text.to_owned(), text.to_owned())];
    numeric::check_all(
        &modules,
        &kforge_oracle::standard_cases(kforge_oracle::Level::Quick),
    );
}
