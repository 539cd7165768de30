//! Everything side by side, in one run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::cases::{self, NAMES};
use benches::go::Go;
use benches::machine::Machine;
use benches::report;
use benches::results;
use benches::rounds::{self, Effort};
use benches::table::{self, Outcome};
use benches::{rpc, sleepers};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Measures ours beside the Rust peers beside the Go originals.
#[derive(Debug, Parser)]
struct Args {
    /// Only the cases whose names begin so
    #[arg(long, value_name = "PREFIX", default_value = "")]
    case: String,
    /// Shorter and fewer turns: a family in less than a minute
    #[arg(long)]
    quick: bool,
    /// Writes a JSON line for every contestant of every case
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes RESULTS.md and its charts beside the benches
    #[arg(long, conflicts_with = "case")]
    write: bool,
    /// Becomes one of the servers that take part
    #[arg(long, hide = true)]
    serve: Option<rpc::Kind>,
    /// Lets jobs sleep, as one of those that take part
    #[arg(long, hide = true, requires = "jobs")]
    sleep: Option<sleepers::Kind>,
    #[arg(hide = true, requires = "sleep")]
    jobs: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if let Some(kind) = args.serve {
        return rpc::serve(kind);
    }
    if let (Some(kind), Some(jobs)) = (args.sleep, args.jobs) {
        return sleepers::sleep(kind, jobs);
    }
    if cfg!(debug_assertions) {
        return Err("a debug build says nothing about speed; add --release".into());
    }
    let names: Vec<_> = NAMES
        .into_iter()
        .filter(|name| name.starts_with(&args.case))
        .collect();
    if names.is_empty() {
        return Err(format!(
            "no case begins with {:?}; there are: {}",
            args.case,
            NAMES.join(" ")
        ));
    }
    let go = Go::start();
    match &go {
        Ok(go) => println!("with {}\n", go.version),
        Err(why) => println!("without the Go originals: {why}\n"),
    }
    let json = args.json.as_ref().map(File::create).transpose();
    let json = json.map_err(|error| format!("the JSON file: {error}"))?;
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let mut outcomes = Vec::new();
    for name in names {
        let mut case = cases::case(name, go.as_ref().ok()).expect("every name has a case");
        let turns = (effort.turns(&case) * case.contestants.len()) as u64;
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}");
        let bar = ProgressBar::new(turns).with_style(style.expect("a constant template"));
        bar.set_prefix(name);
        let figures = rounds::measure(&mut case, effort, || bar.inc(1));
        bar.finish_and_clear();
        let figures = figures.map_err(|lost| format!("{name}: work was lost: {lost}"))?;
        let outcome = Outcome::new(&case, figures);
        println!("{}", outcome.text());
        outcomes.push(outcome);
    }
    println!("{}", table::summary(&outcomes));
    if args.write {
        let machine = Machine::this(go.as_ref().ok().map(|go| go.version.as_str()));
        let quick = if args.quick { " --quick" } else { "" };
        let command = format!("cargo run --release -p benches --bin compare -- --write{quick}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        report::write(folder, &outcomes, &machine, &command)
            .map_err(|error| format!("RESULTS.md: {error}"))?;
        println!("written: RESULTS.md and charts/*.svg in benches/");
    }
    if let Some(file) = json {
        results::write_lines(&outcomes, file).map_err(|error| format!("the JSON file: {error}"))?;
    }
    Ok(())
}
