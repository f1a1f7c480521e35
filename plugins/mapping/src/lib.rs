//! The bundled `mapper` component: jq by jaq, without host effects. It exports what a connector imports, and the host
//! runs it in an instance of its own on the caller's fuel.

pub mod jq;
pub mod prelude;

#[cfg(target_arch = "wasm32")]
mod component {
    #![allow(unsafe_code, clippy::allow_attributes, unused_qualifications, reason = "generated")]

    wit_bindgen::generate!({ path: "../../wit", world: "mapper" });

    struct Mapper;

    impl exports::resly::connector::mapping::Guest for Mapper {
        fn apply(filter: String, input: String) -> Result<String, exports::resly::connector::mapping::Failure> {
            crate::jq::apply(&filter, &input).map_err(|failure| exports::resly::connector::mapping::Failure {
                message: failure.message,
                offset: failure.offset.and_then(|offset| u32::try_from(offset).ok()),
            })
        }
    }

    export!(Mapper);
}

#[cfg(test)]
mod tests {
    use super::{jq, prelude};

    fn json(filter: &str, input: &str) -> serde_json::Value {
        serde_json::from_str(&jq::apply(filter, input).unwrap()).unwrap()
    }

    #[test]
    fn one_output_is_itself_several_are_an_array_none_is_null() {
        assert_eq!(json(".a", r#"{"a": 1}"#), serde_json::json!(1));
        assert_eq!(json(".[]", "[1, 2]"), serde_json::json!([1, 2]));
        assert_eq!(json("empty", "1"), serde_json::Value::Null);
    }

    #[test]
    fn a_usual_filter_reaches_no_definition() {
        let (_, sources) = prelude::reached(".data | {id, title, plan: .plan.nickname}");
        assert_eq!(sources, "");
        assert_eq!(
            json(".data | {id, plan: .plan.name}", r#"{"data": {"id": "1", "plan": {"name": "Pro"}, "x": 2}}"#),
            serde_json::json!({"id": "1", "plan": "Pro"})
        );
    }

    /// Each definition, with arguments that fit its arity, does on its own what it does on top of all of them.
    #[test]
    fn every_definition_behaves_as_with_the_whole_library() {
        let all: String = prelude::DEFINITIONS.iter().map(|definition| definition.source).collect();
        let inputs = [
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
        for definition in prelude::DEFINITIONS {
            // With these arguments they would never end.
            if matches!(definition.name, "until" | "combinations") {
                continue;
            }
            let head = definition.source.trim_start_matches("def ");
            let (head, _) = head.split_once(':').unwrap();
            let arity = head.matches(';').count() + usize::from(head.contains('('));
            for argument in [".", "1", "\"a\"", ".[0]"] {
                let call = if arity == 0 {
                    definition.name.to_owned()
                } else {
                    format!("{}({})", definition.name, vec![argument; arity].join("; "))
                };
                // Some never end by themselves.
                let filter = format!("[limit(20; try ({call}) catch \"failed\")]");
                let (_, few) = prelude::reached(&filter);
                let with = |sources: &str| jq::compile(&filter, sources, |_| true);
                let (few, all) = match (with(&few), with(&all)) {
                    (Ok(few), Ok(all)) => (few, all),
                    (few, all) => panic!("{filter}: {:?} {:?}", few.err(), all.err()),
                };
                for input in inputs {
                    let parse = || jaq_json::read::parse_single(input.as_bytes()).unwrap();
                    assert_eq!(jq::run(&few, parse()), jq::run(&all, parse()), "{filter} on {input}");
                }
            }
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
            assert!(jq::apply(filter, "null").is_err(), "{filter}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let failure = jq::apply(".a | nosuch(1)", "null").unwrap_err();
        assert_eq!(failure.offset, Some(5), "{failure:?}");
        assert!(jq::apply(".a | ", "null").unwrap_err().offset.is_some());
        assert!(jq::apply(".", "{").unwrap_err().message.contains("not JSON"));
        assert!(jq::apply("error(\"x\")", "1").unwrap_err().message.contains('x'));
    }

    #[test]
    fn depth_and_outputs_are_bounded() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(jq::apply(".", &deep(jq::DEEPEST)).is_ok());
        assert!(jq::apply(".", &deep(jq::DEEPEST + 1)).unwrap_err().message.contains("deeper"));
        assert!(jq::apply(&deep(jq::DEEPEST + 1), "1").unwrap_err().message.contains("deeper"));
        assert!(jq::apply("range(100000)", "1").unwrap_err().message.contains("outputs"));
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(jq::apply(".", "123456789012345678901234567890").unwrap(), "123456789012345678901234567890");
        assert_eq!(jq::apply(".", "1.10").unwrap(), "1.10");
    }
}
