//! Finds the next page's address in a body.

use serde_json::Value;

/// Where services put it: OData, JSON:API, HAL, Django REST framework, Facebook, Laravel and similar ones.
const PLACES: [&str; 12] = [
    "/@odata.nextLink",
    "/odata.nextLink",
    "/links/next/href",
    "/links/next",
    "/_links/next/href",
    "/_links/next",
    "/paging/next/link",
    "/paging/next",
    "/pagination/next",
    "/next_page_url",
    "/nextLink",
    "/next",
];

/// The next page's address in one of the usual places.
pub fn address(body: &Value) -> Option<&str> {
    PLACES.iter().filter_map(|place| body.pointer(place)?.as_str()).find(|text| is_address(text))
}

/// Whether a text is an absolute address, or a relative one that can't be a mere token.
pub fn is_address(text: &str) -> bool {
    let begins = |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    begins("https://") || begins("http://") || text.starts_with(['/', '?'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_found_and_a_token_is_not() {
        for body in [
            json!({"value": [], "@odata.nextLink": "https://a.example/x?$skip=2"}),
            json!({"results": [], "next": "https://a.example/x?$skip=2"}),
            json!({"links": {"next": {"href": "https://a.example/x?$skip=2"}}}),
            json!({"_links": {"next": {"href": "https://a.example/x?$skip=2"}}}),
        ] {
            assert_eq!(address(&body), Some("https://a.example/x?$skip=2"), "{body}");
        }
        for body in [json!({"next": null}), json!({"next": "abc"}), json!({"next": 2}), json!([1]), json!("/x")] {
            assert_eq!(address(&body), None, "{body}");
        }
    }
}
