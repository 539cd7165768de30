//! Everything side by side, in one run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::apart;
use benches::cases::{self, NAMES};
use benches::go;
use benches::machine::Machine;
use benches::report;
use benches::results;
use benches::rounds::Effort;
use benches::table::{self, Outcome};
use benches::{rpc, sleepers};
use clap::Parser;

/// Measures ours beside the Rust peers beside the Go originals.
#[derive(Debug, Parser)]
struct Args {
    /// Only the cases whose names begin so, or so, or so
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    case: Vec<String>,
    /// Shorter and fewer turns: a family in less than a minute
    #[arg(long)]
    quick: bool,
    /// Writes a JSON line for every contestant of every case
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes RESULTS.md and its charts beside the benches
    #[arg(long, conflicts_with = "case")]
    write: bool,
    /// Becomes the process that measures this case
    #[arg(long, hide = true, value_name = "CASE")]
    alone: Option<String>,
    /// Where the Go originals are
    #[arg(long, hide = true, requires = "alone")]
    go: Option<PathBuf>,
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
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    if let Some(name) = &args.alone {
        return apart::measure_here(name, effort, args.go.as_deref());
    }
    let names: Vec<_> = NAMES
        .into_iter()
        .filter(|name| args.case.is_empty() || args.case.iter().any(|case| name.starts_with(case)))
        .collect();
    if names.is_empty() {
        return Err(format!(
            "no case begins with {}; there are: {}",
            args.case.join(" or "),
            NAMES.join(" ")
        ));
    }
    let go = go::Programs::build();
    match &go {
        Ok(go) => println!("with {}\n", go.version),
        Err(why) => println!("without the Go originals: {why}\n"),
    }
    let go = go.as_ref().ok();
    let json = args.json.as_ref().map(File::create).transpose();
    let json = json.map_err(|error| format!("the JSON file: {error}"))?;
    let mut outcomes = Vec::new();
    for name in names {
        let figures = apart::measure(name, effort, go.map(go::Programs::folder))?;
        // For what it says of itself: nobody takes a turn here.
        let case = cases::case(name, None).expect("every name has a case");
        let outcome = Outcome::new(&case, figures);
        println!("{}", outcome.text());
        outcomes.push(outcome);
    }
    println!("{}", table::summary(&outcomes));
    if args.write {
        let machine = Machine::this(go.map(|go| go.version.as_str()));
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
