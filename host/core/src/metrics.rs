//! What a host measures. Any part of it records here, through the facade `metrics`; the composition root chooses where it
//! goes. The names are in [`names`].
//!
//! Prometheus reads one recorder, and OpenTelemetry is sent another one where an operator wants that.
//!
//! The recorder belongs to a host and not to the process, because tests run several hosts in one process.

pub mod gen_ai;
pub mod names;

use std::{fmt, sync::Arc, time::Duration};

use metrics::{Key, Label, Level, Metadata, NoopRecorder, Recorder, SharedString};

/// A kind of event that is counted by the values of its labels.
#[derive(Debug)]
pub struct Counter<const LABELS: usize = 0> {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: [&'static str; LABELS],
}

/// A number that goes up and down.
#[derive(Debug)]
pub struct Gauge<const LABELS: usize = 0> {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: [&'static str; LABELS],
}

/// Numbers, counted by the bounds below which they are.
#[derive(Debug)]
pub struct Histogram<const LABELS: usize = 0> {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: [&'static str; LABELS],
    pub buckets: &'static [f64],
}

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A metric as exporters and the handbook name it.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    pub kind: Kind,
}

impl<const LABELS: usize> Counter<LABELS> {
    pub const fn describe(&'static self) -> Description {
        Description { name: self.name, help: self.help, labels: &self.labels, kind: Kind::Counter }
    }
}

impl<const LABELS: usize> Gauge<LABELS> {
    pub const fn describe(&'static self) -> Description {
        Description { name: self.name, help: self.help, labels: &self.labels, kind: Kind::Gauge }
    }
}

impl<const LABELS: usize> Histogram<LABELS> {
    pub const fn describe(&'static self) -> Description {
        Description { name: self.name, help: self.help, labels: &self.labels, kind: Kind::Histogram(self.buckets) }
    }
}

/// Records what happens in one host. It is cheap to clone. Without a recorder, it records nothing.
///
/// Values of labels are one of few, because each combination is kept: never a path, a name or an id that somebody sends.
#[derive(Clone)]
pub struct Metrics {
    recorder: SharedRecorder,
    open_telemetry: Option<SharedRecorder>,
}

type SharedRecorder = Arc<dyn Recorder + Send + Sync>;

impl Default for Metrics {
    fn default() -> Self {
        Self { recorder: Arc::new(NoopRecorder), open_telemetry: None }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

const METADATA: Metadata<'static> = Metadata::new("resly", Level::INFO, None);

impl Metrics {
    /// Records to `recorder`, which learns every metric of [`names::all`].
    pub fn new(recorder: SharedRecorder) -> Self {
        for Description { name, help, kind, .. } in names::all() {
            match kind {
                Kind::Counter => recorder.describe_counter(name.into(), None, help.into()),
                Kind::Gauge => recorder.describe_gauge(name.into(), None, help.into()),
                Kind::Histogram(_) => recorder.describe_histogram(name.into(), None, help.into()),
            }
        }
        Self { recorder, open_telemetry: None }
    }

    /// Records everything to this recorder, too.
    #[must_use]
    pub fn with_open_telemetry(self, recorder: SharedRecorder) -> Self {
        Self { open_telemetry: Some(recorder), ..self }
    }

    /// Records what only OpenTelemetry has. `None` when nothing is exported there.
    pub fn open_telemetry(&self) -> Option<Self> {
        let recorder = self.open_telemetry.clone()?;
        Some(Self { recorder, open_telemetry: None })
    }

    fn recorders(&self) -> impl Iterator<Item = &SharedRecorder> {
        std::iter::once(&self.recorder).chain(&self.open_telemetry)
    }

    /// Counts one event.
    pub fn count<const LABELS: usize>(&self, counter: &Counter<LABELS>, values: [SharedString; LABELS]) {
        self.add(counter, values, 1);
    }

    /// Counts `amount` events.
    pub fn add<const LABELS: usize>(&self, counter: &Counter<LABELS>, values: [SharedString; LABELS], amount: u64) {
        let key = key(counter.name, &counter.labels, values);
        self.recorders().for_each(|recorder| recorder.register_counter(&key, &METADATA).increment(amount));
    }

    /// Sets a counter that another part of the host keeps. One that is lower than before changes nothing.
    pub fn set_count<const LABELS: usize>(
        &self,
        counter: &Counter<LABELS>,
        values: [SharedString; LABELS],
        total: u64,
    ) {
        let key = key(counter.name, &counter.labels, values);
        self.recorders().for_each(|recorder| recorder.register_counter(&key, &METADATA).absolute(total));
    }

    pub fn set<const LABELS: usize>(&self, gauge: &Gauge<LABELS>, values: [SharedString; LABELS], value: f64) {
        let key = key(gauge.name, &gauge.labels, values);
        self.recorders().for_each(|recorder| recorder.register_gauge(&key, &METADATA).set(value));
    }

    /// Records a number.
    pub fn record<const LABELS: usize>(
        &self,
        histogram: &Histogram<LABELS>,
        values: [SharedString; LABELS],
        value: f64,
    ) {
        let key = key(histogram.name, &histogram.labels, values);
        self.recorders().for_each(|recorder| recorder.register_histogram(&key, &METADATA).record(value));
    }

    /// Records how long something took, in seconds.
    pub fn time<const LABELS: usize>(
        &self,
        histogram: &Histogram<LABELS>,
        values: [SharedString; LABELS],
        took: Duration,
    ) {
        self.record(histogram, values, took.as_secs_f64());
    }
}

fn key<const LABELS: usize>(
    name: &'static str,
    labels: &[&'static str; LABELS],
    values: [SharedString; LABELS],
) -> Key {
    let labels: Vec<Label> = labels.iter().zip(values).map(|(label, value)| Label::new(*label, value)).collect();
    Key::from_parts(name, labels)
}
