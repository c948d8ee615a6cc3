//! Alarms: what is watched at a destination, and from which number on somebody is told.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::alert::Text;
use crate::id::{DestinationName, NotifierName};

/// What an alarm looks at, over a window of time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Metric {
    /// How many attempts began.
    Attempts,
    /// How many attempts failed.
    Failures,
    /// How many attempts began late: their deliveries were ready for a second or longer and waited
    /// until another there had ended.
    HeldBack,
    /// Milliseconds that loads took for every 1,000 rows, on average, without what they waited for
    /// their turn; a load of fewer rows counts as one of 1,000.
    Duration,
    /// Most that ran at a time; into a table, where loads take turns, all that ran.
    Running,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Attempts,
        Self::Failures,
        Self::HeldBack,
        Self::Duration,
        Self::Running,
    ];
    /// Nothing is counted further: from so many on the number says nothing more, and a look stays
    /// cheap.
    pub const COUNTED_MAX: u32 = 1_000;
    /// Who is ready for longer than this is late; what a pass takes to come round is shorter.
    pub const HELD_BACK_AFTER: Duration = Duration::from_secs(1);

    /// The word in the configuration and in alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Failures => "failures",
            Self::HeldBack => "held_back",
            Self::Duration => "duration",
            Self::Running => "running",
        }
    }

    /// From the configuration's word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == text)
    }

    fn said(self, value: u64) -> String {
        let more = if value >= u64::from(Self::COUNTED_MAX) && self != Self::Duration {
            " or more"
        } else {
            ""
        };
        match self {
            Self::Attempts => format!("{value}{more} attempts were made"),
            Self::Failures => format!("{value}{more} attempts failed"),
            Self::HeldBack => format!("{value}{more} deliveries had to wait for their turn"),
            Self::Duration => format!("1,000 rows took {value} ms on average"),
            Self::Running => {
                format!("{value}{more} deliveries ran at a time, or in turn into a table,")
            }
        }
    }
}

/// One alarm.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Alarm {
    /// What it looks at.
    pub metric: Metric,
    /// It fires from this value on.
    pub at_least: u64,
    /// How far it looks back.
    pub window: Duration,
}

/// The alarms of a destination.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Alarms {
    /// Which.
    pub rules: Vec<Alarm>,
    /// Who is told; those of the node if nobody is named.
    pub tell: Vec<NotifierName>,
}

impl Alarm {
    /// The five alarms of a function that loads files: attempts, failures, held back, duration a
    /// thousand rows, running.
    pub fn lambda() -> Vec<Self> {
        let alarm = |metric, at_least, seconds| Self {
            metric,
            at_least,
            window: Duration::from_secs(seconds),
        };
        vec![
            alarm(Metric::Attempts, 5, 900),
            alarm(Metric::Failures, 2, 900),
            alarm(Metric::HeldBack, 3, 600),
            alarm(Metric::Duration, 500, 900),
            alarm(Metric::Running, 3, 60),
        ]
    }

    /// The key of its alert.
    pub fn key(&self, destination: &DestinationName) -> String {
        let (metric, seconds) = (self.metric.as_str(), self.window.as_secs());
        format!(
            "{}{metric}:{}:{seconds}",
            key_begins(destination),
            self.at_least
        )
    }

    /// What is said when it fires.
    pub fn firing(&self, destination: &DestinationName, value: u64) -> Text {
        Text {
            subject: format!("ALARM: {} at {destination}", self.metric.as_str()),
            body: format!(
                "{} at destination {destination} in the last {} seconds; the alarm is set to {}.",
                self.metric.said(value),
                self.window.as_secs(),
                self.at_least
            ),
        }
    }

    /// What is said when it is over.
    pub fn over(&self, destination: &DestinationName, value: u64) -> Text {
        Text {
            subject: format!("OK: {} at {destination}", self.metric.as_str()),
            body: format!(
                "{} at destination {destination} in the last {} seconds, fewer than {} again.",
                self.metric.said(value),
                self.window.as_secs(),
                self.at_least
            ),
        }
    }
}

/// What the keys of all alarms begin with.
pub const KEY_BEGINS: &str = "alarm:";

fn key_begins(destination: &DestinationName) -> String {
    format!("{KEY_BEGINS}{destination}:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_read_back() {
        for metric in Metric::ALL {
            assert_eq!(Metric::parse(metric.as_str()), Some(metric));
        }
        assert_eq!(Metric::parse("other"), None);
    }

    #[test]
    fn texts_say_what_is_counted() {
        let products = DestinationName::parse("products").unwrap();
        let alarms = Alarm::lambda();
        let said = alarms[1].firing(&products, 1_000);
        assert_eq!(said.subject, "ALARM: failures at products");
        assert_eq!(
            said.body,
            "1000 or more attempts failed at destination products in the last 900 seconds; the alarm is \
             set to 2."
        );
        assert_eq!(alarms[3].key(&products), "alarm:products:duration:500:900");
        let over = alarms[3].over(&products, 100);
        assert_eq!(
            over.body,
            "1,000 rows took 100 ms on average at destination products in the last 900 seconds, fewer \
             than 500 again."
        );
    }
}
