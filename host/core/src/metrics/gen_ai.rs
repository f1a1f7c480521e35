//! Metrics of generative AI, by OpenTelemetry's semantic conventions 1.41. They are recorded for OpenTelemetry alone, since
//! Prometheus has the same numbers under the host's own names.

use super::{Description, Histogram};

/// Buckets that the conventions advise.
const SECONDS: &[f64] = &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS: &[f64] = &[
    1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0,
    67108864.0,
];

pub static OPERATION_DURATION: Histogram<4> = Histogram {
    name: "gen_ai.client.operation.duration",
    help: "Time of a request to the language model, to the end of its stream.",
    labels: ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type"],
    buckets: SECONDS,
};

pub static TOKEN_USAGE: Histogram<4> = Histogram {
    name: "gen_ai.client.token.usage",
    help: "Tokens of a request to the language model that the model reported.",
    labels: ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.token.type"],
    buckets: TOKENS,
};

pub fn all() -> [Description; 2] {
    [OPERATION_DURATION.describe(), TOKEN_USAGE.describe()]
}
