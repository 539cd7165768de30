//! The README keeps what it promises.

use std::path::Path;

use clap::Parser;
use rpc_demo::cli::Cli;
use rpc_demo::config::GivenOptions;

#[test]
fn the_readme_names_files_that_are_there_and_commands_that_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = include_str!("../../README.md");
    let quoted = |line: &'static str| line.split('`').skip(1).step_by(2);
    let (mut files, mut commands) = (0, 0);
    for line in readme.lines().filter(|line| line.starts_with('|')) {
        let mut beside = folder.to_owned();
        for words in quoted(line) {
            if words.starts_with("src/") || words.starts_with("../") || words.ends_with(".rs") {
                // A name alone is beside the file before it.
                let at = if words.contains('/') { folder } else { &beside };
                let path = at.join(words);
                assert!(path.exists(), "{words}, in {line}");
                beside = path.parent().unwrap().to_owned();
                files += 1;
            } else if let Some(args) = words.strip_prefix("cargo run --release -p rpc-demo") {
                if let Some(example) = args.strip_prefix(" --example ") {
                    let name = example.split(' ').next().unwrap();
                    let path = folder.join("examples").join(name).with_extension("rs");
                    assert!(path.exists(), "{words}, in {line}");
                    commands += 1;
                    continue;
                }
                let args = args.trim_start_matches(" --").split('\'').enumerate();
                // Every other part is in quotes.
                let args = args.flat_map(|(nth, part)| match nth % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![part],
                });
                let parsed = Cli::try_parse_from(std::iter::once("rpc-demo").chain(args));
                assert!(parsed.is_ok(), "{words}: {parsed:?}");
                commands += 1;
            }
        }
    }
    assert_eq!(unfound(folder, readme), Vec::<String>::new());
    for example in std::fs::read_dir(folder.join("examples")).unwrap() {
        let path = example.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("--example {name}`")), "{name}");
    }
    // It has been read at all.
    assert!(
        files > 20 && commands > 5,
        "{files} files, {commands} commands"
    );
}

/// Names in the tables, such as `Context::cancelled`, that are in none of the files beside
/// them.
fn unfound(folder: &Path, readme: &'static str) -> Vec<String> {
    let mut unfound = Vec::new();
    let rows = readme.lines().filter(|line| line.starts_with('|'));
    for cell in rows.filter_map(|line| line.split('|').nth(2)) {
        let (mut texts, mut names, mut beside) = (String::new(), Vec::new(), folder.to_owned());
        for words in cell.split('`').skip(1).step_by(2) {
            let is_of_name = |c: char| c.is_alphanumeric() || "_:".contains(c);
            if words.contains('/') && !words.starts_with('/') && !words.contains(' ') {
                beside = folder.join(words);
                read_all(&beside, &mut texts);
                beside.pop();
            } else if words.ends_with(".rs") {
                read_all(&beside.join(words), &mut texts);
            } else if words.chars().all(is_of_name) {
                names.extend(words.rsplit(':').next());
            }
        }
        if texts.is_empty() {
            continue;
        }
        let missing = names.into_iter().filter(|name| !texts.contains(name));
        unfound.extend(missing.map(|name| format!("{name}, in {cell}")));
    }
    unfound
}

/// A file, or all that is in a folder.
fn read_all(path: &Path, into: &mut String) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            read_all(&entry.unwrap().path(), into);
        }
    } else if let Ok(text) = std::fs::read_to_string(path) {
        *into += &text;
    }
}

#[test]
fn the_config_file_of_the_readme_is_one() {
    let readme = include_str!("../../README.md");
    let parts = readme.split("```toml\n").skip(1);
    let text: String = parts
        .map(|part| part.split("```").next().unwrap())
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    let (options, _) = GivenOptions::from_file(file.path()).unwrap();
    let settings = options.settle().unwrap();
    assert_eq!((settings.qps, settings.log.len()), (500.0, 3));
    assert_eq!(settings.written_policies.len(), 1);
}
