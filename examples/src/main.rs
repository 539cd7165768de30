//! The thin binary: reads the command line, runs, and tells by its exit
//! status how it went: 0 well, 1 something was lost or failed, 2 bad input.

use std::process::ExitCode;

use rpc_demo::cli::{self, Cli};
use rpc_demo::job;
use rpc_demo::say;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            say::err(format_args!("{}", cli::one_line(&error)));
            return ExitCode::from(2);
        }
        // --help and --version.
        Err(asked) => asked.exit(),
    };
    match job::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::err(format_args!("error: {error}"));
            ExitCode::from(error.exit_status())
        }
    }
}
