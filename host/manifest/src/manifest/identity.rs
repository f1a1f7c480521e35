//! The bytes that identify a manifest. Two manifests that differ only in the order of JSON members have the same.

use serde_json::Value;

use super::Manifest;

impl Manifest {
    /// JSON for a digest. A manifest's own members have a fixed order, and its free-form JSON is sorted.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn identity(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut manifest = serde_json::to_value(self)?;
        for pointer in ["/settings", "/test/input"] {
            sort(&mut manifest, pointer);
        }
        for at in 0..self.actions.len() {
            for member in ["input", "output", "request", "response", "pagination"] {
                sort(&mut manifest, &format!("/actions/{at}/{member}"));
            }
        }
        for at in 0..self.fixtures.len() {
            for member in ["match/json", "response/json"] {
                sort(&mut manifest, &format!("/fixtures/{at}/{member}"));
            }
        }
        serde_json::to_vec(&manifest)
    }
}

fn sort(manifest: &mut Value, pointer: &str) {
    if let Some(value) = manifest.pointer_mut(pointer) {
        value.sort_all_objects();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_makes_no_other_manifest() {
        let read = |request: Value, fixture: Value| -> Manifest {
            serde_json::from_value(
                json!({"id": "x", "name": "X", "version": "1.0.0", "actions": [{"id": "a", "title": "A",
                "description": "A.", "request": request}], "fixtures": [{"match": {"json": fixture}, "response": {}}]}),
            )
            .unwrap()
        };
        let one = read(json!({"url": "https://a.example", "query": {"z": 1, "a": 2}}), json!({"b": 1, "a": 2}));
        let other = read(json!({"query": {"a": 2, "z": 1}, "url": "https://a.example"}), json!({"a": 2, "b": 1}));
        assert_eq!(one.identity().unwrap(), other.identity().unwrap());
        let third = read(json!({"url": "https://a.example", "query": {"z": 1, "a": 3}}), json!({"b": 1, "a": 2}));
        assert_ne!(one.identity().unwrap(), third.identity().unwrap());
        // Its own members stay as the struct has them, as they were stored before.
        assert!(
            String::from_utf8(one.identity().unwrap()).unwrap().starts_with("{\"id\":\"x\",\"name\":\"X\",\"version\"")
        );
    }
}
