//! What was typed into the builder. Rows that are blank are left out, so that a row's number is its place in the
//! definition.

use crate::fields::Fields;

/// The most rows of a kind.
const MOST: usize = 100;

/// A struct of texts that a form has under a prefix.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $field:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { $($(#[$about])* pub $field: String),* }

        impl $name {
            fn read(fields: &Fields, prefix: &str) -> Self {
                let text = |name: &str| fields.raw(&format!("{prefix}{name}")).trim_end().to_owned();
                Self { $($field: text(stringify!($field))),* }
            }
        }
    )*};
}

texts! {
    /// The connector itself.
    Basics {
        name, id, version, description,
        /// One a line.
        hosts,
        /// The type of its authentication, and what the types need.
        auth, key_in, key_name, key_prefix, authorize_url, token_url, scopes,
        test_action, test_input,
    }
    /// A setting, or a parameter of an action.
    Parameter { name, kind, about, default, required }
    /// An action but its rows.
    ActionTexts {
        id, title, description, side_effect,
        method, url,
        /// `name: value`, one a line.
        headers, query,
        body_type, body,
        mapping,
        /// How further pages are found, and what that needs.
        pagination, items, param, next, max_pages,
    }
    /// What an answer means that isn't a success.
    Rule { status, fault, message }
    /// What the sandbox answers.
    Answer { method, path, status, body }
}

/// An action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActionForm {
    pub texts: ActionTexts,
    pub parameters: Vec<Parameter>,
    pub rules: Vec<Rule>,
}

/// The whole form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuilderForm {
    pub basics: Basics,
    pub settings: Vec<Parameter>,
    pub actions: Vec<ActionForm>,
    pub answers: Vec<Answer>,
}

impl BuilderForm {
    /// What the page begins with.
    pub fn begin() -> Self {
        let basics = Basics { version: "1.0.0".to_owned(), auth: "none".to_owned(), ..Basics::default() };
        Self { basics, actions: vec![ActionForm::default()], ..Self::default() }
    }

    pub fn read(fields: &Fields) -> Self {
        let actions = rows(fields, "a", |prefix| {
            let parameters = parameters(fields, &format!("{prefix}p"));
            let rules = rows(fields, &format!("{prefix}e"), |prefix| {
                let rule = Rule::read(fields, prefix);
                (!blank(&[&rule.status, &rule.message])).then_some(rule)
            });
            let texts = ActionTexts::read(fields, prefix);
            let written = !blank(&[&texts.id, &texts.title, &texts.url, &texts.description]);
            let left_out = fields.checked(&format!("{prefix}leave_out"));
            (written && !left_out).then_some(ActionForm { texts, parameters, rules })
        });
        let answers = rows(fields, "f", |prefix| {
            let answer = Answer::read(fields, prefix);
            (!blank(&[&answer.path, &answer.body])).then_some(answer)
        });
        Self { basics: Basics::read(fields, ""), settings: parameters(fields, "s"), actions, answers }
    }
}

fn parameters(fields: &Fields, prefix: &str) -> Vec<Parameter> {
    rows(fields, prefix, |prefix| {
        let parameter = Parameter::read(fields, prefix);
        (!blank(&[&parameter.name, &parameter.about])).then_some(parameter)
    })
}

/// The rows whose fields begin with `prefix`, a number and a dash, without those for which `read` gives nothing.
fn rows<T>(fields: &Fields, prefix: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let prefixes = (0..MOST).map(|at| format!("{prefix}{at}-"));
    let there = |prefix: &String| fields.pairs().any(|(name, _)| name.starts_with(prefix.as_str()));
    prefixes.take_while(there).filter_map(|prefix| read(&prefix)).collect()
}

fn blank(texts: &[&str]) -> bool {
    texts.iter().all(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn blank_rows_are_left_out_and_the_others_move_up() {
        let form = BuilderForm::read(&fields(&[
            ("name", "CRM"),
            ("a0-url", ""),
            ("a0-method", "GET"),
            ("a1-id", "get"),
            ("a1-p0-name", ""),
            ("a1-p0-kind", "string"),
            ("a1-p1-name", "id"),
            ("a1-p1-required", "on"),
            ("a2-id", "gone"),
            ("a2-leave_out", "on"),
            ("f0-path", "/a"),
        ]));
        assert_eq!(form.basics.name, "CRM");
        assert_eq!(form.actions.len(), 1);
        let action = &form.actions[0];
        assert_eq!((action.texts.id.as_str(), action.parameters.len()), ("get", 1));
        assert_eq!((action.parameters[0].name.as_str(), action.parameters[0].required.as_str()), ("id", "on"));
        assert_eq!((form.answers.len(), form.settings.len()), (1, 0));
    }
}
