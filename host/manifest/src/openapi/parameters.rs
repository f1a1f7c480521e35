//! The parameters of an operation: adds each to the action's input, and puts a template into its place in the request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    budget::Inlined,
    document::{Document, Operation},
    names::{line, member, unique},
    schema::{Direction, inline},
    shape::{Shape, parts, shape_of},
};
use crate::manifest::{is_host_header, is_member, is_token};

/// How deep the members of a `deepObject` are written out, and how many parameters a query may have.
const DEEP: usize = 3;
const MOST_QUERY: usize = 200;
/// The most bytes of a name that grows by its members' names. A longer one would be repeated for each of them.
const LONGEST: usize = 1_000;

/// The action's input while it is built.
#[derive(Default)]
pub struct Input {
    pub properties: Map<String, Value>,
    pub required: Vec<String>,
    taken: BTreeSet<String>,
    pub warnings: Vec<String>,
}

impl Input {
    /// Adds a member. Returns its name.
    pub fn add(&mut self, name: &str, schema: Value, required: bool) -> String {
        let name = unique(member(name), &mut self.taken);
        self.properties.insert(name.clone(), schema);
        if required {
            self.required.push(name.clone());
        }
        name
    }

    pub fn schema(self) -> Value {
        let mut schema = json!({"type": "object", "properties": self.properties, "additionalProperties": false});
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        schema
    }
}

/// The templates in the request.
#[derive(Default)]
pub struct ParameterPlaces {
    pub path: String,
    pub query: Map<String, Value>,
    pub headers: Map<String, Value>,
    pub separators: Separators,
}

/// The separators of lists that are sent as one value, as in `request.separators`.
#[derive(Default)]
pub struct Separators {
    pub query: Map<String, Value>,
    pub headers: Map<String, Value>,
}

/// The parameters that carry the connection's credential. The host adds them itself.
#[derive(Default)]
pub struct CredentialParameters {
    pub headers: Vec<String>,
    pub query: Vec<String>,
}

/// Places every parameter of an operation.
///
/// # Errors
/// Why a required parameter can't be sent.
pub fn place(
    document: &Document,
    operation: Operation<'_>,
    carriers: &CredentialParameters,
    input: &mut Input,
) -> Result<ParameterPlaces, String> {
    let parameters = operation.parameters(document)?;
    let text =
        |parameter: &Map<String, Value>, name: &str| parameter.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut placed =
        ParameterPlaces { path: path(document, operation, &parameters, input)?, ..ParameterPlaces::default() };
    for parameter in parameters {
        let (Some(name), Some(place)) = (text(parameter, "name"), text(parameter, "in")) else { continue };
        document.budget().take_text(&name);
        let required = parameter.get("required") == Some(&Value::Bool(true));
        let told = match place.as_str() {
            "query" => query(document, parameter, &name, required, carriers, input, &mut placed),
            "header" => header(document, parameter, &name, required, carriers, input, &mut placed),
            "path" => Ok(()),
            _ => Err(format!("the {} parameter `{}` can't be sent", line(&place, 20), line(&name, 60))),
        };
        match told {
            Ok(()) => {}
            Err(message) if required => return Err(message),
            Err(message) => input.warnings.push(format!("{message}; it is left out")),
        }
    }
    Ok(placed)
}

/// The path with a template for each name in it.
fn path(
    document: &Document,
    operation: Operation<'_>,
    parameters: &[&Map<String, Value>],
    input: &mut Input,
) -> Result<String, String> {
    if operation.path.contains('#') {
        return Err("its path has a `#`, and what comes after one is never sent".to_owned());
    }
    let bad = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
    if !operation.path.starts_with('/') || operation.path.contains(bad) || operation.path.contains("{{") {
        return Err("its path is none that a URL can have".to_owned());
    }
    let mut made = String::new();
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    let mut rest = operation.path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("its path has a `{` without its `}`")?;
        // Searching the parameters counts toward the budget, too.
        if !document.budget().take_places(1 + parameters.len() / 16) {
            break;
        }
        let declared = parameters.iter().find(|parameter| {
            parameter.get("in").is_some_and(|place| place == "path")
                && parameter.get("name").is_some_and(|known| known == name)
        });
        let (schema, shape) = declared.map_or_else(
            || (json!({"type": "string"}), Shape::Scalar),
            |parameter| (described(document, parameter, input), shape_of(document, schema_of(parameter), 0)),
        );
        // A list is one segment. The runner writes it with commas.
        let style = declared.and_then(|parameter| parameter.get("style")?.as_str()).unwrap_or("simple");
        if style != "simple" || shape == Shape::Object {
            return Err(format!("the path parameter `{}` isn't a plain value", line(name, 60)));
        }
        // A name that occurs twice is one input.
        let value = values.entry(name).or_insert_with(|| format!("input.{}", input.add(name, schema, true)));
        made.push_str(before);
        made.push_str(&format!("{{{{ {value} }}}}"));
        rest = after;
    }
    made.push_str(rest);
    if made.contains('}') && !made.contains("}}") {
        return Err("its path has a `}` without its `{`".to_owned());
    }
    Ok(made)
}

