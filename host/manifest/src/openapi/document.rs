//! An OpenAPI document: resolves its references and finds its operations.

use serde_json::{Map, Value};

use super::{ImportError, MOST_BYTES, budget::Budget, swagger};

/// The longest chain of references.
const CHAIN: usize = 16;
/// The most operations that are listed. A person can't look through more.
pub const MOST_OPERATIONS: usize = 5_000;
const MOST_PARAMETERS: usize = 200;
/// The methods of operations. OpenAPI has `query` since 3.2.
const METHODS: [&str; 9] = ["get", "head", "post", "put", "patch", "delete", "options", "trace", "query"];

/// A document of OpenAPI 3.0, 3.1 or 3.2, or one of Swagger 2.0 that was converted.
pub struct Document {
    root: Value,
    budget: Budget,
}

/// An operation of the document.
#[derive(Clone, Copy)]
pub struct Operation<'d> {
    /// The document's key: in lower case, or as written in `additionalOperations`.
    pub method: &'d str,
    pub path: &'d str,
    pub value: &'d Value,
    /// The path item, whose members apply to all its operations.
    pub item: &'d Value,
}

impl Document {
    /// A document for an import.
    ///
    /// # Errors
    /// When it isn't an OpenAPI document of a supported version.
    pub fn new(root: Value) -> Result<Self, ImportError> {
        Self::with_budget(root, Budget::import(MOST_BYTES))
    }

    /// A document for listing its operations.
    ///
    /// # Errors
    /// As [`Document::new`].
    pub fn to_list(root: Value) -> Result<Self, ImportError> {
        Self::with_budget(root, Budget::listing())
    }

    fn with_budget(root: Value, budget: Budget) -> Result<Self, ImportError> {
        let wrong = |message: &str| Err(ImportError::NotOpenApi(message.to_owned()));
        let known = |name: &str, versions: &[&str]| match version(root.get(name)?) {
            found if versions.iter().any(|known| is_of(&found, known)) => Some(Ok(())),
            found => Some(Err(found)),
        };
        let swagger = known("swagger", &["2.0"]);
        match swagger.clone().or_else(|| known("openapi", &["3.0", "3.1", "3.2"])) {
            Some(Ok(())) => {}
            Some(Err(found)) => {
                return wrong(&format!(
                    "OpenAPI 3.0, 3.1 and 3.2 and Swagger 2.0 are read, and this document says `{found}`"
                ));
            }
            None => return wrong("an OpenAPI document is an object with `openapi` (or `swagger`), `info` and `paths`"),
        }
        if !root.get("paths").is_some_and(Value::is_object) {
            return wrong("the document has no `paths`");
        }
        Ok(Self { root: if swagger.is_some() { swagger::convert(root) } else { root }, budget })
    }

    pub fn root(&self) -> &Value {
        &self.root
    }

    /// What all operations may still use.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Follows the references of a value.
    ///
    /// # Errors
    /// Why a reference can't be followed.
    pub fn resolve<'d>(&'d self, mut value: &'d Value) -> Result<&'d Value, String> {
        for _ in 0..CHAIN {
            match reference(value) {
                None => return Ok(value),
                Some(reference) => value = self.follow(reference)?,
            }
        }
        Err(format!("more than {CHAIN} references lead to one another"))
    }

    /// The value that a reference names. References lead within the document only; nothing is fetched.
    ///
    /// # Errors
    /// Why it can't be found.
    pub fn follow(&self, reference: &str) -> Result<&Value, String> {
        let shown = || reference.chars().take(100).collect::<String>();
        if !self.budget.take_text(reference) {
            return Err("the document has more schemas than are looked at".to_owned());
        }
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(format!("`{}` is outside the document; bundle the document into one first", shown()));
        };
        let found = fragment::decode(pointer).and_then(|pointer| self.root.pointer(&pointer));
        found.ok_or_else(|| format!("there is no `{}` in the document", shown()))
    }

    /// Every operation in the order of the document's paths, at most [`MOST_OPERATIONS`].
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.root.get("paths").and_then(Value::as_object);
        let mut found = Vec::new();
        for (path, item) in paths.into_iter().flatten() {
            let Ok(item) = self.resolve(item) else { continue };
            for method in METHODS {
                if let Some(value) = item.get(method).filter(|value| value.is_object()) {
                    if found.len() == MOST_OPERATIONS {
                        return found;
                    }
                    found.push(Operation { method, path, value, item });
                }
            }
            // OpenAPI 3.2 lists methods without a member of their own here.
            let more = item.get("additionalOperations").and_then(Value::as_object);
            for (method, value) in more.into_iter().flatten().filter(|(_, value)| value.is_object()) {
                if found.len() == MOST_OPERATIONS {
                    return found;
                }
                found.push(Operation { method, path, value, item });
            }
        }
        found
    }
}

