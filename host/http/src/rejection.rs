//! Turns axum's own refusals, such as that of an undecodable path, into problems. They are plain text.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::problem::{Problem, kinds};

/// Turns a plain refusal into a problem. Problems, pages and answers pass unchanged.
pub fn into_problem(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let plain =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !plain {
        return response;
    }
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::new(&kinds::NOT_FOUND, "nothing answers at this path"),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            &kinds::METHOD_NOT_ALLOWED,
            "this path doesn't take that method; the Allow header lists those it does",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(&kinds::BODY_TOO_LARGE, "the body is larger than this route reads")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Problem::new(&kinds::UNSUPPORTED_MEDIA_TYPE, "this route doesn't read that content type")
        }
        status if status.is_client_error() => {
            Problem::new(&kinds::MALFORMED_REQUEST, "the path can't be decoded: percent-encoded parts have to be UTF-8")
        }
        status => Problem::internal(&format!("a handler answered {status} without a problem")),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut answer = problem.into_response();
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_refusals_become_problems_and_nothing_else_does() {
        let plain = (StatusCode::BAD_REQUEST, "Invalid URL: Invalid UTF-8 in `id`").into_response();
        let told = into_problem(plain);
        assert_eq!(
            (told.status(), &told.headers()[header::CONTENT_TYPE]),
            (StatusCode::BAD_REQUEST, &"application/problem+json".parse().unwrap())
        );
        let mut bare = StatusCode::METHOD_NOT_ALLOWED.into_response();
        bare.headers_mut().insert(header::ALLOW, "GET".parse().unwrap());
        let told = into_problem(bare);
        assert_eq!(
            (told.status(), &told.headers()[header::ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap())
        );
        let page = (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/html")], "<p>").into_response();
        assert_eq!(into_problem(page).headers()[header::CONTENT_TYPE], "text/html");
        let fine = "ok".into_response();
        assert_eq!(into_problem(fine).headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