fn query(
    document: &Document,
    parameter: &Map<String, Value>,
    name: &str,
    required: bool,
    carriers: &CredentialParameters,
    input: &mut Input,
    placed: &mut ParameterPlaces,
) -> Result<(), String> {
    let ParameterPlaces { query, separators, .. } = placed;
    if name.is_empty() || carriers.query.iter().any(|carrier| carrier.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let shown = line(name, 60);
    let room = |query: &Map<String, Value>| query.len() < MOST_QUERY;
    if !room(query) {
        return Err(format!("the query parameter `{shown}` is one too many"));
    }
    let schema = schema_of(parameter);
    let shape = shape_of(document, schema, 0);
    let style = parameter.get("style").and_then(Value::as_str).unwrap_or("form");
    let explode = parameter.get("explode").and_then(Value::as_bool).unwrap_or(style == "form");
    if parameter.contains_key("content") {
        let value = placed_as(document, parameter, name, required, input);
        let template = format!("{{{{ {value} | tojson if {value} is defined }}}}");
        query.insert(name.to_owned(), json!(template));
        return Ok(());
    }
    let separator = match style {
        "deepObject" => {
            let value = placed_as(document, parameter, name, required, input);
            let mut deep = Deep { document, query, cut: false };
            deep.place(schema, name, &value, 0);
            if deep.cut {
                input.warnings.push(format!("of the query parameter `{shown}`, not all members can be sent"));
            }
            return Ok(());
        }
        style => separator(style)
            .ok_or_else(|| format!("the query parameter `{shown}` is in the style `{}`", line(style, 30)))?,
    };
    if shape == Shape::Object {
        if style != "form" || !explode {
            return Err(format!("the query parameter `{shown}` is an object"));
        }
        // Each member of the object is a parameter of its own.
        let value = placed_as(document, parameter, name, required, input);
        for (member, _) in properties(document, schema) {
            if room(query)
                && !carriers.query.iter().any(|carrier| carrier.eq_ignore_ascii_case(&member))
                && let Some(place) = within(&value, &member)
            {
                query.entry(member).or_insert(json!(format!("{{{{ {place} }}}}")));
            }
        }
        return Ok(());
    }
    let value = placed_as(document, parameter, name, required, input);
    // A list repeats the name unless it has a separator.
    if !explode && shape != Shape::Scalar {
        separators.query.insert(name.to_owned(), json!(separator));
    }
    query.insert(name.to_owned(), json!(format!("{{{{ {value} }}}}")));
    Ok(())
}

fn header(
    document: &Document,
    parameter: &Map<String, Value>,
    name: &str,
    required: bool,
    carriers: &CredentialParameters,
    input: &mut Input,
    placed: &mut ParameterPlaces,
) -> Result<(), String> {
    let ParameterPlaces { headers, separators, .. } = placed;
    // Left out: headers that OpenAPI says to ignore, that carry the credential, or that the host sets.
    let ignored = ["accept", "content-type", "authorization", "accept-encoding"];
    let lower = name.to_ascii_lowercase();
    let carried = carriers.headers.iter().any(|carrier| carrier.eq_ignore_ascii_case(name));
    if ignored.contains(&lower.as_str()) || carried || is_host_header(name) {
        return Ok(());
    }
    let shape = shape_of(document, schema_of(parameter), 0);
    if !is_token(name) || shape == Shape::Object || headers.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(format!("the header `{}` can't be sent", line(name, 60)));
    }
    let style = parameter.get("style").and_then(Value::as_str).unwrap_or("simple");
    let separator = separator(style)
        .ok_or_else(|| format!("the header `{}` is in the style `{}`", line(name, 60), line(style, 30)))?;
    let value = placed_as(document, parameter, name, required, input);
    if shape != Shape::Scalar {
        separators.headers.insert(name.to_owned(), json!(separator));
    }
    headers.insert(name.to_owned(), json!(format!("{{{{ {value} }}}}")));
    Ok(())
}

