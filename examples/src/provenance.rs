//! Where each value of the configuration comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde::de::IgnoredAny;
use toml::Spanned;

/// What has said a value. What is further down goes before what is further up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody.
    #[default]
    Default,
    /// The config file.
    File {
        /// Which.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Who has said what, by the keys of the config file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance(BTreeMap<String, Source>);

impl Provenance {
    /// What the command line and the environment say.
    pub(crate) fn said(command: &Command, matches: &ArgMatches) -> Self {
        let said = command.get_arguments().filter_map(|option| {
            let name = option.get_long()?;
            let source = match matches.value_source(option.get_id().as_str())? {
                ValueSource::CommandLine => Source::Flag(format!("--{name}")),
                ValueSource::EnvVariable => {
                    Source::Environment(option.get_env()?.to_string_lossy().into_owned())
                }
                _ => return None,
            };
            // Both are of the one list of logs.
            let key = if name == "log-format" { "log" } else { name };
            Some((key.to_owned(), source))
        });
        Self(said.collect())
    }

    /// What the file says, which is right.
    pub(crate) fn file(path: &Path, text: &str) -> Self {
        let keys: BTreeMap<Spanned<String>, IgnoredAny> = toml::from_str(text).unwrap_or_default();
        let said = keys.into_keys().map(|key| {
            let source = Source::File {
                path: path.to_owned(),
                line: line(text, key.span().start),
            };
            (key.into_inner(), source)
        });
        Self(said.collect())
    }

    /// This, and what `other` says where this says nothing.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (key, source) in other.0 {
            self.0.entry(key).or_insert(source);
        }
        self
    }

    /// What has said the value of this key.
    #[must_use]
    pub fn of(&self, key: &str) -> &Source {
        self.0.get(key).unwrap_or(&Source::Default)
    }

    /// Writes behind each key of `toml` what has said its value, as a comment.
    #[must_use]
    pub fn annotate(&self, toml: &str) -> String {
        let mut annotated = String::new();
        // A table has keys of its own, which are said with it.
        let mut in_table = false;
        // What ends the text of several lines that this one is in.
        let mut text_end = None;
        let mut key = None;
        for line in toml.lines() {
            if let Some(end) = text_end {
                text_end = text_end.filter(|_| !line.contains(end));
            } else {
                key = key_of(line, &mut in_table);
                text_end = TEXTS.into_iter().find(|quotes| line.ends_with(quotes));
            }
            match key {
                // Within a text it would be a part of that.
                Some(key) if text_end.is_none() => {
                    annotated += &format!("{line:<40} # {}\n", self.of(key));
                }
                _ => annotated += &format!("{line}\n"),
            }
        }
        annotated
    }
}

/// What a text of several lines begins and ends with; as `toml` writes it, the first of these
/// lines has none of the text.
const TEXTS: [&str; 2] = ["\"\"\"", "'''"];

/// The key, or the table, that a line begins, unless it is a table's own.
fn key_of<'a>(line: &'a str, in_table: &mut bool) -> Option<&'a str> {
    let table = line
        .strip_prefix('[')
        .and_then(|line| line.strip_suffix(']'));
    let table = table.map(|table| table.trim_start_matches('[').trim_end_matches(']'));
    *in_table |= table.is_some();
    match line.split_once(" = ") {
        Some((key, _)) if !*in_table => Some(key),
        _ => table,
    }
}

/// The line that a byte of `text` is in, counted from 1.
pub(crate) fn line(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_file_are_found_with_their_lines() {
        let text = "# a comment\nqps = 5.0\n\n\"seed\" = 1\n[[log]]\nto = \"memory\"\n[[log]]\n";
        let file = Provenance::file(Path::new("demo.toml"), text);
        for (key, said) in [
            ("qps", "demo.toml, line 2"),
            ("seed", "demo.toml, line 4"),
            ("log", "demo.toml, line 5"),
            ("to", "default"),
        ] {
            assert_eq!(file.of(key).to_string(), said);
        }
        let flag = Source::Flag("--qps".to_owned());
        let both = Provenance([("qps".to_owned(), flag.clone())].into()).or(file);
        assert_eq!(both.of("qps"), &flag);
        let annotated = both.annotate("qps = 6.0\npeak = 7.0\n\n[[log]]\nto = \"qps = 1\"\n");
        let comments: Vec<_> = annotated
            .lines()
            .map(|line| line.split_once(" # ").map_or("", |(_, comment)| comment))
            .collect();
        assert_eq!(
            comments,
            ["flag --qps", "default", "", "demo.toml, line 5", ""]
        );
        let read: toml::Table = toml::from_str(&annotated).unwrap();
        assert_eq!(read["qps"].as_float(), Some(6.0));
    }

    #[test]
    fn a_text_of_several_lines_is_left_as_it_is() {
        for path in [
            "/tmp/a\nqps = 3",
            "/tmp/a\n\n\"\"\"\nqps = 3",
            "/tmp/a\n'''\nqps = 3\n",
            "/tmp/\"a\"\\\n[b]",
            "a\"\"\"",
            "a'''",
            "\n",
        ] {
            let table = BTreeMap::from([("alarm-log", path), ("seed", "4")]);
            let logs = [BTreeMap::from([("path", path), ("to", "file")])];
            let said = toml::to_string(&table).unwrap();
            let said = said + &toml::to_string(&BTreeMap::from([("log", logs)])).unwrap();
            let flag = Source::Flag("--alarm-log".to_owned());
            let from = Provenance([("alarm-log".to_owned(), flag)].into());
            let annotated = from.annotate(&said);
            let read: toml::Table = toml::from_str(&annotated).unwrap();
            assert_eq!(read, toml::from_str(&said).unwrap(), "{annotated}");
            assert!(annotated.contains(" # flag --alarm-log\n"), "{annotated}");
            assert_eq!(annotated.matches(" # default\n").count(), 2, "{annotated}");
        }
    }
}
