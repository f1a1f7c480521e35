//! jq as mappings have it: the whole pure language, bounded, exact, and nothing of the host's.

use super::jq;

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
fn filters_of_every_kind() {
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
    let stages = |n: u16| vec!["."; usize::from(n)].join(" | ");
    assert!(jq::apply(&stages(jq::DEEPEST_TREE), "1".to_owned()).is_ok());
    assert!(message(&stages(jq::DEEPEST_TREE + 1), "1").contains("deeper"));
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
