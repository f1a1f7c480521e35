//! Servers that refuse: errors, repeats, and fields that they don't know.

use super::*;

#[tokio::test]
async fn a_refusal_tells_why_without_the_key() {
    let body = format!("{{\"error\":{{\"message\":\"bad key {KEY}\\n{}\"}}}}", "x".repeat(5000));
    let (url, script) = upstream(vec![refused(401, vec![], &body)]).await;
    let (_, error) = ask(&url, timeouts()).await;
    let Some(ModelError::Refused { status: 401, detail, .. }) = &error else { panic!("{error:?}") };
    assert!(detail.starts_with("bad key [key] xxx") && detail.len() < 700, "{detail}");
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_passing_refusal_is_tried_once_more() {
    let good = || streamed(done(&[says("Hi"), finishes("stop")]), End::Close);
    for status in [408, 429, 500, 502, 503, 504, 529] {
        let (url, script) = upstream(vec![refused(status, vec![], "busy"), good()]).await;
        let (events, error) = ask(&url, timeouts()).await;
        assert!(error.is_none());
        assert_eq!(text(&events), "Hi");
        assert_eq!(script.asked.lock().unwrap().len(), 2);
    }
    let (url, script) = upstream(vec![refused(503, vec![], "busy"), refused(503, vec![], "still")]).await;
    let (_, error) = ask(&url, timeouts()).await;
    assert!(matches!(&error, Some(ModelError::Refused { detail, .. }) if detail == "still"));
    assert_eq!(script.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_long_retry_after_is_told_and_not_waited_for() {
    let (url, script) = upstream(vec![refused(429, vec![("retry-after", "30")], "slow down")]).await;
    let (_, error) = ask(&url, timeouts()).await;
    assert!(matches!(error, Some(ModelError::Refused { retry_after_s: Some(30), .. })), "{error:?}");
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wait_may_be_told_in_milliseconds_or_as_a_date() {
    let good = || streamed(done(&[says("Hi"), finishes("stop")]), End::Close);
    let (url, script) =
        upstream(vec![refused(429, vec![("retry-after-ms", "5"), ("retry-after", "30")], ""), good()]).await;
    let (_, error) = ask(&url, timeouts()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(script.asked.lock().unwrap().len(), 2);
    let dates = vec![("date", "Tue, 14 Nov 2023 22:13:20 GMT"), ("retry-after", "Tue, 14 Nov 2023 22:14:05 GMT")];
    let (url, _) = upstream(vec![refused(503, dates, "later")]).await;
    let (_, error) = ask(&url, timeouts()).await;
    assert!(matches!(error, Some(ModelError::Refused { retry_after_s: Some(45), .. })), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (_, error) = ask(&format!("http://{address}/v1/"), timeouts()).await;
    let Some(ModelError::Unreachable { at, .. }) = &error else { panic!("{error:?}") };
    assert_eq!(*at, address.to_string());
}

#[tokio::test]
async fn a_field_that_is_refused_is_left_out_and_remembered() {
    let good = || streamed(done(&[says("Hi"), finishes("stop")]), End::Close);
    let refusal = |status, param: &str| {
        let body = json!({"error": {"message": format!("Unsupported parameter: '{param}'"), "param": param}});
        Reply { status, headers: vec![], parts: vec![body.to_string()], end: End::Close }
    };
    let replies =
        vec![refusal(400, "max_tokens"), refusal(422, "stream_options"), refusal(400, "temperature"), good(), good()];
    let (url, script) = upstream(replies).await;
    let config = OpenAiConfig { temperature: Some(0.2), timeouts: timeouts(), ..OpenAiConfig::new(&url, "m", None) };
    let model = OpenAi::new(config).unwrap();
    for _ in 0..2 {
        let events: Vec<_> = model.stream(Arc::new(question())).await.unwrap().map(Result::unwrap).collect().await;
        assert_eq!(text(&events), "Hi");
    }
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked.len(), 5, "the second question is asked once");
    let fields = |n: usize| {
        let (_, body) = &asked[n];
        ["max_tokens", "max_completion_tokens", "stream_options", "temperature"].map(|name| body.get(name).is_some())
    };
    assert_eq!(fields(0), [true, false, true, true]);
    assert_eq!(fields(1), [false, true, true, true]);
    assert_eq!(fields(4), [false, true, false, false]);
    assert_eq!(asked[0].1["temperature"], 0.2);
}

#[tokio::test]
async fn a_refusal_that_leaving_out_does_not_mend_is_told_and_not_remembered() {
    let body = r#"{"error": {"message": "bad", "param": "stream_options"}}"#;
    let replies = vec![refused(400, vec![], body), refused(400, vec![], body), refused(400, vec![], "no such model")];
    let (url, script) = upstream(replies).await;
    let model = model(&url, timeouts());
    for told in ["bad", "no such model"] {
        let error = model.stream(Arc::new(question())).await.err();
        assert!(matches!(&error, Some(ModelError::Refused { status: 400, detail, .. }) if detail == told), "{error:?}");
    }
    let asked = script.asked.lock().unwrap();
    assert!(asked[1].1.get("stream_options").is_none());
    assert!(asked[2].1.get("stream_options").is_some(), "nothing was learnt");
}

#[tokio::test]
async fn a_server_that_may_not_stream_is_asked_for_the_whole() {
    let body =
        r#"{"error": {"message": "Your organization must be verified to stream this model.", "param": "stream"}}"#;
    let whole = json!({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}).to_string();
    let replies = vec![refused(400, vec![], body), refused(200, vec![("content-type", "application/json")], &whole)];
    let (url, script) = upstream(replies).await;
    let (events, error) = ask(&url, timeouts()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text(&events), "Hello");
    let asked = script.asked.lock().unwrap();
    assert_eq!((&asked[1].1["stream"], &asked[1].0["accept"]), (&json!(false), &"application/json".parse().unwrap()));
}
