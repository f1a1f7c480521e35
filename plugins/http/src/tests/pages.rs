//! Pages become one list.

use super::*;

fn page(items: &[u8], next: Option<&str>) -> Response {
    json_response(200, &json!({"items": items, "next": next}))
}

#[test]
fn pages_become_one_list() {
    let paged = |pagination: Value, responses| {
        let definition = json!({"request": {"url": "https://a.example/x"}, "pagination": pagination,
            "response": {"mapping": "{all: ., sum: add}"}});
        let played = play(&definition, json!({}), json!({}), responses);
        let urls: Vec<String> = played.requests.iter().map(|request| request.url.clone()).collect();
        (played, urls)
    };
    let cursor = json!({"type": "cursor", "cursor": ".next", "param": "after", "items": ".items"});
    let (played, urls) = paged(cursor.clone(), vec![page(&[1, 2], Some("c/1")), page(&[3], None)]);
    assert_eq!(played.value(), json!({"all": [1, 2, 3], "sum": 6}));
    assert_eq!(urls, ["https://a.example/x", "https://a.example/x?after=c%2F1"]);
    // A cursor that leads to where it has been ends the list, which says so.
    let (played, urls) = paged(cursor, vec![page(&[1], Some("a")), page(&[2], Some("a")), page(&[3], None)]);
    assert_eq!(played.value()["all"], json!([1, 2]));
    assert!(played.log[0].contains("already"), "{:?}", played.log);
    assert_eq!(urls.len(), 2);

    let offset = json!({"type": "offset", "param": "skip", "items": ".items", "max_pages": 2});
    let (played, urls) = paged(offset, vec![page(&[1, 2], None), page(&[3], None)]);
    assert_eq!(played.value()["all"], json!([1, 2, 3]));
    assert_eq!(urls, ["https://a.example/x?skip=0", "https://a.example/x?skip=2"]);
    assert!(played.log[0].contains("more pages"));

    let numbered = json!({"type": "page", "param": "p", "start": 0, "items": ".items"});
    let (played, urls) = paged(numbered, vec![page(&[1], None), page(&[], None)]);
    assert_eq!(played.value()["all"], json!([1]));
    assert_eq!(urls, ["https://a.example/x?p=0", "https://a.example/x?p=1"]);

    let (played, _) = paged(json!({"type": "page", "param": "p"}), vec![page(&[1], None)]);
    assert!(played.fault().message.contains("`items`"));
    let bad = json!({"type": "page", "param": "p", "items": ".items"});
    // The first page's fault is the call's; a later one's ends the list.
    let (played, _) = paged(bad.clone(), vec![json_response(500, &json!({}))]);
    assert_eq!(played.fault().kind, FaultKind::Upstream);
    for broken in [
        vec![json_response(500, &json!({}))],
        vec![json_response(401, &json!({}))],
        vec![json_response(200, &json!({"items": null}))],
        vec![response(200, "text/html", "<html>")],
        vec![Response { truncated: true, ..page(&[2], None) }],
        vec![],
    ] {
        let (played, _) = paged(bad.clone(), [vec![page(&[1], None)], broken].concat());
        assert_eq!(played.value()["all"], json!([1]));
        assert!(
            played.log.last().unwrap().contains("the list ends after page 1, and there may be more"),
            "{:?}",
            played.log
        );
    }
    // Nothing is there after the last page.
    for status in [404, 410] {
        let (played, _) =
            paged(bad.clone(), vec![page(&[1], None), page(&[2], None), json_response(status, &json!({}))]);
        assert_eq!((played.value()["all"].clone(), played.log), (json!([1, 2]), vec![]));
    }
    let (played, _) = paged(bad, vec![json_response(404, &json!({}))]);
    assert_eq!(played.fault().kind, FaultKind::NotFound);
}

#[test]
fn a_page_s_parameter_has_one_value() {
    let asked = |url: &str, query: Value, pagination: Value| {
        let definition = json!({"request": {"url": url, "query": query}, "pagination": pagination});
        let responses =
            vec![json_response(200, &json!([1])), json_response(200, &json!([2])), json_response(200, &json!([]))];
        let played = play(&definition, json!({}), json!({}), responses);
        played.requests.iter().map(|request| request.url.clone()).collect::<Vec<_>>()
    };
    let page = json!({"type": "page", "param": "page"});
    assert_eq!(
        asked("https://a.example/x?page=9&size=2&page=3#top", json!({}), page.clone())[..2],
        ["https://a.example/x?page=1&size=2#top", "https://a.example/x?page=2&size=2#top"]
    );
    assert_eq!(asked("https://a.example/x", json!({"page": 1, "q": "a"}), page)[1], "https://a.example/x?page=2&q=a");
    let offset = json!({"type": "offset", "param": "page[offset]"});
    assert_eq!(
        asked("https://a.example/x?page%5Boffset%5D=7&pages=1", json!({}), offset)[1],
        "https://a.example/x?page%5Boffset%5D=1&pages=1"
    );
}

