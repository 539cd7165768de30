//! A case in a process of its own, so that it does not find what an earlier one has left:
//! threads, and above all an allocator that is in pieces.

use std::path::Path;
use std::process::{Command, Stdio};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cases;
use crate::go::Go;
use crate::rounds::{self, Effort, Figure};

/// Has a process of its own measure the case of this name, with the Go originals that are
/// in that folder; what its contestants got.
///
/// # Errors
/// When it fails, which says why by itself.
pub fn measure(name: &str, quick: bool, go: Option<&Path>) -> Result<Vec<Figure>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let mut command = Command::new(std::env::current_exe().map_err(|error| told(&error))?);
    command.args(["--alone", name]).stderr(Stdio::inherit());
    if quick {
        command.arg("--quick");
    }
    if let Some(folder) = go {
        command.arg("--go").arg(folder);
    }
    let ended = command.output().map_err(|error| told(&error))?;
    if !ended.status.success() {
        return Err(told(&ended.status));
    }
    serde_json::from_slice(&ended.stdout).map_err(|error| told(&error))
}

/// Measures the case of this name as that process, and writes what its contestants got to
/// standard output.
///
/// # Errors
/// When there is no such case, the Go originals do not start, or work was lost.
pub fn measure_here(name: &str, effort: Effort, go: Option<&Path>) -> Result<(), String> {
    let name = cases::NAMES.into_iter().find(|known| *known == name);
    let name = name.ok_or("there is no such case")?;
    let go = go.map(Go::start).transpose()?;
    let mut case = cases::case(name, go.as_ref()).expect("every name has a case");
    let turns = (effort.turns(&case) * case.contestants.len()) as u64;
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}");
    let bar = ProgressBar::new(turns).with_style(style.expect("a constant template"));
    bar.set_prefix(name);
    let figures = rounds::measure(&mut case, effort, || bar.inc(1));
    bar.finish_and_clear();
    let figures = figures.map_err(|lost| format!("work was lost: {lost}"))?;
    serde_json::to_writer(std::io::stdout(), &figures).map_err(|error| error.to_string())
}
