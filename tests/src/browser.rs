//! The part of a browser that an authorization needs: it keeps cookies by origin and path. It doesn't follow redirects.
#![expect(clippy::unwrap_used, reason = "this is test code in a library's place")]

use std::collections::HashMap;

use reqwest::{Client, Response, header, redirect};
use url::Url;

pub struct Browser {
    client: Client,
    /// Path and value, by origin and name.
    cookies: HashMap<(String, String), (String, String)>,
    /// Everything that it received, to check what must not be in it.
    pub seen: String,
}

/// A page, or a redirect with its target.
pub struct Page {
    pub status: u16,
    pub location: Option<Url>,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl Browser {
    pub fn new() -> Self {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, cookies: HashMap::new(), seen: String::new() }
    }

    pub async fn open(&mut self, url: &str) -> Page {
        let url = Url::parse(url).unwrap();
        let origin = url.origin().ascii_serialization();
        let sent: Vec<String> = self
            .cookies
            .iter()
            .filter(|((of, _), (path, _))| *of == origin && url.path().starts_with(path.as_str()))
            .map(|((_, name), (_, value))| format!("{name}={value}"))
            .collect();
        let mut request = self.client.get(url.clone());
        if !sent.is_empty() {
            request = request.header(header::COOKIE, sent.join("; "));
        }
        let response = request.send().await.unwrap();
        self.keep(&origin, &response);
        let location = response.headers().get(header::LOCATION).map(|to| url.join(to.to_str().unwrap()).unwrap());
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        self.seen.push_str(&format!("{headers:?}\n{text}\n"));
        Page { status, location, headers, text }
    }

    fn keep(&mut self, origin: &str, response: &Response) {
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let mut parts = cookie.to_str().unwrap().split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<&str> = parts.collect();
            let path = attributes.iter().find_map(|attribute| attribute.strip_prefix("Path=")).unwrap();
            let key = (origin.to_owned(), name.to_owned());
            if attributes.contains(&"Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, (path.to_owned(), value.to_owned()));
            }
        }
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}
