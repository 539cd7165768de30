//! Live readings of this very machine.

use std::num::NonZeroU8;
use std::time::{SystemTime, UNIX_EPOCH};

use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, Networks, ProcessRefreshKind};
use sysinfo::{ProcessesToUpdate, RefreshKind, System};

use crate::alarm::message::Point;
use crate::alarm::policy::{ChannelKind, Comparison, Level, PolicySpec};
use crate::alarm::shield::Shield;

const REGION: &str = "local";
const PRODUCT: &str = "host";
/// How many of the processes that use the most CPU are reported.
const BUSIEST: usize = 5;

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Reads this machine's CPUs, memory, swap, disks, network interfaces, load
/// and processes.
#[derive(Debug)]
pub struct HostSampler {
    system: System,
    disks: Disks,
    networks: Networks,
}

impl Default for HostSampler {
    fn default() -> Self {
        Self::new()
    }
}

impl HostSampler {
    /// Takes a first reading, so that the next one has something to be held
    /// against. Blocks for some milliseconds.
    #[must_use]
    pub fn new() -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_cpu_usage())
            .with_memory(MemoryRefreshKind::everything());
        Self {
            system: System::new_with_specifics(what),
            disks: Disks::new_with_refreshed_list(),
            networks: Networks::new_with_refreshed_list(),
        }
    }

    /// The readings of now; rates are since the last reading. Blocks for
    /// some milliseconds.
    pub fn sample(&mut self) -> Vec<Point> {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().with_cpu().with_memory(),
        );
        self.disks.refresh(true);
        self.networks.refresh(true);
        let mut readings = Readings {
            time_ms: unix_ms(),
            points: Vec::new(),
        };
        self.cpus(&mut readings);
        self.memory(&mut readings);
        self.devices(&mut readings);
        self.processes(&mut readings);
        readings.points
    }

    fn cpus(&self, readings: &mut Readings) {
        readings.add("cpu_usage", "all", self.system.global_cpu_usage());
        for cpu in self.system.cpus() {
            readings.add("cpu_usage", cpu.name(), cpu.cpu_usage());
        }
        let load = System::load_average();
        readings.add("load", "1m", load.one);
        readings.add("load", "5m", load.five);
        readings.add("load", "15m", load.fifteen);
    }

    fn memory(&self, readings: &mut Readings) {
        let system = &self.system;
        readings.add(
            "mem_usage",
            "all",
            percent(system.used_memory(), system.total_memory()),
        );
        readings.add(
            "swap_usage",
            "all",
            percent(system.used_swap(), system.total_swap()),
        );
    }

    fn devices(&self, readings: &mut Readings) {
        for disk in &self.disks {
            let used = disk.total_space().saturating_sub(disk.available_space());
            let at = disk.mount_point().to_string_lossy();
            readings.add("disk_usage", &at, percent(used, disk.total_space()));
        }
        for (name, network) in &self.networks {
            readings.add("net_in", name, network.received() as f64);
            readings.add("net_out", name, network.transmitted() as f64);
            let errors = network.errors_on_received() + network.errors_on_transmitted();
            readings.add("net_errors", name, errors as f64);
        }
    }

    fn processes(&self, readings: &mut Readings) {
        let mut processes: Vec<_> = self.system.processes().values().collect();
        readings.add("processes", "all", processes.len() as f64);
        processes.sort_by(|a, b| b.cpu_usage().total_cmp(&a.cpu_usage()));
        for process in processes.into_iter().take(BUSIEST) {
            let name = format!("{}[{}]", process.name().to_string_lossy(), process.pid());
            readings.add("process_cpu", &name, process.cpu_usage());
            readings.add("process_mem", &name, process.memory() as f64);
        }
    }
}

/// What a careful person would watch on one machine.
#[must_use]
pub fn policies() -> Vec<PolicySpec> {
    let cpus = num_cpus::get() as f64;
    let watch =
        |metric: &str, instance: Option<&str>, threshold: f64, periods: u8, level| PolicySpec {
            region: REGION.into(),
            product: PRODUCT.into(),
            metric: metric.into(),
            instance: instance.map(Into::into),
            comparison: Comparison::AtLeast,
            threshold,
            periods: NonZeroU8::new(periods).unwrap_or(NonZeroU8::MIN),
            level,
            channels: vec![ChannelKind::Log, ChannelKind::Webhook, ChannelKind::Memory],
            shield: Shield::default(),
        };
    vec![
        watch("cpu_usage", None, 90.0, 3, Level::Warning),
        watch("cpu_usage", Some("all"), 98.0, 5, Level::Critical),
        watch("load", Some("1m"), 2.0 * cpus, 5, Level::Warning),
        watch("mem_usage", None, 90.0, 2, Level::Critical),
        watch("swap_usage", None, 50.0, 2, Level::Warning),
        watch("disk_usage", None, 95.0, 1, Level::Critical),
        watch("net_errors", None, 1.0, 1, Level::Info),
        watch("process_cpu", None, 95.0, 5, Level::Info),
    ]
}

struct Readings {
    time_ms: u64,
    points: Vec<Point>,
}

impl Readings {
    fn add(&mut self, metric: &str, instance: &str, value: impl Into<f64>) {
        self.points.push(Point {
            region: REGION.into(),
            product: PRODUCT.into(),
            metric: metric.into(),
            instance: instance.into(),
            value: value.into(),
            time_ms: self.time_ms,
        });
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::store::StoreBuilder;

    #[test]
    fn every_part_of_the_machine_is_read_and_what_can_fill_up_is_watched() {
        let points = HostSampler::new().sample();
        for metric in [
            "cpu_usage",
            "mem_usage",
            "swap_usage",
            "load",
            "net_in",
            "processes",
        ] {
            assert!(
                points.iter().any(|point| point.metric == metric),
                "no {metric}"
            );
        }
        let mut builder = StoreBuilder::default();
        policies().iter().for_each(|spec| builder.add(spec));
        let store = builder.finish();
        let memory = points
            .iter()
            .find(|point| point.metric == "mem_usage")
            .unwrap();
        assert!(memory.value > 0.0 && memory.value <= 100.0);
        assert_eq!(store.watching(memory).count(), 1);
    }
}
