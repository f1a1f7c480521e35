//! Which traces are exported (OpenTelemetry specification, "Built-in samplers").

use std::str::FromStr;

use super::{SpanContext, TraceId};

/// Decides once for a whole trace, by its id: so that no trace has holes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether the parent's decision holds, also that of a client.
    parent_based: bool,
    /// The share of traces, as a number of ids of 63 bits.
    threshold: u64,
}

/// The ids of 63 bits.
const ALL: u64 = 1 << 63;

impl Default for Sampler {
    /// `parentbased_always_on`, as the specification has it.
    fn default() -> Self {
        Self { parent_based: true, threshold: ALL }
    }
}

/// A sampler that isn't known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no sampler `{}`; those are: {}", .0, NAMES.join(", "))]
pub struct UnknownSampler(String);

const NAMES: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

impl FromStr for Sampler {
    type Err = UnknownSampler;

    /// One of the names that the specification gives for `OTEL_TRACES_SAMPLER`. A ratio is 1 until [`Self::with_ratio`].
    fn from_str(name: &str) -> Result<Self, UnknownSampler> {
        let (parent_based, root) = name.strip_prefix("parentbased_").map_or((false, name), |root| (true, root));
        let threshold = match root {
            "always_on" | "traceidratio" => ALL,
            "always_off" => 0,
            _ => return Err(UnknownSampler(name.to_owned())),
        };
        Ok(Self { parent_based, threshold })
    }
}

impl Sampler {
    /// Exports nothing.
    pub const NEVER: Self = Self { parent_based: false, threshold: 0 };

    /// Whether a name is that of a sampler with a ratio.
    pub fn takes_ratio(name: &str) -> bool {
        name.ends_with("traceidratio")
    }

    /// With this share of the traces, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the product is from 0 to 2^63")]
    pub fn with_ratio(self, ratio: f64) -> Self {
        Self { threshold: (ratio.clamp(0.0, 1.0) * ALL as f64) as u64, ..self }
    }

    pub fn samples(self, parent: Option<SpanContext>, trace: TraceId) -> bool {
        match parent {
            Some(parent) if self.parent_based => parent.sampled,
            _ => trace.low() >> 1 < self.threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::ConstantRandom, trace::SpanId};

    #[test]
    fn a_name_says_whose_decision_holds() {
        let low = TraceId::random(&ConstantRandom(0x10));
        let high = TraceId::random(&ConstantRandom(0xf0));
        let parent = |sampled| SpanContext { trace: low, span: SpanId::random(&ConstantRandom(1)), sampled };
        let (asked, not_asked) = (Some(parent(true)), Some(parent(false)));
        for (name, root_low, root_high, below_asked, below_not_asked) in [
            ("always_on", true, true, true, true),
            ("always_off", false, false, false, false),
            ("traceidratio", true, false, true, true),
            ("parentbased_always_on", true, true, true, false),
            ("parentbased_always_off", false, false, true, false),
            ("parentbased_traceidratio", true, false, true, false),
        ] {
            assert!(NAMES.contains(&name));
            let mut sampler: Sampler = name.parse().unwrap();
            if Sampler::takes_ratio(name) {
                sampler = sampler.with_ratio(0.5);
            }
            let found = [(None, low), (None, high), (asked, low), (not_asked, low)];
            let found = found.map(|(parent, trace)| sampler.samples(parent, trace));
            assert_eq!(found, [root_low, root_high, below_asked, below_not_asked], "{name}");
        }
        assert_eq!("parentbased_always_on".parse(), Ok(Sampler::default()));
        assert!("sometimes".parse::<Sampler>().unwrap_err().to_string().contains("parentbased_traceidratio"));
    }

    #[test]
    fn a_ratio_of_one_takes_every_trace_and_of_zero_none() {
        let last = TraceId::random(&ConstantRandom(0xff));
        let first = TraceId::random(&ConstantRandom(0));
        assert!(Sampler::default().with_ratio(1.0).samples(None, last));
        assert!(!Sampler::default().with_ratio(0.0).samples(None, first));
    }
}
