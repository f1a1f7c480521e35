//! The settings, by the standard variables (OpenTelemetry specification, "Environment Variable Specification").

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use resly_core::trace::{Sampler, UnknownSampler};
use url::Url;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";

/// Where telemetry goes, and which. No `Debug`: the headers are secret.
#[derive(Clone)]
pub struct TelemetryConfig {
    /// The base URL. `/v1/traces` and `/v1/metrics` are added.
    pub(crate) endpoint: Url,
    pub(crate) headers: HeaderMap,
    service: Option<String>,
    attributes: Vec<(String, String)>,
    pub(crate) sampler: Sampler,
    pub(crate) traces: bool,
    pub(crate) metrics: bool,
    /// The time between two exports of metrics.
    pub(crate) metrics_every: Duration,
}

impl TelemetryConfig {
    /// Reads the variables. `None` without an endpoint. Mistakes are added to `mistakes`; values that may be secret aren't
    /// repeated there.
    pub fn read(environment: &dyn Fn(&str) -> Option<String>, mistakes: &mut Vec<String>) -> Option<Self> {
        let text = |name: &str| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let endpoint = text(ENDPOINT)?;
        let mut told = |name: &str, mistake: &str| mistakes.push(format!("{name}: {mistake}"));
        let endpoint = base_url(&endpoint).map_err(|mistake| told(ENDPOINT, mistake)).ok();
        let headers = text(HEADERS).map_or_else(|| Ok(HeaderMap::new()), |list| headers(&list));
        let headers = headers.map_err(|mistake| told(HEADERS, mistake)).unwrap_or_default();
        let attributes = text(RESOURCE).map_or_else(|| Some(Vec::new()), |list| pairs(&list));
        if attributes.is_none() {
            told(RESOURCE, "`name=value,…` is expected, with what isn't plain percent-encoded");
        }
        if let Some(protocol) = text(PROTOCOL).filter(|name| !matches!(name.as_str(), "http/json" | "http/protobuf")) {
            let way = "send to the collector's port for HTTP, usually 4318, and leave this out or set http/json";
            told(PROTOCOL, &format!("`{protocol}` isn't spoken; {way}"));
        }
        let sampler = sampler(text(SAMPLER), text(SAMPLER_ARG)).map_err(|(name, mistake)| told(name, &mistake));
        let mut exported = |name: &str| match text(name).as_deref() {
            None | Some("otlp") => true,
            Some("none") => false,
            Some(other) => {
                told(name, &format!("`{other}` is neither `otlp` nor `none`"));
                false
            }
        };
        let (traces, metrics) = (exported("OTEL_TRACES_EXPORTER"), exported("OTEL_METRICS_EXPORTER"));
        let interval = text(INTERVAL).map_or(Some(60_000), |text| {
            let millis = text.parse().ok().filter(|millis| (1_000..=86_400_000).contains(millis));
            if millis.is_none() {
                told(INTERVAL, &format!("`{text}` is not a number of milliseconds from 1000 to 86400000"));
            }
            millis
        });
        Some(Self {
            endpoint: endpoint?,
            headers,
            service: text(SERVICE),
            attributes: attributes?,
            sampler: sampler.ok()?,
            traces,
            metrics,
            metrics_every: Duration::from_millis(interval?),
        })
    }

    /// Who sends it. What the operator says of it wins.
    pub(crate) fn resource(&self, instance: &str) -> Vec<(String, String)> {
        let own = [
            ("service.name", "resly"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", instance),
            ("telemetry.sdk.name", "resly"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ];
        let mut all: BTreeMap<String, String> =
            own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        all.extend(self.attributes.iter().cloned());
        all.extend(self.service.iter().map(|name| ("service.name".to_owned(), name.clone())));
        all.into_iter().collect()
    }
}

fn base_url(text: &str) -> Result<Url, &'static str> {
    // It isn't repeated: it may have a password, which is the mistake then.
    let url = Url::parse(text).map_err(|_| "it is not a URL such as http://127.0.0.1:4318")?;
    let plain = url.username().is_empty() && url.password().is_none();
    let bare = url.query().is_none() && url.fragment().is_none() && url.host_str().is_some();
    match url.scheme() {
        "http" | "https" if plain && bare => Ok(url),
        "http" | "https" => {
            Err("it must be scheme, host, port and path only; a key belongs in OTEL_EXPORTER_OTLP_HEADERS")
        }
        _ => Err("it must begin with http:// or https://"),
    }
}

/// A list as W3C Baggage writes it: `name=value,…`, percent-encoded.
fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(|text| text.into_owned());
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        Some((decoded(name).filter(|name| !name.is_empty())?, decoded(value)?))
    };
    items.map(pair).collect()
}

