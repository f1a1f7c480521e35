//! OpenTelemetry: what a collector is sent of a chat, and that a hostile collector costs nobody anything.

use std::time::Duration;

use reqwest::StatusCode;
use resly_core::metrics::names;
use resly_tests::{
    app::TestApp,
    canary::{Canaries, secret},
    collector::{Collector, Manner, attribute},
    crm::{SECRET, account, installed},
    host::{Parts, Running, make_organization, mint},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Long enough for any machine, and far less than the export's own time-outs.
const SOON: Duration = Duration::from_secs(5);

fn question(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

async fn flush(app: &TestApp) {
    app.host().tracer.exporter().unwrap().flush().await;
}

#[tokio::test]
async fn a_chat_is_one_trace_below_the_client_s_span_and_tells_no_content() {
    let (service, collector) = (ScriptedService::start().await.unwrap(), Collector::start(Manner::Accepts).await);
    let (egress, key) = (service.address.to_string(), secret("collector-"));
    let headers = format!("x-team-key={key}");
    let resource = "deployment.environment.name=staging";
    let app = TestApp::with_settings(&[
        ("RESLY_EGRESS_ALLOW", &egress),
        (ENDPOINT, &collector.url),
        ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
        ("OTEL_SERVICE_NAME", "helpdesk"),
        ("OTEL_RESOURCE_ATTRIBUTES", resource),
    ])
    .await;
    let mut canaries = Canaries::default();
    let mut watched = |name: &str| {
        let value = secret("watched-");
        canaries.watch(name, &value, &[]);
        value
    };
    let [asked, answered, known, id, given, query, instruction] =
        ["question", "answer", "document", "input", "output", "query", "instruction"].map(&mut watched);
    canaries.watch("collector's key", &key, &[]);
    let mut found = account();
    found["data"]["name"] = json!(given);
    service.answers("/eu/api/accounts/1", 200, account());
    service.answers(&format!("/eu/api/accounts/{id}"), 200, found);
    let connection = installed(&app, &service, "production").await;
    app.knows("Plans", &format!("Every account has a plan. {known}")).await;
    flush(&app).await;
    let before = collector.spans().len();

    app.model.says([Reply::connector("crm", "get_account", json!({"id": id})), Reply::text(&answered)]);
    let mut body = question(&format!("Which plan has this account? {asked}"));
    body["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": instruction}));
    let request = app.chat_in(&format!("json&note={query}"));
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let response = request.json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = response.json().await.unwrap();
    assert!(answer["content"].as_str().unwrap().contains(&answered), "{answer}");
    flush(&app).await;

    let spans = &collector.spans()[before..];
    let named = |name: &str| -> Vec<&Value> { spans.iter().filter(|span| span["name"] == name).collect() };
    let one = |name: &str| match named(name)[..] {
        [span] => span,
        ref others => panic!("{name}: {others:?} of {:?}", collector.names()),
    };
    assert_eq!(spans.len(), 6, "{:?}", collector.names());
    assert!(spans.iter().all(|span| span["traceId"] == TRACE), "{spans:#?}");
    let request = one("POST /api/chat");
    assert_eq!((&request["parentSpanId"], &request["kind"]), (&json!(PARENT), &json!(2)));
    assert_eq!(attribute(request, "http.response.status_code"), "200");
    assert_eq!(attribute(request, "http.route"), "/api/chat");

    let turn = one("invoke_agent resly");
    assert_eq!((&turn["parentSpanId"], &turn["kind"]), (&request["spanId"], &json!(1)));
    for (name, value) in [
        ("gen_ai.operation.name", json!("invoke_agent")),
        ("gen_ai.agent.name", json!("resly")),
        ("gen_ai.provider.name", json!("openai")),
        ("gen_ai.request.model", json!("scripted")),
        ("gen_ai.conversation.id", answer["conversationId"].clone()),
        ("gen_ai.usage.input_tokens", json!("22")),
        ("gen_ai.usage.output_tokens", json!("14")),
        ("gen_ai.response.finish_reasons", json!([{"stringValue": "stop"}])),
        ("resly.turn.outcome", json!("complete")),
        ("resly.organization.id", json!(app.organization().to_string())),
    ] {
        assert_eq!(attribute(turn, name), value, "{name}: {turn:#}");
    }
    for below in ["retrieval", "execute_tool get_account"] {
        assert_eq!(one(below)["parentSpanId"], turn["spanId"], "{below}");
    }
    assert_eq!(attribute(one("retrieval"), "resly.retrieval.passages"), "1");

    let [calling, answering] = named("chat scripted")[..] else { panic!("{:?}", collector.names()) };
    for (chat, reason) in [(calling, "tool_call"), (answering, "stop")] {
        assert_eq!((&chat["parentSpanId"], &chat["kind"]), (&turn["spanId"], &json!(3)));
        assert_eq!(attribute(chat, "gen_ai.operation.name"), "chat");
        assert_eq!(attribute(chat, "gen_ai.response.model"), "scripted");
        assert_eq!(attribute(chat, "gen_ai.usage.input_tokens"), "11");
        assert_eq!(attribute(chat, "gen_ai.response.finish_reasons"), json!([{"stringValue": reason}]));
        assert_eq!(attribute(chat, "gen_ai.conversation.id"), answer["conversationId"]);
    }
    let tool = one("execute_tool get_account");
    for (name, value) in [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "get_account"),
        ("resly.connector", "declarative"),
        ("resly.connection.id", &connection),
        ("resly.caller", "chat"),
    ] {
        assert_eq!(attribute(tool, name), value, "{name}: {tool:#}");
    }
    assert!(spans.iter().all(|span| span["status"]["code"] == 0), "{spans:#?}");

    // Each begins and ends within what is above it. The request's span ends with the head of its response.
    for (above, below) in [(turn, calling), (turn, answering), (turn, tool)] {
        let time = |span: &Value, of: &str| span[of].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time(above, "startTimeUnixNano") <= time(below, "startTimeUnixNano"));
        assert!(time(above, "endTimeUnixNano") >= time(below, "endTimeUnixNano"));
    }

    let exports = collector.exports();
    assert!(exports.iter().all(|export| export.headers["x-team-key"] == key.as_str()));
    let first: Value = serde_json::from_slice(&exports[0].body).unwrap();
    let resource = json!({"attributes": first["resourceSpans"][0]["resource"]["attributes"]});
    assert_eq!(attribute(&resource, "service.name"), "helpdesk");
    assert_eq!(attribute(&resource, "deployment.environment.name"), "staging");
    for export in exports {
        assert_eq!(canaries.found_in("an export", &export.body), Vec::<String>::new());
        let text = String::from_utf8(export.body.to_vec()).unwrap();
        for never in [SECRET, &app.key, &app.admin, "?format", "Plans"] {
            assert!(!text.contains(never), "{never}: {text}");
        }
    }
}

