//! `kforge-reduce`: mlir-reduce with the kforge dialect and passes.

fn main() {
    kforge_passes::register();
    let arguments: Vec<_> = std::env::args_os().collect();
    std::process::exit(kforge_dialect::tools::reduce_main(&arguments));
}
