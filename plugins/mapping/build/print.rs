//! Prints a parsed jq definition as jq again, every term in parentheses, and collects the names it calls.

use std::collections::BTreeSet;

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    ops::Cmp,
    path::{Opt, Part, Path},
};

type Names = BTreeSet<String>;

/// The definition's source, and the names of the filters it calls.
pub fn def(def: &Def) -> (String, Vec<String>) {
    let mut names = Names::new();
    let source = print_def(def, &mut names);
    names.remove(def.name);
    (source, names.into_iter().collect())
}

fn print_def(Def { name, args, body }: &Def, names: &mut Names) -> String {
    let args = if args.is_empty() { String::new() } else { format!("({})", args.join("; ")) };
    format!("def {name}{args}: {};", term(body, names))
}

fn term(this: &Term<&'static str>, names: &mut Names) -> String {
    match this {
        Term::Id => ".".to_owned(),
        Term::Recurse => "..".to_owned(),
        Term::Num(number) => (*number).to_owned(),
        Term::Str(format, parts) => {
            let prefix = format.map_or_else(String::new, |format| {
                names.insert(format.to_owned());
                format!("{format} ")
            });
            let parts: String = parts.iter().map(|part| string_part(part, names)).collect();
            format!("({prefix}\"{parts}\")")
        }
        Term::Arr(None) => "[]".to_owned(),
        Term::Arr(Some(inner)) => format!("[{}]", term(inner, names)),
        Term::Obj(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| match value {
                    Some(value) => format!("({}): ({})", term(key, names), term(value, names)),
                    None => bare(term(key, names)),
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Term::Neg(inner) => format!("(-{})", term(inner, names)),
        Term::BinOp(left, op, right) => {
            let (left, right) = (term(left, names), term(right, names));
            let op = match op {
                BinaryOp::Pipe(None) => "|".to_owned(),
                BinaryOp::Pipe(Some(bound)) => format!("as {} |", pattern(bound, names)),
                BinaryOp::Comma => ",".to_owned(),
                BinaryOp::Alt => "//".to_owned(),
                BinaryOp::Or => "or".to_owned(),
                BinaryOp::And => "and".to_owned(),
                BinaryOp::Math(math) => math.as_str().to_owned(),
                BinaryOp::Cmp(cmp) => comparison(cmp).to_owned(),
                BinaryOp::Assign => "=".to_owned(),
                BinaryOp::Update => "|=".to_owned(),
                BinaryOp::UpdateMath(math) => format!("{}=", math.as_str()),
                BinaryOp::UpdateAlt => "//=".to_owned(),
            };
            format!("({left} {op} {right})")
        }
        Term::Label(label, body) => format!("(label {label} | {})", term(body, names)),
        Term::Break(label) => format!("(break {label})"),
        Term::Fold(name, over, bound, steps) => {
            let steps: Vec<String> = steps.iter().map(|step| term(step, names)).collect();
            format!("({name} ({}) as {} ({}))", term(over, names), pattern(bound, names), steps.join("; "))
        }
        Term::TryCatch(body, None) => format!("(try {})", term(body, names)),
        Term::TryCatch(body, Some(catch)) => format!("(try {} catch {})", term(body, names), term(catch, names)),
        Term::IfThenElse(branches, otherwise) => {
            let mut text = String::from("(");
            for (at, (condition, then)) in branches.iter().enumerate() {
                let word = if at == 0 { "if" } else { " elif" };
                text.push_str(&format!("{word} {} then {}", term(condition, names), term(then, names)));
            }
            if let Some(otherwise) = otherwise {
                text.push_str(&format!(" else {}", term(otherwise, names)));
            }
            text.push_str(" end)");
            text
        }
        Term::Def(defs, body) => {
            let defs: Vec<String> = defs.iter().map(|def| print_def(def, names)).collect();
            format!("({} {})", defs.join(" "), term(body, names))
        }
        Term::Call(name, args) => {
            names.insert((*name).to_owned());
            if args.is_empty() {
                return (*name).to_owned();
            }
            let args: Vec<String> = args.iter().map(|arg| term(arg, names)).collect();
            format!("{name}({})", args.join("; "))
        }
        Term::Var(name) => (*name).to_owned(),
        Term::Path(head, Path(parts)) => {
            let mut text = format!("({})", term(head, names));
            for (part, optional) in parts {
                let mut bound =
                    |end: &Option<Term<&'static str>>| end.as_ref().map_or_else(String::new, |end| term(end, names));
                match part {
                    Part::Range(None, None) => text.push_str("[]"),
                    Part::Range(from, to) => text.push_str(&format!("[{}:{}]", bound(from), bound(to))),
                    Part::Index(index) => text.push_str(&format!("[{}]", term(index, names))),
                }
                if matches!(optional, Opt::Optional) {
                    text.push('?');
                }
            }
            text
        }
    }
}

/// A key that is its own value may not stand in parentheses.
fn bare(key: String) -> String {
    key.strip_prefix('(').and_then(|key| key.strip_suffix(')')).map(str::to_owned).unwrap_or(key)
}

fn string_part(part: &StrPart<&'static str, Term<&'static str>>, names: &mut Names) -> String {
    match part {
        StrPart::Str(text) => (*text).to_owned(),
        StrPart::Term(inner) => format!("\\({})", term(inner, names)),
        StrPart::Char(c) => match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c => format!("\\u{:04x}", u32::from(*c)),
        },
    }
}

fn pattern(this: &Pattern<&'static str>, names: &mut Names) -> String {
    match this {
        Pattern::Var(name) => (*name).to_owned(),
        Pattern::Arr(items) => {
            let items: Vec<String> = items.iter().map(|item| pattern(item, names)).collect();
            format!("[{}]", items.join(", "))
        }
        Pattern::Obj(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("({}): {}", term(key, names), pattern(value, names)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn comparison(cmp: &Cmp) -> &'static str {
    match cmp {
        Cmp::Lt => "<",
        Cmp::Le => "<=",
        Cmp::Gt => ">",
        Cmp::Ge => ">=",
        Cmp::Eq => "==",
        Cmp::Ne => "!=",
    }
}