#[tokio::test]
async fn failures_have_their_kinds() {
    let collector = Collector::start(Manner::Accepts).await;
    let app = TestApp::with_settings(&[(ENDPOINT, &collector.url)]).await;
    app.model.says([Reply::Status(401, json!({"error": {"message": "bad key"}}))]);
    assert_eq!(app.chat_in("json").json(&question("Hi")).send().await.unwrap().status(), StatusCode::BAD_GATEWAY);
    flush(&app).await;
    for (name, kind) in
        [("chat scripted", "refused"), ("invoke_agent resly", "model-refused"), ("POST /api/chat", "model-refused")]
    {
        let span = collector.span(name);
        assert_eq!((&span["status"]["code"], attribute(&span, "error.type")), (&json!(2), json!(kind)), "{span:#}");
    }
    // A client's mistake isn't the server's failure, and no route is named by a path.
    let path = format!("/api/{}", secret("nowhere-"));
    app.send_as(&app.key, "GET", &path).await;
    flush(&app).await;
    let span = collector.spans().pop().unwrap();
    assert_eq!(span["status"]["code"], 0, "{span:#}");
    assert_eq!(attribute(&span, "resly.problem"), "not-found");
    assert!(!span.to_string().contains("nowhere-"), "{span:#}");
}

#[tokio::test]
async fn a_client_s_decision_to_sample_holds_and_probes_make_no_spans() {
    let collector = Collector::start(Manner::Accepts).await;
    let app = TestApp::with_settings(&[(ENDPOINT, &collector.url)]).await;
    let not_sampled = format!("00-{TRACE}-{PARENT}-00");
    let request = app.chat_in("json").header("traceparent", not_sampled);
    assert!(request.json(&question("Hi")).send().await.unwrap().status().is_success());
    for probe in ["/healthz", "/readyz", "/metrics"] {
        app.send_as(&app.key, "GET", probe).await;
    }
    flush(&app).await;
    assert!(collector.spans().is_empty(), "{:?}", collector.names());
    // What isn't a context begins a trace of its own.
    let request = app.chat_in("json").header("traceparent", format!("00-{TRACE}-{PARENT}-zz"));
    assert!(request.json(&question("Hi")).send().await.unwrap().status().is_success());
    flush(&app).await;
    let span = collector.span("POST /api/chat");
    assert!(span["traceId"] != TRACE && span.get("parentSpanId").is_none(), "{span:#}");
}

