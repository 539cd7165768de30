//! Where log lines go: as usual, and as the command line says of the console.

use super::given::GivenOptions;
use crate::logging::{Filter, LogFormat, SinkKind, SinkSpec};

/// On the console what is wrong, in memory also what happens.
pub(super) fn usual() -> Vec<SinkSpec> {
    let [warn, info] = ["warn", "info"].map(|level| Filter::new(level).expect("a level"));
    vec![
        SinkSpec::new(SinkKind::Console, warn, LogFormat::Text),
        SinkSpec::new(SinkKind::Memory, info, LogFormat::Json),
    ]
}

impl GivenOptions {
    /// Has the console log with this filter and in this format, which the command line
    /// or the environment says, whatever the config file says of the console.
    pub fn log_to_console(&mut self, filter: Option<Filter>, format: Option<LogFormat>) {
        if filter.is_none() && format.is_none() {
            return;
        }
        if self.log.is_empty() {
            self.log = usual();
        }
        let is_console = |sink: &&mut SinkSpec| sink.to == SinkKind::Console;
        if let Some(console) = self.log.iter_mut().find(is_console) {
            console.level = filter.unwrap_or_else(|| console.level.clone());
            console.format = format.unwrap_or(console.format);
        } else {
            let format = format.unwrap_or_default();
            let console = SinkSpec::new(SinkKind::Console, filter.unwrap_or_default(), format);
            self.log.push(console);
        }
    }
}
