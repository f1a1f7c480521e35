//! A browser without script at the console: it keeps cookies, sends forms with their token, and follows no redirect by
//! itself.
#![expect(clippy::unwrap_used, reason = "this is test code in a library's place")]

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use resly_core::{id::OrganizationId, member::Role};
use resly_service::members::links;

use crate::app::TestApp;

/// What the console answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// Where a redirect leads; empty without one.
    pub location: String,
    pub html: String,
}

/// One person's browser.
#[derive(Clone)]
pub struct ConsoleClient<'a> {
    app: &'a TestApp,
    cookies: BTreeMap<String, String>,
    /// Of the last page that had one.
    form_token: String,
    /// The value of `Sec-Fetch-Site` that it sends.
    pub site: &'static str,
    /// What happens before the last byte of each form is sent.
    meanwhile: Option<Meanwhile>,
}

type Meanwhile = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

impl<'a> ConsoleClient<'a> {
    /// A browser that isn't signed in.
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: BTreeMap::new(), form_token: String::new(), site: "same-origin", meanwhile: None }
    }

    /// A browser in which a new member of the organization under test has signed in by a link.
    pub async fn signed_in(app: &'a TestApp, role: Role) -> Self {
        Self::member_of(app, app.organization(), role).await
    }

    /// A browser in which a new member of an organization has signed in by a link.
    pub async fn member_of(app: &'a TestApp, organization: OrganizationId, role: Role) -> Self {
        let token = links::create(app.host(), organization, role).await.unwrap();
        let mut browser = Self::new(app);
        let answer = browser.post("/console/sign-in/link", &[("token", &token)]).await;
        assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, "/console"), "{}", answer.html);
        assert_eq!(browser.get("/console").await.status, StatusCode::OK);
        browser
    }

    /// Sends its forms slowly: before the last byte, this happens.
    pub fn meanwhile<F: Future<Output = ()> + Send + 'static>(&mut self, does: impl Fn() -> F + Send + Sync + 'static) {
        self.meanwhile = Some(Arc::new(move || does().boxed()));
    }

    /// The session's secret, as its cookie has it; empty when there is none.
    pub fn session_token(&self) -> &str {
        self.cookies.iter().find(|(name, _)| name.ends_with("resly_session")).map_or("", |(_, value)| value)
    }

    /// The body of a form, which arrives in two parts when something happens meanwhile.
    fn body(&self, bytes: Vec<u8>) -> Body {
        let Some(meanwhile) = self.meanwhile.clone() else { return Body::from(bytes) };
        let bytes = Bytes::from(bytes);
        let last = bytes.len().saturating_sub(1);
        let (first, rest) = (bytes.slice(..last), bytes.slice(last..));
        let rest = async move {
            meanwhile().await;
            Ok::<_, Infallible>(rest)
        };
        Body::from_stream(stream::once(async { Ok(first) }).chain(stream::once(rest)))
    }

    /// Sends its forms with another browser's token.
    pub fn take_form_token_of(&mut self, other: &Self) {
        self.form_token.clone_from(&other.form_token);
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Loads a page that has to be there.
    pub async fn page(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {} {}", answer.location, answer.html);
        answer.html
    }

    /// Sends a form, with the token of the last page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields).append_pair("form_token", &self.form_token);
        let body = self.body(form.finish().into_bytes());
        self.send(Method::POST, path, body).await
    }

    /// Sends a form that has to succeed, and loads the page that it leads to.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}: {}", answer.html);
        self.page(&answer.location).await
    }

    /// Sends a form with files, with the token of the last page.
    pub async fn post_files(&mut self, path: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Answer {
        let token = self.form_token.clone();
        let mut body = Vec::new();
        for (name, value) in fields.iter().copied().chain([("form_token", token.as_str())]) {
            let part = format!("--parts\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        for (name, bytes) in files {
            let head = format!("--parts\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"file\"\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--parts--\r\n");
        let body = self.body(body);
        self.send_as("multipart/form-data; boundary=parts", Method::POST, path, body).await
    }

    /// Sends JSON with any method, as a script on a page would.
    pub async fn request(&mut self, method: &str, path: &str, body: &'static str) -> Answer {
        self.send_as("application/json", method.parse().unwrap(), path, Body::from(body)).await
    }

    async fn send(&mut self, method: Method, path: &str, body: Body) -> Answer {
        self.send_as("application/x-www-form-urlencoded", method, path, body).await
    }

    async fn send_as(&mut self, kind: &str, method: Method, path: &str, body: Body) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.app.address().to_string())
            .header("sec-fetch-site", self.site)
            .header(header::CONTENT_TYPE, kind)
            .header(header::COOKIE, cookies.join("; "))
            .body(body)
            .unwrap();
        let response = self.app.route(request).await;
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let status = response.status();
        let location = response.headers().get(header::LOCATION).map_or("", |to| to.to_str().unwrap()).to_owned();
        let html = String::from_utf8_lossy(&response.into_body().collect().await.unwrap().to_bytes()).into_owned();
        if let Some((_, token)) = html.split_once(r#"name="form_token" value=""#) {
            self.form_token = token.split('"').next().unwrap_or_default().to_owned();
        }
        Answer { status, location, html }
    }
}
