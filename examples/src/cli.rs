//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{GivenOptions, Time};
use crate::logging::{Filter, LogFormat};
use crate::provenance::Provenance;

/// An alarm system over the tRPC protocol, made of object pools, worker pools
/// and error groups.
///
/// Without a command, runs all in one: the server, load on it from this very
/// machine, and a table at the end.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do; all in one when left out
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to run with, before or behind the command
    #[command(flatten)]
    pub options: GivenOptions,
    /// File with options, as TOML
    #[arg(long, value_name = "FILE", global = true, env = "RPC_DEMO_CONFIG")]
    pub config: Option<PathBuf>,
    /// Writes the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What to log to the console, such as info or rpc_demo=debug [default: warn]
    #[arg(long, value_name = "FILTER", global = true, env = "RPC_DEMO_LOG", value_parser = filter)]
    pub log: Option<Filter>,
    /// How to log to the console [default: text]
    #[arg(
        long,
        value_name = "FORMAT",
        global = true,
        env = "RPC_DEMO_LOG_FORMAT"
    )]
    pub log_format: Option<LogFormat>,
    /// Which of it the command line said, and which the environment.
    #[arg(skip)]
    pub said: Provenance,
}

impl Cli {
    /// Reads a command line, and the environment.
    ///
    /// # Errors
    /// When there is no sense in it, or help was asked for.
    pub fn read<A>(args: impl IntoIterator<Item = A>) -> Result<Self, clap::Error>
    where
        A: Into<OsString> + Clone,
    {
        let mut command = Self::command();
        let mut matches = command.try_get_matches_from_mut(args)?;
        let said = Provenance::said(&command, &matches);
        let cli = Self::from_arg_matches_mut(&mut matches);
        cli.map(|cli| Self { said, ..cli })
            .map_err(|error| error.format(&mut command))
    }
}

fn filter(text: &str) -> Result<Filter, String> {
    Filter::new(text).map_err(|error| format!("log filter: {error}"))
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the services and runs until ctrl-c or SIGTERM
    Serve,
    /// Prints what is in effect, and where each value comes from: the command line, the
    /// environment, the config file or the defaults
    Config,
    /// Sends load to a running server, at --check (--policies and --seed as the server's)
    Load {
        /// Writes the report to this file, as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Calls a method with a JSON body and prints the answer
    Call {
        /// Such as /rpcdemo.Echo/Echo or /alarm.Check/Check
        method: String,
        /// The body
        json: String,
        /// Where to [default: where serve listens for the method]
        #[arg(long, value_name = "ADDR")]
        addr: Option<SocketAddr>,
        /// How long to wait
        #[arg(long, value_name = "TIME", default_value = "5s")]
        timeout: Time,
    },
    /// Shows how a connection is served, step by step: listen, accept, read, park, wake
    TracePoll {
        /// Also prints the functions of tokio that called each waker
        #[arg(long)]
        stacks: bool,
    },
}

/// What clap has to say, in one line.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.split("\n\nUsage:").next().unwrap_or(&text);
    let said = said
        .split("\n\nFor more information")
        .next()
        .unwrap_or(said);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        for mistake in [
            &["rpc-demo", "--quack"][..],
            &["rpc-demo", "--duration", "10 parsecs"],
            &["rpc-demo", "call", "/rpcdemo.Echo/Echo"],
            &["rpc-demo", "serve", "--echo", "nowhere"],
        ] {
            let line = one_line(&Cli::try_parse_from(mistake).unwrap_err());
            assert!(
                line.starts_with("error: ") && !line.contains('\n'),
                "{line}"
            );
        }
    }

    #[test]
    fn options_may_stand_before_or_behind_the_command() {
        for line in [
            ["rpc-demo", "serve", "--policies", "5"],
            ["rpc-demo", "--policies", "5", "serve"],
        ] {
            let cli = Cli::read(line).unwrap();
            assert!(matches!(cli.command, Some(Command::Serve)));
            assert_eq!(cli.options.policies, Some(5));
            assert_eq!(cli.said.of("policies").to_string(), "flag --policies");
        }
    }
}