/// Writes out `name[member]` for each member of an object in the query.
struct Deep<'a> {
    document: &'a Document,
    query: &'a mut Map<String, Value>,
    cut: bool,
}

impl Deep<'_> {
    fn place(&mut self, schema: &Value, name: &str, value: &str, depth: usize) {
        if self.query.len() >= MOST_QUERY || name.len() > LONGEST {
            self.cut = true;
            return;
        }
        let shape = shape_of(self.document, schema, 0);
        let members = properties(self.document, schema);
        // A value that may be a scalar, a list or an object is sent by its actual type.
        match shape {
            Shape::Scalar => self.add(name, &format!("{{{{ {value} }}}}")),
            Shape::List => self.add(&format!("{name}[]"), &format!("{{{{ {value} }}}}")),
            Shape::Any => {
                self.add(name, &format!("{{{{ {value} if {value} is not mapping and {value} is not sequence }}}}"));
                self.add(&format!("{name}[]"), &format!("{{{{ {value} if {value} is sequence }}}}"));
            }
            Shape::Object => {}
        }
        if members.is_empty() {
            self.cut |= shape == Shape::Object;
            return;
        }
        for (member, schema) in members {
            if !self.document.budget().take_places(1) {
                return;
            }
            match within(value, &member).filter(|_| depth < DEEP) {
                Some(place) => self.place(schema, &format!("{name}[{member}]"), &place, depth + 1),
                None => self.cut = true,
            }
        }
    }

    fn add(&mut self, name: &str, template: &str) {
        self.query.insert(name.to_owned(), json!(template));
    }
}

/// Adds a parameter to the input. Returns its name in templates.
fn placed_as(
    document: &Document,
    parameter: &Map<String, Value>,
    name: &str,
    required: bool,
    input: &mut Input,
) -> String {
    let schema = described(document, parameter, input);
    format!("input.{}", input.add(name, schema, required))
}

/// The template expression of a value's member. `None` when a template can't name it.
fn within(value: &str, name: &str) -> Option<String> {
    if is_member(name) {
        return Some(format!("{value}.{name}"));
    }
    let plain = !name.is_empty()
        && name.len() <= 100
        && !name.contains(['"', '\\', '{', '}'])
        && !name.contains(char::is_control);
    plain.then(|| format!("{value}[\"{name}\"]"))
}

/// The separator of lists with a style. `tabDelimited` is Swagger's `tsv`.
pub fn separator(style: &str) -> Option<&'static str> {
    match style {
        "form" | "simple" => Some(","),
        "spaceDelimited" => Some(" "),
        "pipeDelimited" => Some("|"),
        "tabDelimited" => Some("\t"),
        _ => None,
    }
}

fn schema_of(parameter: &Map<String, Value>) -> &Value {
    let content = || parameter.get("content")?.as_object()?.values().next()?.get("schema");
    parameter.get("schema").or_else(content).unwrap_or(&Value::Null)
}

/// A parameter's schema with its description. Adds a warning about what was cut.
fn described(document: &Document, parameter: &Map<String, Value>, input: &mut Input) -> Value {
    let Inlined { mut schema, recursive, cut, .. } = inline(document, schema_of(parameter), Direction::Request);
    if recursive || cut {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
        let why = if recursive { "contains itself" } else { "is large" };
        input.warnings.push(format!("the schema of the parameter `{}` {why}: it is left open there", line(name, 60)));
    }
    let description = parameter.get("description").and_then(Value::as_str).map(|text| line(text, 300));
    if let (Some(members), Some(description)) = (schema.as_object_mut(), description.filter(|text| !text.is_empty())) {
        members.insert("description".to_owned(), json!(description));
    }
    schema
}

/// The properties that a schema declares, including those of its branches.
pub fn properties<'d>(document: &'d Document, schema: &'d Value) -> Vec<(String, &'d Value)> {
    fn gather<'d>(document: &'d Document, schema: &'d Value, depth: usize, found: &mut Vec<(String, &'d Value)>) {
        if !document.budget().take_places(1) {
            return;
        }
        let Ok(schema) = document.resolve(schema) else { return };
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let budget = document.budget();
            if found.len() >= MOST_QUERY || !budget.take_places(found.len() / 16) || !budget.take_text(name) {
                return;
            }
            if !found.iter().any(|(known, _)| known == name) {
                found.push((name.clone(), property));
            }
        }
        if depth < 4 {
            for part in parts(schema).take(16) {
                gather(document, part, depth + 1, found);
            }
        }
    }
    let mut found = Vec::new();
    gather(document, schema, 0, &mut found);
    found
}