#[tokio::test]
async fn the_host_s_metrics_are_sent_and_those_of_generative_ai() {
    let collector = Collector::start(Manner::Accepts).await;
    let app = TestApp::with_settings(&[(ENDPOINT, &collector.url)]).await;
    app.answer(question("Hi")).await;
    app.model.says([Reply::Status(401, json!({"error": {"message": "bad key"}}))]);
    app.chat_in("json").json(&question("Hi")).send().await.unwrap();
    flush(&app).await;
    let turns = collector.metric(names::TURNS.name);
    let outcomes: Vec<Value> = turns["sum"]["dataPoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| json!([attribute(point, "outcome"), point["asInt"]]))
        .collect();
    assert_eq!(outcomes, [json!(["complete", "1"]), json!(["model-refused", "1"])]);
    let points = |metric: &str| collector.metric(metric)["histogram"]["dataPoints"].as_array().unwrap().clone();
    let durations = points("gen_ai.client.operation.duration");
    let errors: Vec<Value> = durations.iter().map(|point| attribute(point, "error.type")).collect();
    assert_eq!(errors, [Value::Null, json!("refused")]);
    for point in durations.iter().chain(&points("gen_ai.client.token.usage")) {
        assert_eq!(attribute(point, "gen_ai.operation.name"), "chat");
        assert_eq!(attribute(point, "gen_ai.provider.name"), "openai");
        assert_eq!(attribute(point, "gen_ai.request.model"), "scripted");
        assert_eq!(point["count"], "1");
    }
    let tokens = points("gen_ai.client.token.usage");
    let tokens: Vec<Value> =
        tokens.iter().map(|point| json!([attribute(point, "gen_ai.token.type"), point["sum"]])).collect();
    assert_eq!(tokens, [json!(["input", 11.0]), json!(["output", 7.0])]);
    let scraped = app.client.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(!scraped.contains("gen_ai"), "Prometheus has them by the host's own names");
}

#[tokio::test]
async fn a_hostile_collector_costs_a_chat_nothing() {
    for manner in [Manner::Hangs, Manner::Endless, Manner::Refuses(500), Manner::Refuses(429)] {
        let collector = Collector::start(manner).await;
        let app = TestApp::with_settings(&[(ENDPOINT, &collector.url)]).await;
        app.answer(question("Hi")).await;
        // From here on an export is under way.
        let exporter = app.host().tracer.exporter().unwrap().clone();
        let flushing = tokio::spawn(async move { exporter.flush().await });
        while collector.exports().is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            let answered = tokio::time::timeout(SOON, app.answer(question("Hi"))).await;
            assert!(answered.is_ok(), "{manner:?}");
        }
        flushing.abort();
    }
}

#[tokio::test]
async fn a_host_that_ends_sends_what_it_has_and_waits_for_no_collector_that_hangs() {
    for manner in [Manner::Accepts, Manner::Hangs] {
        let collector = Collector::start(manner).await;
        let data = tempfile::tempdir().unwrap();
        let master = resly_tests::host::master_key();
        let settings = [("RESLY_MASTER_KEY", master.as_str()), (ENDPOINT, &collector.url)];
        let running = Running::start_with(data.path(), &settings, Parts::default()).await.unwrap();
        let organization = make_organization(&running.app, "ends").await;
        let key = mint(&running.app, organization, &[resly_core::principal::Scope::Chat]).await;
        let request = resly_tests::app::client().post(format!("{}/api/chat", running.base)).bearer_auth(key);
        let text = request.json(&question("Hi")).send().await.unwrap().text().await.unwrap();
        assert!(!text.is_empty());
        assert!(tokio::time::timeout(SOON, running.stop()).await.is_ok(), "{manner:?}");
        assert!(collector.names().iter().any(|name| name == "invoke_agent resly"), "{manner:?}");
        assert!(collector.exports().iter().any(|export| export.path == "/v1/metrics"), "{manner:?}");
    }
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_recorded_and_a_wrong_one_is_told() {
    let app = TestApp::start().await;
    assert!(!app.host().tracer.is_on() && app.host().metrics.open_telemetry().is_none());
    let data = tempfile::tempdir().unwrap();
    let wrong = [(ENDPOINT, "otel:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("RESLY_LISTEN", "nowhere")];
    let told = Running::start(data.path(), &wrong).await.err().unwrap().to_string();
    for (name, _) in wrong {
        assert!(told.contains(&format!("{name}: ")), "{told}");
    }
}
