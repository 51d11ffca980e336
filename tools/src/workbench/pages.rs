//! `kforge completions` and `kforge man`: what shells and `man` know of this program,
//! made from its own command line.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::Failure;

/// Print a shell's completions of this program
///
/// Examples:
///   kforge completions bash > ~/.local/share/bash-completion/completions/kforge
///   kforge completions fish > ~/.config/fish/completions/kforge.fish
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Write the manual pages of this program and its subcommands
///
/// Examples:
///   kforge man ~/.local/share/man/man1
///   kforge man pages && man -l pages/kforge-optimize.1
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Man {
    /// The folder, made if need be
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn completions(arguments: &Completions, mut program: Command) -> Result<(), Failure> {
    // By way of memory: the generator panics where it cannot write.
    let mut text = Vec::new();
    generate(arguments.shell, &mut program, "kforge", &mut text);
    Ok(io::stdout().write_all(&text)?)
}

pub(super) fn man(arguments: &Man, program: Command) -> Result<(), Failure> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(program, folder))
        .map_err(|source| Failure::Write {
            path: folder.clone(),
            source,
        })
}
