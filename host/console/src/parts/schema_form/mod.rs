//! A form made from a JSON Schema: settings of a connection, the input of an action.
//!
//! Objects, values to choose from, booleans, numbers, texts with formats and lists of simple values have fields.
//! Anything else is a text area of JSON. A field's name is the path that mistakes name, such as `settings.region`, so
//! what the validator says appears beside its field.

mod draw;
mod read;
mod shape;

use maud::Markup;
use resly_service::FieldError;
use serde_json::Value;

use crate::fields::Fields;

/// A form of one schema. Its values lie under `prefix`.
pub struct SchemaForm<'s> {
    root: shape::Node<'s>,
}

/// What the fields show.
pub enum Filled<'f> {
    /// A value that is stored, or the schema's defaults where it says nothing.
    Value(&'f Value),
    /// What was typed, after a form with mistakes.
    Typed(&'f Fields),
}

impl<'s> SchemaForm<'s> {
    pub fn new(prefix: &str, schema: &'s Value) -> Self {
        Self { root: shape::root(prefix, schema) }
    }

    /// Whether there is nothing to fill in.
    pub fn is_empty(&self) -> bool {
        matches!(&self.root.shape, shape::Shape::Object(fields) if fields.is_empty())
    }

    /// The fields, each with its mistake. Mistakes that belong to no field come first.
    pub fn draw(&self, filled: &Filled<'_>, mistakes: &[FieldError]) -> Markup {
        draw::form(&self.root, filled, mistakes)
    }

    /// The value that a form sent, or what is wrong with its fields. The schema's other rules are the use case's.
    pub fn read(&self, fields: &Fields) -> Result<Value, Vec<FieldError>> {
        read::value(&self.root, fields)
    }

    /// Whether a mistake is about a value of this form.
    pub fn covers(&self, mistake: &FieldError) -> bool {
        shape::is_within(&mistake.path, &self.root.path)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["shop", "level"], "additionalProperties": false,
            "properties": {
                "shop": {"type": "string", "title": "Store", "maxLength": 60, "examples": ["acme"]},
                "level": {"type": "integer", "minimum": 1, "maximum": 5},
                "rate": {"type": "number"},
                "region": {"enum": ["eu", "us"], "default": "eu"},
                "verify_email": {"type": "boolean", "default": true, "description": "Ask for it."},
                "strict": {"type": "boolean"},
                "site": {"type": "string", "format": "uri"},
                "note": {"type": "string", "maxLength": 5000},
                "recipients": {"type": "array", "items": {"type": "string"}},
                "days": {"type": "array", "items": {"enum": ["mon", "tue"]}},
                "codes": {"type": "array", "items": {"type": "integer"}},
                "address": {"type": "object", "required": ["city"], "properties": {
                    "city": {"type": "string"}, "zip": {"type": "string"}, "main": {"type": "boolean"}}},
                "anything": {"oneOf": [{"type": "string"}, {"type": "object"}]},
                "rows": {"type": "array", "items": {"type": "object"}},
            }
        })
    }

    fn typed(pairs: &[(&str, &str)]) -> Fields {
        Fields::of(pairs)
    }

    #[test]
    fn each_kind_of_value_is_read() {
        let schema = schema();
        let form = SchemaForm::new("settings", &schema);
        let fields = typed(&[
            ("settings.shop", " acme "),
            ("settings.level", "3"),
            ("settings.rate", "1.5"),
            ("settings.region", "us"),
            ("settings.strict", "no"),
            ("settings.note", "a\n b"),
            ("settings.recipients", "a@b.example\n\n c@d.example "),
            ("settings.days", "tue"),
            ("settings.codes", "7\n8"),
            ("settings.address.city", "Bern"),
            ("settings.address.main", "yes"),
            ("settings.anything", r#"{"a": [1]}"#),
        ]);
        let expected = json!({
            "shop": "acme", "level": 3, "rate": 1.5, "region": "us", "verify_email": false, "strict": false,
            "note": "a\n b", "recipients": ["a@b.example", "c@d.example"], "days": ["tue"], "codes": [7, 8],
            "address": {"city": "Bern", "main": true}, "anything": {"a": [1]},
        });
        assert_eq!(form.read(&fields).unwrap().to_string(), expected.to_string());
    }

    #[test]
    fn every_mistake_is_told_at_its_field() {
        let schema = schema();
        let form = SchemaForm::new("settings", &schema);
        let fields = typed(&[
            ("settings.level", "many"),
            ("settings.rate", "1,5"),
            ("settings.region", "moon"),
            ("settings.days", "sun"),
            ("settings.codes", "7\nx"),
            ("settings.address.zip", "3000"),
            ("settings.rows", "[{"),
        ]);
        let mistakes = form.read(&fields).unwrap_err();
        let mut paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
        paths.sort_unstable();
        let expected = [
            "settings.address.city",
            "settings.codes",
            "settings.days",
            "settings.level",
            "settings.rate",
            "settings.region",
            "settings.rows",
            "settings.shop",
        ];
        assert_eq!(paths, expected, "{mistakes:?}");
        let drawn = form.draw(&Filled::Typed(&fields), &mistakes).into_string();
        assert_eq!(drawn.matches(r#"class="mistake""#).count(), 8, "{drawn}");
        assert!(drawn.contains(r#"value="many""#) && drawn.contains("1,5"), "what was typed stays: {drawn}");
    }

    #[test]
    fn what_is_empty_is_absent() {
        let schema = schema();
        let form = SchemaForm::new("settings", &schema);
        let least = form.read(&typed(&[("settings.shop", "a"), ("settings.level", "1")])).unwrap();
        assert_eq!(least, json!({"shop": "a", "level": 1, "verify_email": false}));
    }

    #[test]
    fn stored_values_and_defaults_are_shown() {
        let schema = schema();
        let form = SchemaForm::new("settings", &schema);
        let stored =
            json!({"shop": "\"><script>", "recipients": ["a", "b"], "address": {"city": "Bern"}, "rows": [{}]});
        let drawn = form.draw(&Filled::Value(&stored), &[]).into_string();
        for part in
            ["&quot;&gt;&lt;script&gt;", "a\nb", r#"value="Bern""#, r#"<option value="eu" selected>"#, "Verify email"]
        {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert!(drawn.contains(r#"name="settings.verify_email" value="on" checked"#), "{drawn}");
        assert!(!drawn.contains("<script>"), "{drawn}");
    }

    #[test]
    fn what_the_validator_says_of_an_item_is_shown_at_its_field() {
        let schema = schema();
        let form = SchemaForm::new("settings", &schema);
        let mistakes = [
            FieldError::new("settings.recipients[1]", "too long"),
            FieldError::new("settings", "one of them is needed"),
        ];
        let drawn = form.draw(&Filled::Value(&json!({})), &mistakes).into_string();
        assert!(drawn.contains(r#"id="f-settings.recipients-error""#), "{drawn}");
        assert!(drawn.starts_with(r#"<p class="notice bad""#), "{drawn}");
        assert!(mistakes.iter().all(|mistake| form.covers(mistake)));
        assert!(!form.covers(&FieldError::new("name", "")));
    }

    #[test]
    fn a_schema_without_properties_has_no_fields_unless_it_takes_any() {
        assert!(SchemaForm::new("input", &json!({"type": "object"})).is_empty());
        let open = json!({"type": "object", "additionalProperties": true});
        let form = SchemaForm::new("input", &open);
        assert!(!form.is_empty());
        assert_eq!(form.read(&typed(&[("input", r#"{"a": 1}"#)])).unwrap(), json!({"a": 1}));
        assert_eq!(form.read(&typed(&[])).unwrap(), json!({}));
    }
}