/// A version as it is written. YAML reads some as numbers.
fn version(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().chars().take(20).collect(),
        other => other.to_string().chars().take(20).collect(),
    }
}

/// Whether a version belongs to `family`, such as `3.1`: it is the same, or has more after a dot or dash.
fn is_of(version: &str, family: &str) -> bool {
    version.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()
}

impl<'d> Operation<'d> {
    /// The name by which it is chosen: its `operationId`, or `GET /path`.
    pub fn name(&self) -> String {
        match self.value.get("operationId").and_then(Value::as_str).filter(|id| !id.trim().is_empty()) {
            Some(id) => id.to_owned(),
            None => self.place(),
        }
    }

    /// `GET /path`.
    pub fn place(&self) -> String {
        format!("{} {}", self.method.to_ascii_uppercase(), self.path)
    }

    /// The operation's parameters, and those of its path that it doesn't override.
    ///
    /// # Errors
    /// Why they can't be read.
    pub fn parameters(&self, document: &'d Document) -> Result<Vec<&'d Map<String, Value>>, String> {
        let mut found: Vec<&Map<String, Value>> = Vec::new();
        let own = [self.value, self.item].into_iter().filter_map(|of| of.get("parameters")?.as_array()).flatten();
        // Repeats count, too, because each one is resolved for each operation.
        for (nth, parameter) in own.enumerate() {
            if nth >= MOST_PARAMETERS {
                return Err(format!("it has more than {MOST_PARAMETERS} parameters"));
            }
            // The comparison with earlier parameters counts, too.
            if !document.budget.take_places(1 + found.len() / 16) {
                break;
            }
            let parameter = document.resolve(parameter)?.as_object().ok_or("a parameter is no object")?;
            let same = |known: &&Map<String, Value>| {
                known.get("name") == parameter.get("name") && known.get("in") == parameter.get("in")
            };
            if !found.iter().any(same) {
                found.push(parameter);
            }
        }
        Ok(found)
    }
}

/// Percent-decoding of a URI fragment (RFC 3986, section 2.1).
mod fragment {
    pub fn decode(text: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        }
        String::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_such_document_says_so() {
        let told = |root: Value| match Document::new(root) {
            Err(ImportError::NotOpenApi(message)) => message,
            _ => panic!("it was taken for one"),
        };
        assert!(told(json!({"swagger": "1.2", "paths": {}})).contains("`1.2`"));
        assert!(told(json!({"openapi": "3.10.0", "paths": {}})).contains("`3.10.0`"));
        assert!(told(json!({"openapi": 3, "paths": {}})).contains("`3`"));
        assert!(told(json!({"openapi": "4.0.0", "paths": {}})).contains("`4.0.0`"));
        assert!(told(json!([])).contains("`paths`"));
        assert!(told(json!({"openapi": "3.1.0"})).contains("`paths`"));
        for sound in [json!("3.0.4"), json!("3.1.1"), json!("3.2.0"), json!(3.1), json!("3.2.0-rc1")] {
            assert!(Document::new(json!({"openapi": sound, "paths": {}})).is_ok(), "{sound}");
        }
        for sound in [json!("2.0"), json!(2.0)] {
            assert!(Document::new(json!({"swagger": sound, "paths": {}})).is_ok(), "{sound}");
        }
    }

    #[test]
    fn references_stay_within_and_end() {
        let document = Document::new(json!({"openapi": "3.0.0",
            "paths": {"/a/{b}": {"get": {"x": 1}}},
            "loop": {"$ref": "#/loop"}, "far": {"$ref": "https://evil.example/x.json"},
            "near": {"$ref": "#/paths/~1a~1%7Bb%7D/get"}}))
        .unwrap();
        let root = document.root();
        assert_eq!(document.resolve(&root["near"]).unwrap()["x"], 1);
        assert!(document.resolve(&root["loop"]).unwrap_err().contains("one another"));
        assert!(document.resolve(&root["far"]).unwrap_err().contains("outside"));
        assert!(document.follow("#/nothing").unwrap_err().contains("no `#/nothing`"));
        assert!(document.follow("#/%zz").is_err());
    }

    #[test]
    fn an_operation_has_its_path_s_parameters_too() {
        let document = Document::new(json!({"openapi": "3.0.0", "paths": {"/a": {
            "parameters": [{"name": "x", "in": "query", "from": "path"}, {"name": "y", "in": "query"}],
            "get": {"parameters": [{"name": "x", "in": "query", "from": "operation"}]}, "post": {"operationId": "make"}}}}))
        .unwrap();
        let operations = document.operations();
        let names: Vec<String> = operations.iter().map(Operation::name).collect();
        assert_eq!(names, ["GET /a", "make"]);
        let parameters = operations[0].parameters(&document).unwrap();
        assert_eq!((parameters.len(), &parameters[0]["from"]), (2, &json!("operation")));
    }
}
