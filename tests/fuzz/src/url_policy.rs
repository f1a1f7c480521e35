//! URLs and settings as a guest and an admin write them: what policy lets out goes to a host of the manifest's, by https,
//! and to no address that is private.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use resly_core::{
    connector::outbound::{DryRunPolicy, OutboundRequest},
    id::{ConnectionId, OrganizationId},
    testing::ConstantRandom,
};
use resly_egress::{CredentialSource, Egress, EgressConfig, Resolve, SessionSpec, guard, parse_allow, parse_routes};
use resly_manifest::Manifest;
use serde_json::json;
use url::{Host, Url};
use uuid::Uuid;

/// Names lead nowhere: nothing is dialled here.
struct Nowhere;

#[async_trait]
impl Resolve for Nowhere {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(Vec::new())
    }
}

static EGRESS: LazyLock<Arc<Egress>> = LazyLock::new(|| {
    Egress::new(EgressConfig::default(), Arc::new(Nowhere), Arc::new(ConstantRandom(0)))
        .expect("the clients can be made")
});

static MANIFEST: LazyLock<Arc<Manifest>> = LazyLock::new(|| {
    let hosts =
        ["api.example.com/v1", "{{ settings.shop }}.example.net", "example.org:8443", "127.0.0.1", "[::1]:8443"];
    let manifest = json!({"id": "f", "name": "F", "version": "1.0.0", "hosts": hosts, "actions": []});
    Arc::new(serde_json::from_value(manifest).expect("the manifest is sound"))
});

/// Lines: a setting, a method, a header's name and its value; the rest is the URL.
pub fn url_policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (parse_allow(text), parse_routes(text));
    let mut lines = text.splitn(5, '\n');
    let [setting, method, name, value, url] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    let session = EGRESS.session(SessionSpec {
        organization: OrganizationId(Uuid::nil()),
        connection: ConnectionId(Uuid::nil()),
        manifest: Arc::clone(&MANIFEST),
        auth: MANIFEST.auth.clone(),
        settings: json!({"shop": setting}),
        credentials: CredentialSource::None,
        idempotent: false,
        http_calls: 1,
        response_bytes: 1,
        deadline: Duration::from_secs(1),
    });
    let request = OutboundRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: vec![(name.to_owned(), value.to_owned())],
        body: None,
        timeout: None,
    };
    let Ok(staged) = session.dry_run(&request) else { return };
    let url = Url::parse(&staged.url).expect("what leaves is a URL");
    assert_eq!(url.as_str(), staged.url, "it reads the same to whoever reads it next");
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none());
    match url.host().expect("what leaves has a host") {
        Host::Domain(name) => {
            let shop = format!("{}.example.net", setting.to_ascii_lowercase());
            assert!(name == "api.example.com" || name == "example.org" || name == shop, "{name}");
            assert!(name != "api.example.com" || url.path().starts_with("/v1"), "{url}");
        }
        Host::Ipv4(address) => assert!(guard::check(address.into()).is_ok(), "{address}"),
        Host::Ipv6(address) => assert!(guard::check(address.into()).is_ok(), "{address}"),
    }
    let printable = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    assert!(staged.method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-'));
    assert!(staged.headers.iter().all(|(name, value)| printable(name) && printable(value)));
}
