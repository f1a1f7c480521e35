//! The log: written to standard error as text or as JSON. Panics go there, too.

use std::{fmt as text, panic, sync::OnceLock};

use resly_core::trace;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::config::LogFormat;

/// A filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the log setting `{filter}` can't be read: {detail}")]
pub struct LogError {
    filter: String,
    detail: String,
}

/// The format of the log that was started.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// The log's format. Before the log is started, it is the format that the environment names, because the same programs
/// read why a host doesn't start.
pub fn format() -> LogFormat {
    let of_environment = || match std::env::var("RESLY_LOG_FORMAT").as_deref().map(str::trim) {
        Ok("json") => LogFormat::Json,
        _ => LogFormat::Text,
    };
    FORMAT.get().copied().unwrap_or_else(of_environment)
}

/// Starts the log with this filter. `RUST_LOG` wins, as it does in other programs.
pub fn start(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let filter = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| filter.to_owned());
    let wrong = |detail: String| LogError { filter: filter.clone(), detail };
    let parsed = EnvFilter::try_new(&filter).map_err(|error| wrong(error.to_string()))?;
    let log = fmt::fmt().with_env_filter(parsed).with_writer(std::io::stderr).with_ansi(false);
    let started = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).map_event_format(WithTrace).try_init(),
    };
    started.map_err(|error| wrong(error.to_string()))?;
    let _ = FORMAT.set(format);
    panic::set_hook(Box::new(|panic| {
        let (place, message) = (place(panic), panic.payload_as_str().unwrap_or("no message"));
        tracing::error!(place, message, "a bug: a part of this host failed, and what it was at with it");
    }));
    Ok(())
}

/// Adds the ids of the trace in progress to a line of JSON, so that a trace leads to its lines and a line to its trace.
struct WithTrace<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> text::Result {
        let Some(current) = trace::current() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.trim_end().strip_suffix('}') {
            Some(open) => writeln!(writer, r#"{open},"trace_id":"{}","span_id":"{}"}}"#, current.trace, current.span),
            None => writer.write_str(&line),
        }
    }
}

/// Reports a panic in one line before the log is started, because the usual advice to set RUST_BACKTRACE doesn't help
/// an operator.
pub fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        use std::io::Write;
        let (place, message) = (place(panic), panic.payload_as_str().unwrap_or("no message"));
        // Without standard error, nothing can be reported.
        let _ = writeln!(std::io::stderr(), "resly: a bug: it failed at {place}: {message}");
    }));
}

fn place(panic: &panic::PanicHookInfo<'_>) -> String {
    panic.location().map_or_else(|| "a place unknown".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::{env, process::Command};

    use super::*;

    /// Set for the process that fails.
    const FAIL: &str = "FAIL_WITH_A_LOG";

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// What a process writes to standard error that fails after `with_log` was set.
    fn stderr_of_panic(with_log: &str) -> String {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "logging::tests::fails"])
            .env(FAIL, with_log)
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap();
        assert!(!child.status.success());
        String::from_utf8(child.stderr).unwrap()
    }

    #[test]
    #[ignore = "the others run it in a process of its own"]
    fn fails() {
        match env::var(FAIL).unwrap().as_str() {
            "json" => start("error", LogFormat::Json).unwrap(),
            "json in a trace" => {
                start("error", LogFormat::Json).unwrap();
                let context = trace::SpanContext::parse(TRACEPARENT);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                return runtime.block_on(trace::within(context, async { panic!("the tank is empty") }));
            }
            "text" => start("error", LogFormat::Text).unwrap(),
            _ => report_panics(),
        }
        panic!("the tank is empty");
    }

    #[test]
    fn a_panic_is_one_line_without_advice_for_developers() {
        for (with_log, expected) in [
            ("none", "resly: a bug: it failed at host/server/src/logging.rs:"),
            ("text", "place=\"host/server/src/logging.rs:"),
            ("json", "\"place\":\"host/server/src/logging.rs:"),
        ] {
            let stderr = stderr_of_panic(with_log);
            let lines: Vec<&str> = stderr.lines().filter(|line| line.contains("the tank is empty")).collect();
            assert!(matches!(*lines, [line] if line.contains(expected)), "{with_log}: {stderr}");
            assert!(!stderr.contains("RUST_BACKTRACE") && !stderr.contains("stack backtrace"), "{with_log}: {stderr}");
        }
    }

    #[test]
    fn a_line_of_json_names_its_trace() {
        let line = |with_log| {
            let stderr = stderr_of_panic(with_log);
            let line = stderr.lines().find(|line| line.contains("the tank is empty")).unwrap();
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        let traced = line("json in a trace");
        assert_eq!(traced["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(traced["span_id"], "b7ad6b7169203331");
        assert_eq!(traced["level"], "ERROR");
        assert!(line("json").get("trace_id").is_none());
    }
}
