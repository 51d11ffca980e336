//! `seeds TARGET FOLDER`: writes the seeds of a target that are made, not kept.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(target), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: seeds TARGET FOLDER"));
    };
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder)?;
    for (index, seed) in kforge_fuzz::made_seeds(&target).iter().enumerate() {
        fs::write(folder.join(format!("made-{index}")), seed)?;
    }
    Ok(())
}
