use super::*;

fn texts(text: &str, language: Language, kind: Kind) -> Vec<String> {
    analyze(text, language).into_iter().filter(|token| token.kind == kind).map(|token| token.text).collect()
}

#[test]
fn identifiers_are_found_whole_and_in_parts() {
    for (text, parts) in [
        ("AB-1234/5", &["ab-1234/5", "ab-1234", "ab", "1234", "5"][..]),
        ("v2.10.3,", &["v2.10.3"]),
        ("(Node.js)", &["node.js", "node", "js", "nodejs"]),
        ("0800/123456.", &["0800/123456", "0800", "123456"]),
        ("€4.90", &["€4.90", "4.90"]),
        ("4,90€", &["4,90€", "4,90", "4.90"]),
        ("E_CONN_42:", &["e_conn_42", "conn", "42"]),
        ("C++,", &["c++", "c"]),
        ("C#", &["c#", "c"]),
        ("(.NET)", &[".net", "net"]),
        ("<john@example.com>", &["john@example.com", "john", "example.com", "example"]),
        (
            "https://docs.example.com/a/b",
            &["https://docs.example.com/a/b", "docs.example.com", "https", "docs", "example"],
        ),
        ("Wi-Fi", &["wi-fi", "wifi", "wi", "fi"]),
        ("don’t", &["don't", "dont"]),
    ] {
        let found: Vec<String> = analyze(text, Language::English)
            .into_iter()
            .filter(|token| token.kind.field() == Field::Words)
            .map(|token| token.text)
            .collect();
        for part in parts {
            assert!(found.iter().any(|token| token == part), "{part} of {text}: {found:?}");
        }
    }
}

#[test]
fn scripts_without_spaces_have_grams_and_words() {
    assert_eq!(texts("取消订阅", Language::Chinese, Kind::Exact), ["取消", "消订", "订阅"]);
    assert_eq!(texts("取消订阅", Language::Chinese, Kind::Stem), ["取消", "订阅"]);
    assert_eq!(texts("税", Language::Chinese, Kind::Exact), ["税"]);
    assert_eq!(texts("ค่าจัดส่ง", Language::Thai, Kind::Stem), ["ค่า", "จัด", "ส่ง"]);
}