fn headers(list: &str) -> Result<HeaderMap, &'static str> {
    let pairs = pairs(list).ok_or("`name=value,…` is expected, with what isn't plain percent-encoded")?;
    let header = |(name, value): (String, String)| {
        let name = HeaderName::from_str(&name).ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    let headers: Option<HeaderMap> = pairs.into_iter().map(header).collect();
    headers.ok_or("a name or a value has characters that no HTTP header may carry")
}

fn sampler(name: Option<String>, ratio: Option<String>) -> Result<Sampler, (&'static str, String)> {
    let Some(name) = name else { return Ok(Sampler::default()) };
    let sampler: Sampler = name.parse().map_err(|error: UnknownSampler| (SAMPLER, error.to_string()))?;
    let Some(ratio) = ratio.filter(|_| Sampler::takes_ratio(&name)) else { return Ok(sampler) };
    let share = ratio.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    let share = share.ok_or_else(|| (SAMPLER_ARG, format!("`{ratio}` is not a share from 0 to 1")))?;
    Ok(sampler.with_ratio(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<TelemetryConfig>, Vec<String>) {
        let environment = |name: &str| {
            let found = variables.iter().find(|(have, _)| *have == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let mut mistakes = Vec::new();
        let config = TelemetryConfig::read(&environment, &mut mistakes);
        (config, mistakes)
    }

    #[test]
    fn without_an_endpoint_nothing_is_exported_and_nothing_is_wrong() {
        for variables in [
            &[][..],
            &[(ENDPOINT, "  ")],
            &[(SAMPLER, "sometimes"), (HEADERS, "?")],
            &[(ENDPOINT, "http://127.0.0.1:4318"), ("OTEL_SDK_DISABLED", "True")],
        ] {
            let (config, mistakes) = read(variables);
            assert!(config.is_none() && mistakes.is_empty(), "{variables:?}: {mistakes:?}");
        }
    }

    #[test]
    fn headers_and_attributes_are_decoded_and_the_operator_names_the_service() {
        let (config, mistakes) = read(&[
            (ENDPOINT, "https://otel.example/base/"),
            (HEADERS, "Authorization=Basic%20YTpi, x-team = a"),
            (RESOURCE, "service.name=ignored,deployment.environment.name=staging,note=a%2Cb%3D"),
            (SERVICE, "helpdesk"),
            ("OTEL_METRICS_EXPORTER", "none"),
            (INTERVAL, "5000"),
        ]);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let config = config.unwrap();
        assert_eq!(config.headers["authorization"], "Basic YTpi");
        assert!(config.headers["authorization"].is_sensitive());
        assert_eq!(config.headers["x-team"], "a");
        assert_eq!((config.traces, config.metrics, config.metrics_every), (true, false, Duration::from_secs(5)));
        let resource: BTreeMap<_, _> = config.resource("host-1").into_iter().collect();
        for (name, value) in [
            ("service.name", "helpdesk"),
            ("service.instance.id", "host-1"),
            ("deployment.environment.name", "staging"),
            ("note", "a,b="),
        ] {
            assert_eq!(resource[name], value);
        }
    }

    #[test]
    fn every_mistake_is_told_and_no_secret_is_repeated() {
        let (config, mistakes) = read(&[
            (ENDPOINT, "https://user:hunter2@otel.example"),
            (HEADERS, "authorization=hunter2%0a"),
            (RESOURCE, "hunter2"),
            (PROTOCOL, "grpc"),
            (SAMPLER, "traceidratio"),
            (SAMPLER_ARG, "2"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            (INTERVAL, "soon"),
        ]);
        assert!(config.is_none());
        for name in [ENDPOINT, HEADERS, RESOURCE, PROTOCOL, SAMPLER_ARG, "OTEL_TRACES_EXPORTER", INTERVAL] {
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(&format!("{name}: "))), "{name}: {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), 7, "{mistakes:#?}");
        assert!(!mistakes.concat().contains("hunter2"), "{mistakes:#?}");
    }

    #[test]
    fn an_endpoint_is_a_plain_base_url() {
        for wrong in ["4318", "localhost:4318", "grpc://otel:4317", "http://otel:4318/?key=a"] {
            let (config, mistakes) = read(&[(ENDPOINT, wrong)]);
            assert!(config.is_none() && mistakes.len() == 1, "{wrong}: {mistakes:?}");
        }
        for protocol in ["http/json", "http/protobuf"] {
            assert!(read(&[(ENDPOINT, "http://otel:4318"), (PROTOCOL, protocol)]).0.is_some());
        }
    }
}
