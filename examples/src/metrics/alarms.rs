//! What became of the alarms.

use super::page::Page;
use crate::stack::StackFigures;

impl Page {
    /// From the points that are checked to what each channel has delivered.
    pub(super) fn alarms(&mut self, figures: &StackFigures) {
        let notify = &figures.notify;
        for (name, help, count) in [
            ("points_checked_total", "Points checked", figures.points),
            ("alarms_raised_total", "Alarms raised", figures.raised),
            ("alarms_shielded_total", "Alarms kept back", notify.shielded),
            (
                "alarms_duplicate_total",
                "Alarms told before",
                notify.duplicates,
            ),
            (
                "alarms_stale_total",
                "Alarms of which a later state came before",
                notify.stale,
            ),
            (
                "alarms_untellable_total",
                "Alarms of a policy that is not there, or has no channel",
                notify.untellable,
            ),
            (
                "alarms_untold_total",
                "Alarms that all their channels gave up",
                notify.untold,
            ),
        ] {
            self.counters(name, help, [(Vec::new(), count)]);
        }
        self.counters(
            "alarms_told_total",
            "Alarms told, by product",
            notify
                .told
                .iter()
                .map(|(product, told)| (vec![("product", product.clone())], *told)),
        );
        self.gauges(
            "alarms_waiting",
            "Alarms that wait for Notify",
            [(Vec::new(), figures.waiting)],
        );
        for channel in &notify.channels {
            let labels = vec![("channel", channel.kind.to_string())];
            for (name, help, count) in [
                (
                    "notifications_delivered_total",
                    "Notifications delivered",
                    channel.delivered,
                ),
                (
                    "notifications_failed_total",
                    "Notifications given up",
                    channel.failed,
                ),
                (
                    "notifications_no_room_total",
                    "Notifications given up, for the queue of their channel was full",
                    channel.no_room,
                ),
            ] {
                self.counters(name, help, [(labels.clone(), count)]);
            }
            self.gauges(
                "notifications_waiting",
                "Notifications neither delivered nor given up",
                [(labels, channel.open)],
            );
        }
    }
}
