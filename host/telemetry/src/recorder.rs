//! Keeps what the host measures as running totals, to be read at each export.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resly_core::{
    metrics::{Description, Kind, gen_ai, names},
    time::Timestamp,
};

/// A recorder of the facade `metrics`.
pub struct MetricRecorder {
    started: Timestamp,
    descriptions: HashMap<&'static str, Description>,
    counters: Series<AtomicU64>,
    /// The bits of the numbers.
    gauges: Series<AtomicU64>,
    histograms: Series<Buckets>,
}

/// One series at the moment of an export.
pub struct Sample {
    pub description: Description,
    pub key: Key,
    pub value: SampleValue,
}

pub enum SampleValue {
    Count(u64),
    Gauge(f64),
    Histogram { bounds: &'static [f64], counts: Vec<u64>, sum: f64 },
}

/// The series of one kind.
struct Series<T>(RwLock<HashMap<Key, Arc<T>>>);

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> Series<T> {
    fn get(&self, key: &Key, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Arc::clone(found);
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(key.clone()).or_insert_with(|| Arc::new(make())))
    }

    fn all(&self) -> Vec<(Key, Arc<T>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(key, series)| (key.clone(), Arc::clone(series))).collect()
    }
}

/// The counts of a histogram. The last bucket has no bound.
struct Buckets {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    /// The bits of the sum.
    sum: AtomicU64,
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0.0_f64.to_bits()) }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        // A bound belongs to the bucket below it.
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let add = |sum: u64| Some((f64::from_bits(sum) + value).to_bits());
        // It never fails, because `add` always gives a sum.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl MetricRecorder {
    /// `now` is when the totals begin.
    pub fn new(now: Timestamp) -> Self {
        let all = names::all().into_iter().chain(gen_ai::all());
        Self {
            started: now,
            descriptions: all.map(|description| (description.name, description)).collect(),
            counters: Series::default(),
            gauges: Series::default(),
            histograms: Series::default(),
        }
    }

    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Every series, those of a metric together.
    pub fn snapshot(&self) -> Vec<Sample> {
        let count = |count: &AtomicU64| SampleValue::Count(count.load(Ordering::Relaxed));
        let gauge = |bits: &AtomicU64| SampleValue::Gauge(f64::from_bits(bits.load(Ordering::Relaxed)));
        let histogram = |buckets: &Buckets| SampleValue::Histogram {
            bounds: buckets.bounds,
            counts: buckets.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: f64::from_bits(buckets.sum.load(Ordering::Relaxed)),
        };
        let counters = self.counters.all().into_iter().map(|(key, series)| (key, count(&series)));
        let gauges = self.gauges.all().into_iter().map(|(key, series)| (key, gauge(&series)));
        let histograms = self.histograms.all().into_iter().map(|(key, series)| (key, histogram(&series)));
        let all = counters.chain(gauges).chain(histograms);
        let mut samples: Vec<Sample> = all
            .filter_map(|(key, value)| {
                let description = *self.descriptions.get(key.name())?;
                Some(Sample { description, key, value })
            })
            .collect();
        samples.sort_by(|a, b| (a.description.name, &a.key).cmp(&(b.description.name, &b.key)));
        samples
    }

    fn bounds(&self, name: &str) -> &'static [f64] {
        match self.descriptions.get(name).map(|description| description.kind) {
            Some(Kind::Histogram(bounds)) => bounds,
            _ => &[],
        }
    }
}

impl Recorder for MetricRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.counters.get(key, AtomicU64::default))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.gauges.get(key, || AtomicU64::new(0.0_f64.to_bits())))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.histograms.get(key, || Buckets::new(self.bounds(key.name()))))
    }
}
