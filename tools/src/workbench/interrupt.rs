//! Ctrl-C ends a run in order: what was found is kept. The second one ends it at once.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::Failure;

/// A flag that the first Ctrl-C raises, which says so in `message`.
///
/// # Errors
/// The system lets no handler be set.
pub(super) fn flag(message: &'static str) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        let _ = writeln!(io::stderr(), "{message}");
    })
    .map_err(|error| Failure::Other(format!("cannot catch Ctrl-C: {error}")))?;
    Ok(stop)
}
