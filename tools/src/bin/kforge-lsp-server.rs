//! `kforge-lsp-server`: mlir-lsp-server with the kforge dialect.

fn main() {
    kforge_passes::register();
    let arguments: Vec<_> = std::env::args_os().collect();
    std::process::exit(kforge_dialect::tools::lsp_server_main(&arguments));
}
