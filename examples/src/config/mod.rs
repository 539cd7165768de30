//! What to run with: the [options](GivenOptions) that the command line gives, then those of
//! the environment, then those of the config file, and the [`Settings`] that they come to
//! with the defaults.

mod error;
mod given;
mod log;
mod settings;
mod settle;
mod time;

pub use error::ConfigError;
pub use given::GivenOptions;
pub use settings::Settings;
pub use time::{Time, TimeError};

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;
    use crate::server::ServerOptions;

    fn parsed(text: &str) -> Result<GivenOptions, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Ok(GivenOptions::from_file(file.path())?.0)
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_defaults() {
        let file = parsed("qps = 10.0\nseed = 3\nduration = \"1m 5s\"").unwrap();
        let said = GivenOptions {
            qps: Some(20.0),
            peak: Some(20.0),
            ..GivenOptions::default()
        };
        let settings = said.or(file).settle().unwrap();
        assert_eq!(settings.seed, 3);
        assert_eq!(settings.duration, Duration::from_secs(65));
        assert_eq!(settings.policies, 1_000_000);
        assert_eq!(settings.profile.arrivals().count() / 65, 20);
    }

    #[test]
    fn what_is_in_effect_reads_back_as_itself() {
        let file = parsed("qps = 10.5\ncontrol = true\nwebhook = \"http://localhost:1/x\"");
        let settings = file.unwrap().settle().unwrap();
        let again = parsed(&settings.to_toml().unwrap()).unwrap();
        let again = again.settle().unwrap();
        assert_eq!(again.to_toml(), settings.to_toml());
        assert!(again.control && again.webhook.is_some());
    }

    #[test]
    fn what_is_said_of_connections_is_what_a_server_is_told() {
        let file = parsed(
            r#"
            idle = "2s"
            keep-alive = "3s"
            max-frame = 4000
            max-in-flight = 5
            max-connections = 6
            farewell = "7s"
            "#,
        );
        let settings = file.unwrap().settle().unwrap();
        let ServerOptions {
            idle,
            keep_alive,
            max_frame,
            max_in_flight,
            max_connections,
            farewell,
            ..
        } = settings.server_options();
        let second = Duration::from_secs(1);
        assert_eq!((idle, keep_alive), (2 * second, Some(3 * second)));
        assert_eq!((max_frame, max_in_flight, max_connections), (4000, 5, 6));
        assert_eq!(farewell, 7 * second);
        let never = parsed("keep-alive = \"0s\"").unwrap().settle().unwrap();
        assert_eq!(never.server_options().keep_alive, None);
        // The usual ones are the server's own.
        let usual = GivenOptions::default().settle().unwrap().server_options();
        let own = ServerOptions::default();
        assert_eq!((usual.idle, usual.keep_alive), (own.idle, own.keep_alive));
        assert_eq!(usual.max_in_flight_bytes, own.max_in_flight_bytes);
    }

    /// An option is declared in `GivenOptions`, kept in `Settings` and given its default in
    /// `settle`, which the compiler holds together; what people read of it, this does.
    #[test]
    fn the_help_tells_each_default_as_it_is_and_each_variable_by_the_name_of_its_option() {
        let settings = GivenOptions::default().settle().unwrap();
        let settings: toml::Table = settings.to_toml().unwrap().parse().unwrap();
        let command = crate::cli::Cli::command();
        let mut untold = Vec::new();
        for option in command.get_arguments() {
            let (Some(key), Some(help)) = (option.get_long(), option.get_help()) else {
                continue;
            };
            if let Some(variable) = option.get_env() {
                let name = key.replace('-', "_").to_uppercase();
                assert_eq!(variable.to_str(), Some(&*format!("RPC_DEMO_{name}")));
            }
            let help = help.to_string();
            let Some((_, default)) = help.split_once("[default: ") else {
                untold.extend(settings.contains_key(key).then_some(key));
                continue;
            };
            // Behind a comma there is when it is another one.
            let default = default.trim_end_matches(']').split(',').next().unwrap();
            let own = match (key, default) {
                ("workers", "64 a CPU") => {
                    64 * num_cpus::get() == settings[key].as_integer().unwrap() as usize
                }
                ("alarm-log", "rpc-demo-alarms.log in the temporary folder") => {
                    let folder = std::env::temp_dir();
                    settings[key].as_str() == folder.join("rpc-demo-alarms.log").to_str()
                }
                ("webhook", "a receiver of its own") => !settings.contains_key(key),
                // Of one of the sinks.
                ("log" | "log-format", _) => true,
                _ => match &settings[key] {
                    toml::Value::String(own) => own == default,
                    toml::Value::Float(own) => default.parse() == Ok(*own),
                    own => own.to_string() == default,
                },
            };
            assert!(own, "{key}: {default}, not {:?}", settings.get(key));
        }
        // A switch is off.
        assert_eq!(untold, ["control"]);
    }

    #[test]
    fn policies_of_people_are_read() {
        let file = parsed(
            r#"
            [[policy]]
            region = "local"
            product = "host"
            metric = "load"
            instance = "1m"
            comparison = ">="
            threshold = 8.0
            periods = 3
            level = "critical"
            channels = ["log", "webhook"]
            shield = { type = "loop", from = 0, to = 3600 }
            "#,
        );
        assert_eq!(file.unwrap().policy[0].periods.get(), 3);
    }

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_line() {
        let error = parsed("qps = 1.0\nspeed = 2").unwrap_err().to_string();
        assert!(
            error.contains("line 2") && error.contains("speed"),
            "{error}"
        );
        let error = GivenOptions::from_file(Path::new("/nowhere.toml"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere.toml"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let settle = |options: GivenOptions| options.settle().unwrap_err().to_string();
        for policies in [0, 7_000_001] {
            let error = settle(GivenOptions {
                policies: Some(policies),
                ..GivenOptions::default()
            });
            assert!(error.contains("from 1 to 7000000"), "{error}");
        }
        let error = settle(GivenOptions {
            webhook: Some("ftp://x".into()),
            ..GivenOptions::default()
        });
        assert!(error.contains("ftp://x"), "{error}");
        let error = settle(GivenOptions {
            workers: Some(0),
            ..GivenOptions::default()
        });
        assert!(error.contains("workers"), "{error}");
    }
}
