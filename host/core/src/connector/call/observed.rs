//! What metrics and traces are told of a call.

use std::time::Duration;

use metrics::SharedString;

use super::{CallError, CallReport, CallRequest, ConnectorSchemas};
use crate::{
    connector::connection::CallerKind,
    metrics::{Metrics, names},
    trace::{Span, SpanContext, Tracer, gen_ai},
};

/// A call as it is measured. Nothing is known of its connector at first.
pub(super) struct ObservedCall {
    /// What metrics call its connector.
    connector: SharedString,
    span: Span,
}

impl Default for ObservedCall {
    fn default() -> Self {
        Self { connector: SharedString::const_str("none"), span: Span::default() }
    }
}

impl ObservedCall {
    pub fn start(tracer: &Tracer, request: &CallRequest) -> Self {
        let mut span = gen_ai::execute_tool(tracer, request.organization);
        span.set_display("resly.connection.id", request.connection);
        span.set("resly.caller", request.caller.kind().name());
        if let Some(conversation) = request.caller.conversation() {
            gen_ai::set_conversation(&mut span, conversation);
        }
        Self { span, ..Self::default() }
    }

    /// The context for what happens in the call.
    pub fn context(&self) -> Option<SpanContext> {
        self.span.context()
    }

    /// Says which connector it calls, and which action if there is such a one.
    pub fn identify(&mut self, schemas: &ConnectorSchemas, request: &CallRequest) {
        self.connector = schemas.installable.metric_label();
        self.span.set_display("resly.connector", &self.connector);
        if schemas.installable.manifest.action(&request.action).is_some() {
            gen_ai::set_tool(&mut self.span, &request.action);
        }
    }

    /// The call has ended. A call without a report is traced and not counted.
    pub fn end(
        &mut self,
        metrics: &Metrics,
        caller: CallerKind,
        took: Duration,
        result: &Result<CallReport, CallError>,
    ) {
        let report = match result {
            Ok(report) => report,
            Err(error) => return self.span.fail(error.kind()),
        };
        let connector = &self.connector;
        metrics.count(&names::CONNECTOR_CALLS, [connector.clone(), caller.name().into()]);
        metrics.add(&names::CONNECTOR_FUEL, [connector.clone()], report.cost.fuel);
        metrics.time(&names::CONNECTOR_CALL_DURATION, [connector.clone()], took);
        self.span.set("resly.call.cached", report.cached);
        self.span.set("resly.call.fuel", report.cost.fuel);
        if let Err(fault) = &report.result {
            metrics.count(&names::CONNECTOR_FAULTS, [connector.clone(), fault.kind.name().into()]);
            self.span.fail(fault.kind.name());
        }
    }
}
