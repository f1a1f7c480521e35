//! Which feature of a plan a route needs. A plan without it can still read, and take away, what there is.

use http::Method;
use resly_core::plan::Feature;
use resly_service::plans::{FeatureError, LacksFeature};

use super::problem::{Problem, kinds, members::ProblemPlan};

/// The feature that a request needs, by its route.
pub fn needed(method: &Method, route: &str) -> Option<Feature> {
    if route.starts_with("/rest/") {
        return Some(Feature::Rest);
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::DELETE) {
        return None;
    }
    Some(match route {
        "/api/chat" => Feature::Chat,
        "/api/search" => Feature::Search,
        "/api/admin/connectors"
        | "/api/admin/connectors/import"
        | "/api/admin/connectors/{id}/versions/{version}/approve" => Feature::CustomConnectors,
        "/api/admin/webhook"
        | "/api/admin/webhook/rotate"
        | "/api/admin/webhook/test"
        | "/api/admin/webhook/deliveries/{id}/replay" => Feature::Webhooks,
        "/api/admin/crawls" | "/api/admin/crawls/{id}/run" => Feature::Crawls,
        "/api/admin/sources/files" => Feature::Documents,
        _ => return None,
    })
}

impl From<LacksFeature> for Problem {
    fn from(lacks: LacksFeature) -> Self {
        let detail = lacks.to_string();
        let LacksFeature { feature, plans } = lacks;
        Self::new(&kinds::PLAN_LACKS_FEATURE, detail).with(|members| {
            members.feature = Some(feature);
            members.plans = Some(plans.into_iter().map(|(id, title)| ProblemPlan { id, title }).collect());
        })
    }
}

impl From<FeatureError> for Problem {
    fn from(error: FeatureError) -> Self {
        match error {
            FeatureError::Lacks(lacks) => lacks.into(),
            FeatureError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::router::openapi_document;

    #[test]
    fn every_feature_is_needed_by_routes_that_there_are() {
        let document: serde_json::Value = serde_json::from_str(openapi_document()).unwrap();
        let mut needing = BTreeSet::new();
        let mut routes = BTreeSet::new();
        for (route, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                let method: Method = method.to_ascii_uppercase().parse().unwrap();
                if let Some(feature) = needed(&method, route) {
                    needing.insert(feature);
                    routes.insert(route.clone());
                }
            }
        }
        assert_eq!(needing.into_iter().collect::<Vec<_>>(), Feature::ALL);
        assert_eq!(routes.len(), 14, "a route that this file names is gone: {routes:?}");
        assert_eq!(needed(&Method::GET, "/api/admin/webhook"), None);
        assert_eq!(needed(&Method::GET, "/rest/v1/{table}"), Some(Feature::Rest));
    }
}
