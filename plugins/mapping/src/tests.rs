//! jq as mappings have it: the whole pure language, bounded, exact, and nothing of the host's.

use jaq_core::{data::JustLut, load};
use jaq_json::Val;

use super::{jq, prelude, read::read};

fn json(filter: &str, input: &str) -> serde_json::Value {
    serde_json::from_str(&jq::apply(filter, input.to_owned()).unwrap()).unwrap()
}

#[test]
fn one_output_is_itself_several_are_an_array_none_is_null() {
    assert_eq!(json(".a", r#"{"a": 1}"#), serde_json::json!(1));
    assert_eq!(json(".[]", "[1, 2]"), serde_json::json!([1, 2]));
    assert_eq!(json("empty", "1"), serde_json::Value::Null);
}

#[test]
fn a_usual_filter_reaches_no_definition() {
    let reached = prelude::reached(".data | {id, title, plan: .plan.nickname}");
    assert_eq!(reached.sources, "");
    assert!((0..3).all(|library| !prelude::wants(&reached.names, library)));
    assert_eq!(
        json(".data | {id, plan: .plan.name}", r#"{"data": {"id": "1", "plan": {"name": "Pro"}, "x": 2}}"#),
        serde_json::json!({"id": "1", "plan": "Pro"})
    );
}

type Compiled = jaq_core::compile::Filter<jaq_core::Native<JustLut<Val>>>;

/// A filter on top of jaq's own library, whole and as its authors wrote it.
fn whole(filter: &str) -> Result<Compiled, jq::Failure> {
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    // What is left out can't be compiled, so neither can what calls it.
    let kept = definitions.filter(|def| prelude::BY_NAME.iter().any(|(name, _)| *name == def.name));
    jq::compile(filter, kept.collect::<Vec<_>>(), (0..3).flat_map(jq::natives))
}

/// A filter on top of what it reaches.
fn cut(filter: &str) -> Result<Compiled, jq::Failure> {
    let reached = prelude::reached(filter);
    let sources: &'static str = reached.sources.leak();
    let definitions = load::parse(sources, |parser| parser.defs()).unwrap();
    let natives = (0..3).flat_map(jq::natives).filter(|(name, ..)| reached.names.contains(name));
    jq::compile(filter, definitions, natives)
}

#[test]
fn every_definition_behaves_as_in_the_whole_library() {
    const INPUTS: [&str; 9] = [
        "null",
        "true",
        "-3.5",
        "\"a,b 2026-11-23T10:00:00Z\"",
        "[3,1,[2,null]]",
        r#"{"b":[1,{"c":2}],"a":"x"}"#,
        "[[1,2],[3,4]]",
        r#"[{"key":"k","value":1},{"key":"l","value":2}]"#,
        "17",
    ];
    let mut compared = 0;
    for def in jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()) {
        // With these arguments they would never end.
        if matches!(def.name, "until" | "combinations") {
            continue;
        }
        for argument in [".", "1", "\"a\"", ".[0]"] {
            let call = match (def.name, def.args.len()) {
                (format, 0) if format.starts_with('@') => format!("{format}, {format} \"<\\({argument})>\""),
                (name, 0) => name.to_owned(),
                (name, arity) => format!("{name}({})", vec![argument; arity].join("; ")),
            };
            // Some never end by themselves.
            let filter = format!("[limit(20; try ({call}) catch \"failed\")]");
            let (cut, whole) = match (cut(&filter), whole(&filter)) {
                (Ok(cut), Ok(whole)) => (cut, whole),
                (Err(_), Err(_)) => continue,
                (cut, whole) => panic!("{filter}: {:?} {:?}", cut.err(), whole.err()),
            };
            for input in INPUTS {
                let input = || read(input, 64).unwrap();
                assert_eq!(jq::run(&cut, input()), jq::run(&whole, input()), "{filter} on {}", input());
                compared += 1;
            }
        }
    }
    assert!(compared > 4_000, "{compared}");
}

#[test]
fn what_is_left_out_is_what_reaches_the_host() {
    let kept = |name: &str| prelude::BY_NAME.iter().any(|(kept, _)| *kept == name);
    let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let mut left: Vec<&str> = all.map(|def| def.name).filter(|name| !kept(name)).collect();
    left.dedup();
    assert_eq!(left, ["stderr", "debug", "halt", "halt_error"]);
}

#[test]
fn operators_need_no_definition() {
    let input = r#"{"a": [1, {"b": "x"}], "n": 2}"#;
    for (filter, output) in [
        ("[..] | length", "6"),
        (".a[1].b? // \"none\"", "\"x\""),
        (".nothing // 1", "1"),
        ("[.a[] | numbers]", "[1]"),
        (".n += 1 | .n", "3"),
        (".a[0:1]", "[1]"),
        ("-(.n)", "-2"),
        ("\"n is \\(.n)\"", "\"n is 2\""),
        ("@base64 \"<\\(.n)>\"", "\"<Mg==>\""),
        ("reduce .a[0:1][] as $x (0; . + $x)", "1"),
        ("[foreach (1, 2) as $x (0; . + $x)]", "[1,3]"),
        ("label $out | 1, break $out, 2", "1"),
        ("try error(\"no\") catch .", "\"no\""),
        (". as {a: [$x], $n} | [$x, $n]", "[1,2]"),
        ("if .n > 1 and (.n == 2 or false) then \"yes\" elif . then 1 else 2 end", "\"yes\""),
        ("def f(x): x * 2; f(.n)", "4"),
        ("del(.a) | to_entries", r#"[{"key":"n","value":2}]"#),
        ("{n, \"m\": 1, (\"k\" + \"l\"): 2, @base64 \"x\": 3}", r#"{"n":2,"m":1,"kl":2,"x":3}"#),
        ("[.a[1].b | test(\"X\"; \"i\"), ascii_upcase]", r#"[true,"X"]"#),
        ("1700000000 | todate", "\"2023-11-14T22:13:20Z\""),
        ("[limit(3; repeat(1))] | add", "3"),
        ("[paths] | length", "5"),
    ] {
        assert_eq!(jq::apply(filter, input.to_owned()).as_deref(), Ok(output), "{filter}");
    }
}

#[test]
fn nothing_reaches_out_of_the_sandbox() {
    for filter in [
        "env",
        "$ENV",
        "now",
        "halt",
        "halt(1)",
        "halt_error",
        "debug",
        "debug(1)",
        "stderr",
        "input",
        "[inputs]",
        "localtime",
        "import \"a\" as a; .",
        "$__prog_args",
    ] {
        assert!(jq::apply(filter, "null".to_owned()).is_err(), "{filter}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let failure = jq::apply(".a | nosuch(1)", "null".to_owned()).unwrap_err();
    assert_eq!(failure.offset, Some(5), "{failure:?}");
    assert!(jq::apply(".a | ", "null".to_owned()).unwrap_err().offset.is_some());
    assert!(jq::apply(".", "{".to_owned()).unwrap_err().message.contains("not JSON"));
    assert!(jq::apply("error(\"x\")", "1".to_owned()).unwrap_err().message.contains('x'));
}

#[test]
fn depth_and_outputs_are_bounded() {
    let lists = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let message = |filter: &str, input: &str| jq::apply(filter, input.to_owned()).unwrap_err().message;
    assert!(jq::apply(".", lists(jq::DEEPEST)).is_ok());
    assert!(message(".", &lists(jq::DEEPEST + 1)).contains("nests too deep"));
    assert!(jq::apply(&lists(jq::DEEPEST_FILTER), "1".to_owned()).is_ok());
    assert!(message(&lists(jq::DEEPEST_FILTER + 1), "1").contains("deeper"));
    assert!(message(&vec!["."; jq::DEEPEST_FILTER + 2].join(" | "), "1").contains("deeper"));
    assert!(message("reduce range(1000) as $x (0; [.])", "1").contains("nests too deep"));
    assert!(message("range(100000)", "1").contains("outputs"));
    assert!(message("\"x\" * 5000000", "1").contains("bytes"));
}

#[test]
fn a_wide_filter_is_not_a_deep_one() {
    let members: Vec<String> = (0..200).map(|n| format!("m{n}: .a.b")).collect();
    let wide = format!("{{{}}}", members.join(", "));
    assert!(jq::apply(&wide, "null".to_owned()).is_ok());
    let members: Vec<String> = (0..200).map(|n| format!("\"m-{n}/(x)\": (.a // .b | .c)")).collect();
    let wide = format!("{{{}}} # and - so | on{}", members.join(", "), " | -".repeat(50));
    assert!(jq::apply(&wide, "null".to_owned()).is_ok());
    let interpolated = format!("\"{}\"", "\\(.a + 1) - ".repeat(200));
    assert!(jq::apply(&interpolated, "null".to_owned()).is_ok());
}

#[test]
fn numbers_keep_their_digits() {
    assert_eq!(jq::apply(".", "123456789012345678901234567890".to_owned()).unwrap(), "123456789012345678901234567890");
    assert_eq!(jq::apply(".", "1.10".to_owned()).unwrap(), "1.10");
}
