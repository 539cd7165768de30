//! On what was measured, and with which versions.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde::Deserialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The crates that take part, by their names in the lock file.
const PEERS: [&str; 15] = [
    "async-channel",
    "bytes",
    "crossbeam",
    "futures",
    "lockfree-object-pool",
    "object-pool",
    "opool",
    "rayon",
    "regex-automata",
    "rusty_pool",
    "tarpc",
    "threadpool",
    "tokio",
    "tokio-util",
    "tonic",
];
/// The Go modules that take part.
const MODULES: [&str; 3] = ["ants/v2", "x/sync", "trpc-go/trpc-go"];

/// What a reader has to know to make something of the figures.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The day.
    pub date: String,
    /// The processor, how many there are, the memory, the system.
    pub hardware: String,
    /// The compilers.
    pub compilers: String,
    /// The others, each with its version.
    pub peers: String,
}

impl Machine {
    /// This one, today. `go` is what `go version` says.
    #[must_use]
    pub fn this(go: Option<&str>) -> Self {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut peers: Vec<String> = locked(include_str!("../../Cargo.lock"));
        if go.is_some() {
            peers.extend(required(include_str!("../go/go.mod")));
        }
        let compilers = [rustc(), go.map(str::to_owned)];
        Self {
            date: now.split('T').next().unwrap_or_default().to_owned(),
            hardware: hardware(),
            compilers: compilers
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; "),
            peers: peers.join(", "),
        }
    }
}

fn hardware() -> String {
    let what = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what);
    let cpus = system.cpus();
    let processor = cpus
        .first()
        .map_or("an unknown processor", |cpu| cpu.brand().trim());
    let gib = system.total_memory() as f64 / f64::from(1 << 30);
    let kernel = System::kernel_long_version();
    format!("{} x {processor}, {gib:.0} GiB, {kernel}", cpus.len())
}

fn rustc() -> Option<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("rustc")
        .arg("--version")
        .current_dir(here)
        .output();
    let version = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(version.trim().to_owned())
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

fn locked(lock: &str) -> Vec<String> {
    let lock: Lock = toml::from_str(lock).expect("cargo wrote it");
    let packages = lock.package.into_iter();
    let versions: BTreeMap<_, _> = packages
        .map(|package| (package.name, package.version))
        .collect();
    let version = |name: &&str| Some(format!("{name} {}", versions.get(*name)?));
    PEERS.iter().filter_map(version).collect()
}

fn required(module: &str) -> Vec<String> {
    let version = |line: &str| {
        let (path, version) = line.trim().split_once(" v")?;
        MODULES
            .iter()
            .any(|name| path.ends_with(name))
            .then(|| format!("{path} {version}"))
    };
    module.lines().filter_map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_a_version() {
        let machine = Machine::this(Some("go version go1"));
        let named = PEERS.iter().chain(&MODULES);
        for name in named {
            assert!(machine.peers.contains(name), "{name}: {}", machine.peers);
        }
        assert!(
            machine.compilers.starts_with("rustc 1."),
            "{}",
            machine.compilers
        );
        assert!(machine.compilers.ends_with("go version go1"));
        assert_eq!(machine.date.len(), "2026-01-01".len());
    }
}
