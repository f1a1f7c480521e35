//! The host's metrics in Prometheus' text format (exposition format 0.0.4).
//!
//! Requests are counted here. Other parts count in [`Counters`], and gauges are read when somebody asks.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use resly_core::counters::{self, Counter, Counters};

/// Upper bounds of the latency buckets, in microseconds.
const BUCKETS: [u64; 10] = [500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

#[derive(PartialEq, Eq, Hash, Clone)]
struct Series {
    route: Arc<str>,
    method: &'static str,
    status: u16,
}

#[derive(Default)]
struct Latency {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// Requests by route, method and status, with the time until the response's head.
#[derive(Default)]
pub struct Metrics {
    requests: RwLock<HashMap<Series, Arc<Latency>>>,
}

/// A number that another part of the host keeps.
pub struct Gauge {
    pub name: &'static str,
    pub help: &'static str,
    pub value: u64,
}

impl Metrics {
    pub fn request(&self, route: &str, method: &http::Method, status: u16, took: Duration) {
        let series = Series { route: route.into(), method: method_name(method), status };
        let known = self.requests.read().unwrap_or_else(PoisonError::into_inner).get(&series).cloned();
        let latency = known.unwrap_or_else(|| {
            let mut requests = self.requests.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(requests.entry(series).or_default())
        });
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        latency.count.fetch_add(1, Relaxed);
        latency.sum_us.fetch_add(micros, Relaxed);
        if let Some(at) = BUCKETS.iter().position(|bound| micros <= *bound) {
            latency.buckets[at].fetch_add(1, Relaxed);
        }
    }

    pub fn text(&self, counters: &Counters, gauges: &[Gauge]) -> String {
        let mut text = String::with_capacity(4096);
        text.push_str("# HELP resly_request_duration_seconds Time until the response's head.\n");
        text.push_str("# TYPE resly_request_duration_seconds histogram\n");
        let requests = self.requests.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = requests.iter().collect();
        all.sort_by(|(a, _), (b, _)| (&a.route, a.method, a.status).cmp(&(&b.route, b.method, b.status)));
        for (Series { route, method, status }, latency) in all {
            let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
            let mut sum = 0;
            for (bound, bucket) in BUCKETS.iter().zip(&latency.buckets) {
                sum += bucket.load(Relaxed);
                let bound = seconds(*bound);
                let _ = writeln!(text, "resly_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {sum}");
            }
            let count = latency.count.load(Relaxed);
            let total = seconds(latency.sum_us.load(Relaxed));
            let _ = writeln!(text, "resly_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "resly_request_duration_seconds_sum{{{labels}}} {total}");
            let _ = writeln!(text, "resly_request_duration_seconds_count{{{labels}}} {count}");
        }
        for counter @ Counter { name, help, label } in counters::ALL {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
            for (value, count) in counters.of(counter) {
                let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
            }
        }
        for Gauge { name, help, value } in gauges {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        let version = env!("CARGO_PKG_VERSION");
        text.push_str("# HELP resly_build_info The host's version.\n# TYPE resly_build_info gauge\n");
        let _ = writeln!(text, "resly_build_info{{version=\"{version}\"}} 1");
        text
    }
}

/// Clients can send any method, so only known ones become labels.
fn method_name(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::POST => "POST",
        http::Method::PATCH => "PATCH",
        http::Method::PUT => "PUT",
        http::Method::DELETE => "DELETE",
        http::Method::OPTIONS => "OPTIONS",
        http::Method::HEAD => "HEAD",
        _ => "other",
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The resident memory of this process in bytes (Linux, proc(5), `VmRSS`). Zero when it can't be read.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let metrics = Metrics::default();
        for micros in [400, 900, 60_000_000] {
            metrics.request("/api/chat", &http::Method::POST, 200, Duration::from_micros(micros));
        }
        let counters = Counters::default();
        counters.count(&counters::TURNS, "complete");
        counters.count(&counters::TURNS, "complete");
        let text = metrics.text(&counters, &[Gauge { name: "resly_turns_running", help: "Turns.", value: 3 }]);
        assert!(
            text.contains("# TYPE resly_turns_total counter\nresly_turns_total{outcome=\"complete\"} 2\n"),
            "{text}"
        );
        let labels = "route=\"/api/chat\",method=\"POST\",status=\"200\"";
        assert!(text.contains(&format!("_bucket{{{labels},le=\"0.001000\"}} 2\n")), "{text}");
        assert!(text.contains(&format!("_bucket{{{labels},le=\"+Inf\"}} 3\n")));
        assert!(text.contains("# TYPE resly_turns_running gauge\nresly_turns_running 3\n"));
    }
}
