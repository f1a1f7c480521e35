//! jq.

use resly_core::connector::fault::FaultKind;
use resly_plugin_mapping::jq::{DEEPEST, DEEPEST_FILTER};
use resly_tests::guest::Guests;
use serde_json::json;

use crate::{BRACKETS, nested};

async fn kind(guests: &Guests, filter: &str, input: &str) -> Option<FaultKind> {
    guests.map(filter, input).await.result.err().map(|fault| fault.kind)
}

#[tokio::test]
async fn the_deepest_input_that_is_allowed_fits_its_stack() {
    let guests = Guests::load().unwrap();
    // What comes out may be as deep as what went in: `flatten?` puts an object into a list.
    let filters =
        [".", "[..] | length", "walk(.)", "tojson | fromjson", "[paths] | length", "flatten? | 1", ". == (. | .)"];
    for (open, close) in BRACKETS {
        let (deepest, deeper) = (nested(DEEPEST, open, close), nested(DEEPEST + 1, open, close));
        for filter in filters {
            assert_eq!(kind(&guests, filter, &deepest).await, None, "{filter} on {open}");
            assert_eq!(kind(&guests, filter, &deeper).await, Some(FaultKind::Mapping), "{filter} on {open}");
        }
    }
}

#[tokio::test]
async fn the_deepest_filter_that_is_allowed_fits_its_stack() {
    let guests = Guests::load().unwrap();
    let shapes: [fn(usize) -> String; 24] = [
        |n| nested(n, "[", "]"),
        |n| nested(n, "(", ")"),
        |n| nested(n, "{a:", "}"),
        |n| nested(n, "map(", ")"),
        |n| nested(n, "\"\\(", ")\""),
        |n| nested(n, ".[", "]?"),
        |n| nested(n, "if . then ", " else 2 end"),
        |n| nested(n, "def f: ", "; f"),
        |n| nested(n, "reduce .[]? as $x (", "; .)"),
        |n| format!("def f(x): x; {}", nested(n, "f(", ")")),
        |n| format!("if false then 1 {} else 3 end", "elif false then 2 ".repeat(n)),
        |n| format!("{}1", ". as $x | ".repeat(n)),
        |n| format!("{}1", "label $x | ".repeat(n)),
        |n| format!("{}1", "-".repeat(n)),
        |n| format!("{}error", "try ".repeat(n)),
        |n| format!(".{}", "[0]?".repeat(n.min(1_000))),
        |n| vec!["."; n].join("|"),
        |n| vec!["."; n].join("+"),
        |n| vec![".a?"; n].join("//"),
        |n| vec!["true"; n].join(" and "),
        |n| format!("[{}]", vec!["."; n].join(",")),
        |n| format!("\"{}\"", "\\(.a?)".repeat(n)),
        |n| format!("{{{}}}", (0..n).map(|n| format!("m{n}: .a?")).collect::<Vec<_>>().join(",")),
        |n| format!("{}1{}", "(.a? // (".repeat(n / 2), "))".repeat(n / 2)),
    ];
    for shape in shapes {
        for levels in [DEEPEST_FILTER / 2, DEEPEST_FILTER - 2, DEEPEST_FILTER * 2, 1_000, 8_000] {
            let filter = shape(levels);
            let kind = kind(&guests, &filter, "{}").await;
            assert!(matches!(kind, None | Some(FaultKind::Mapping)), "{filter:.60} × {levels}: {kind:?}");
        }
    }
}

#[tokio::test]
async fn what_a_filter_makes_for_itself_ends_in_a_typed_fault() {
    // A value that a filter builds, and a recursion of its own, are as deep as it likes.
    let guests = Guests::load().unwrap();
    for filter in [
        "def f(n): if n == 0 then 0 else 1 + f(n - 1) end; f(100000)",
        "reduce range(100000) as $i (0; [.]) | length",
        "reduce range(100000) as $i (0; [.])",
        "reduce range(100000) as $i (0; {a: .}) | tojson | length",
        "def f: [f]; f",
        "[limit(100000000; repeat(1))] | length",
        "\"x\" * 100000000 | length",
    ] {
        let outcome = guests.map(filter, "null").await;
        let kind = outcome.result.as_ref().err().map(|fault| fault.kind);
        assert!(
            matches!(
                kind,
                None | Some(
                    FaultKind::Mapping | FaultKind::Trap | FaultKind::Fuel | FaultKind::Memory | FaultKind::TooLarge
                )
            ),
            "{filter}: {kind:?}"
        );
        // The sandbox is none the worse for it.
        assert_eq!(guests.map(".", "7").await.result.unwrap(), "7");
    }
}

/// A response as services send it, of 4 KB: the same as the benchmark's.
fn response_of_4_kb() -> String {
    let items: Vec<_> = (0..45)
        .map(|n| {
            let stock = json!({"here": n, "there": 0});
            json!({"sku": format!("sku-{n}"), "price": n * 3 % 50, "title": "A thing that is sold", "stock": stock})
        })
        .collect();
    json!({"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}, "items": items}}).to_string()
}

#[tokio::test]
async fn usual_mappings_burn_little_fuel() {
    // Fuel is deterministic. The bounds are what these burn, and a tenth.
    let guests = Guests::load().unwrap();
    let input = response_of_4_kb();
    for (filter, most) in [
        (".data | {id, name, plan: .plan.name}", 420_000),
        (".data | {id, name, plan: .plan.name, items: [.items[] | {sku, price}]}", 680_000),
        (".data.items | map(select(.price > 10)) | sort_by(.price) | .[:5]", 660_000),
        ("[.data.items[] | select(.title | test(\"thing\")) | .sku] | join(\",\")", 1_970_000),
        ("reduce .data.items[] as $item ({}; .[$item.sku] += $item.price)", 770_000),
        ("[limit(10; .data.items[].price)] | add", 710_000),
    ] {
        let outcome = guests.map(filter, &input).await;
        assert!(outcome.result.is_ok(), "{filter}: {:?}", outcome.result);
        assert!(outcome.cost.fuel <= most, "{filter} burns {}", outcome.cost.fuel);
    }
}