#[test]
fn a_service_that_repeats_a_page_ends_the_list() {
    let ignores = |pagination: Value| {
        let definition = json!({"request": {"url": "https://a.example/x"}, "pagination": pagination});
        let same = || json_response(200, &json!({"items": [{"id": 1}, {"id": 2}], "next": "b"}));
        play(&definition, json!({}), json!({}), vec![same(), same(), same()])
    };
    for pagination in [
        json!({"type": "page", "param": "p", "items": ".items"}),
        json!({"type": "offset", "param": "p", "items": ".items"}),
        json!({"type": "cursor", "cursor": ".next", "param": "p", "items": ".items"}),
    ] {
        let played = ignores(pagination);
        assert_eq!(played.value(), json!([{"id": 1}, {"id": 2}]));
        assert_eq!(played.requests.len(), 2);
        assert!(played.log[0].contains("the same page twice and may ignore `p`"), "{:?}", played.log);
    }
}

#[test]
fn the_next_page_s_address_may_be_in_the_body() {
    let urls = |pagination: Value, first: Value| {
        let definition = json!({"request": {"url": "https://a.example/v1/x?a=1"}, "pagination": pagination});
        let responses = vec![json_response(200, &first), json_response(200, &json!({"value": [2]}))];
        let played = play(&definition, json!({}), json!({}), responses);
        assert_eq!((played.value(), played.log), (json!([1, 2]), vec![]), "{first}");
        played.requests[1].url.clone()
    };
    let link = json!({"type": "link", "items": ".value"});
    let next = "https://a.example/v1/x?$skiptoken=a%2Bb";
    assert_eq!(urls(link.clone(), json!({"value": [1], "@odata.nextLink": next})), next);
    assert_eq!(urls(link.clone(), json!({"value": [1], "next": next})), next);
    assert_eq!(
        urls(link.clone(), json!({"value": [1], "next": "http://a.example:80/v1/x?p=2"})),
        "https://a.example/v1/x?p=2"
    );
    assert_eq!(urls(link.clone(), json!({"value": [1], "links": {"next": "/v1/x?p=2"}})), "https://a.example/v1/x?p=2");
    let filter = json!({"type": "link", "items": ".value", "next": ".meta.more"});
    assert_eq!(urls(filter, json!({"value": [1], "meta": {"more": "?p=2"}})), "https://a.example/v1/x?p=2");
    // Where a cursor was to be expected.
    let cursor = json!({"type": "cursor", "items": ".value", "cursor": ".next", "param": "c"});
    assert_eq!(
        urls(cursor.clone(), json!({"value": [1], "next": "https://a.example/v1/x?c=9&a=1"})),
        "https://a.example/v1/x?c=9&a=1"
    );
    assert_eq!(urls(cursor, json!({"value": [1], "next": "/a?b"})), "https://a.example/v1/x?a=1&c=%2Fa%3Fb");
}

#[test]
fn a_linked_page_stays_on_its_host() {
    let definition = json!({"request": {"url": "https://a.example/x"}, "pagination": {"type": "link"}});
    let page = |link: &str| Response {
        headers: vec![("link".to_owned(), "</first>; rel=first".to_owned()), ("link".to_owned(), link.to_owned())],
        ..json_response(200, &json!([1]))
    };
    let asked = |link: &str| play(&definition, json!({}), json!({}), vec![page(link), json_response(200, &json!([2]))]);
    let played = asked("<https://a.example/x?page=1>; rel=\"prev\", <https://a.example/x?page=2>; rel=\"next\"");
    assert_eq!((played.value(), played.requests[1].url.as_str()), (json!([1, 2]), "https://a.example/x?page=2"));
    let played = asked("<https://evil.example/>; rel=next");
    assert_eq!((played.value(), played.requests.len()), (json!([1]), 1));
    assert!(played.log[0].contains("another host"), "{:?}", played.log);
}
