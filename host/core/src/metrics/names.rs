//! Every metric of a host, by the conventions of Prometheus: base units, and `_total` at the end of counters.

use super::{Counter, Description, Gauge, Histogram};

/// Seconds of what the host does itself.
const QUICK: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];
/// Seconds of what others do: models, services, and answers that wait for them.
const SLOW: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// Tokens, as OpenTelemetry's conventions for generative AI have them for `gen_ai.client.token.usage`.
const TOKENS: &[f64] = &[1.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0];
/// Operations in one commit.
const GROUP: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Makes the metrics, and [`all`] of them in this order.
macro_rules! names {
    ($($(#[doc = $doc:literal])* $constant:ident: $kind:ident = $name:literal [$($label:literal),*] $help:literal $(, $buckets:ident)?;)+) => {
        $(
            $(#[doc = $doc])*
            pub static $constant: $kind<{ <[&str]>::len(&[$($label),*]) }> =
                $kind { name: $name, help: $help, labels: [$($label),*] $(, buckets: $buckets)? };
        )+

        /// All metrics, in the order in which they are written here.
        pub fn all() -> Vec<Description> {
            vec![$($constant.describe()),+]
        }
    };
}

names! {
    REQUEST_DURATION: Histogram = "resly_request_duration_seconds" ["route", "method", "status"]
        "Time until the response's head.", QUICK;
    PROBLEMS: Counter = "resly_problems_total" ["problem"]
        "Requests that were refused or failed, by the problem that was answered.";
    SHED: Counter = "resly_shed_total" ["reason"]
        "Chats and searches that were refused because the host was overloaded.";

    TURNS: Counter = "resly_turns_total" ["outcome"]
        "Turns that ended: complete, cancelled, or the problem with which they failed.";
    TURNS_RUNNING: Gauge = "resly_turns_running" [] "Answers being written.";
    TURN_FIRST_TEXT: Histogram = "resly_turn_first_text_seconds" []
        "Time from the acceptance of a question to the first text of its answer.", SLOW;
    TURN_DURATION: Histogram = "resly_turn_duration_seconds" []
        "Time from the acceptance of a question to the end of its answer.", SLOW;
    RETRIEVAL_DURATION: Histogram = "resly_retrieval_duration_seconds" []
        "Time to find the passages for a question.", QUICK;

    MODEL_REQUEST_DURATION: Histogram = "resly_model_request_duration_seconds" ["result"]
        "Time of a request to the language model, to the end of its stream: ok, or the kind of error.", SLOW;
    MODEL_ERRORS: Counter = "resly_model_errors_total" ["kind"] "Errors of the language model, after retries.";
    MODEL_TOKENS: Histogram = "resly_model_request_tokens" ["type"]
        "Tokens of a request to the language model that the model reported: input or output.", TOKENS;

    CONNECTOR_CALLS: Counter = "resly_connector_calls_total" ["connector", "caller"]
        "Connector calls, with those that were refused or answered from the cache.";
    CONNECTOR_FAULTS: Counter = "resly_connector_faults_total" ["connector", "kind"] "Connector calls that failed.";
    CONNECTOR_CALL_DURATION: Histogram = "resly_connector_call_duration_seconds" ["connector"]
        "Time of a connector call.", SLOW;
    CONNECTOR_FUEL: Counter = "resly_connector_fuel_total" ["connector"] "Fuel that connector calls burnt.";
    SANDBOX_RUNNING: Gauge = "resly_sandbox_running" [] "Connector instances.";
    SANDBOX_MAPPING: Gauge = "resly_sandbox_mapping" [] "Mapper instances.";
    SANDBOX_QUEUED: Gauge = "resly_sandbox_queued" [] "Calls that wait for an instance.";
    SANDBOX_COMPILING: Gauge = "resly_sandbox_compiling" [] "Components being compiled.";
    SANDBOX_COMPILE_QUEUE: Gauge = "resly_sandbox_compile_queue" [] "Components that wait to be compiled.";
    SANDBOX_CODE: Gauge = "resly_sandbox_code_bytes" [] "Compiled code in memory.";

    WEBHOOK_ATTEMPTS: Counter = "resly_webhook_attempts_total" ["result"]
        "Attempts to deliver a webhook's message.";
    MAIL_ATTEMPTS: Counter = "resly_mail_attempts_total" ["result"] "Attempts to send a mail.";
    JOB_RUNS: Counter = "resly_job_runs_total" ["job", "result"] "Runs of the host's own jobs: ok or failed.";
    JOB_LAST_SUCCESS: Gauge = "resly_job_last_success_timestamp_seconds" ["job"]
        "When a job last ended well, in seconds since 1970.";

    DATABASE_OPEN: Gauge = "resly_database_connections_open" [] "Open connections to the database.";
    DATABASE_USED: Gauge = "resly_database_connections_used" [] "Connections to the database in use.";
    WRITER_QUEUE: Gauge = "resly_store_writer_queue" [] "Writes that wait for SQLite's writer.";
    COMMIT_DURATION: Histogram = "resly_store_commit_duration_seconds" []
        "Time of a commit of SQLite's writer, with the operations in it.", QUICK;
    COMMIT_OPERATIONS: Histogram = "resly_store_commit_operations" [] "Operations in a commit of SQLite's writer.", GROUP;

    CONNECTIONS_OPEN: Gauge = "resly_connections_open" [] "Open connections.";
    CONNECTIONS_BEYOND: Counter = "resly_connections_beyond_total" [] "Connections beyond the limits.";
    BODY: Gauge = "resly_body_bytes" [] "Memory taken by request bodies.";
    DATA_FREE: Gauge = "resly_data_free_bytes" [] "Free bytes on the disk of the data folder.";
    SPANS_DROPPED: Counter = "resly_spans_dropped_total" ["reason"]
        "Spans that OpenTelemetry's collector doesn't have: full, failed or rejected.";
    BUILD: Gauge = "resly_build_info" ["version"] "The host's version.";
    RESIDENT: Gauge = "process_resident_memory_bytes" [] "Resident memory.";
    OPEN_FDS: Gauge = "process_open_fds" [] "Open file descriptors.";
    MAX_FDS: Gauge = "process_max_fds" [] "The most file descriptors that may be open.";
    START: Gauge = "process_start_time_seconds" [] "When the process started, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::Kind, *};

    #[test]
    fn names_are_unique_and_tell_their_kind() {
        let all = all();
        let names: BTreeSet<_> = all.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all.len());
        for Description { name, help, labels, kind } in all {
            assert!(name.starts_with("resly_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.'), "{name}: {help}");
            assert!(labels.iter().all(|label| label.bytes().all(|b| b.is_ascii_lowercase())), "{name}");
            if let Kind::Histogram(buckets) = kind {
                assert!(buckets.is_sorted() && buckets[0] > 0.0, "{name}");
            }
        }
    }
}
