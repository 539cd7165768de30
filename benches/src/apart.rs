//! A case in processes of its own, so that it does not find what an earlier one has left:
//! threads, and above all an allocator that is in pieces. In some of them, as where a process
//! happens to have its memory and its threads makes some contestants twice as fast or slow
//! for as long as it lives.

use std::path::Path;
use std::process::{Command, Stdio};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cases;
use crate::go::Go;
use crate::rounds::{self, Effort, Figure, Turns};

/// Has processes of its own measure the case of this name, one after another, with the Go
/// originals that are in that folder; what its contestants got.
///
/// # Errors
/// When one fails, which says why by itself.
pub fn measure(name: &str, effort: Effort, go: Option<&Path>) -> Result<Vec<Figure>, String> {
    let processes = (0..effort.processes).map(|_| measure_apart(name, effort.quick, go));
    let turns = Turns::together(processes.collect::<Result<_, _>>()?);
    Ok(turns.into_iter().map(Turns::figure).collect())
}

fn measure_apart(name: &str, quick: bool, go: Option<&Path>) -> Result<Vec<Turns>, String> {
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

/// Measures the case of this name as one of these, and writes what its contestants got to
/// standard output.
///
/// # Errors
/// When there is no such case, the Go originals do not start, or work was lost.
pub fn measure_here(name: &str, effort: Effort, go: Option<&Path>) -> Result<(), String> {
    let name = cases::NAMES.into_iter().find(|known| *known == name);
    let name = name.ok_or("there is no such case")?;
    let go = go.map(Go::start).transpose()?;
    let mut case = cases::case(name, go.as_ref()).expect("every name has a case");
    let count = (effort.turns(&case) * case.contestants.len()) as u64;
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}");
    let bar = ProgressBar::new(count).with_style(style.expect("a constant template"));
    bar.set_prefix(name);
    let turns = rounds::measure(&mut case, effort, || bar.inc(1));
    bar.finish_and_clear();
    let turns = turns.map_err(|lost| format!("work was lost: {lost}"))?;
    serde_json::to_writer(std::io::stdout(), &turns).map_err(|error| error.to_string())
}
