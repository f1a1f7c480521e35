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
        ("0800 123 456", &["0800", "0800123456", "456"]),
        ("wi fi", &["wifi", "wi", "fi"]),
        ("getUserById", &["getuserbyid", "user"]),
        ("2.10.3", &["2.10.3", "2.10", "10"]),
        ("v2.10.3", &["v2.10.3", "2.10.3"]),
        ("docs.example.com", &["docs.example.com", "example.com", "docs"]),
        ("l’abonnement", &["l'abonnement", "abonnement"]),
        ("1.234,50 €", &["1.234,50", "1234.50"]),
        ("10GB", &["10gb", "10", "gb"]),
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

/// A question and a text share a token of a field.
fn meets(query: &str, text: &str, language: Language) -> bool {
    let have = analyze(text, language);
    let mut asks = analyze(query, language).into_iter().filter(|token| token.kind.asks());
    asks.any(|token| have.iter().any(|other| other.kind.field() == token.kind.field() && other.text == token.text))
}

#[test]
fn questions_find_their_words() {
    use Language::*;
    for (language, query, text) in [
        (English, "cafe", "the café"),
        (English, "café", "the cafe"),
        (English, "email", "by e-mail"),
        (English, "e-mails", "your email"),
        (English, "wifi", "Wi-Fi"),
        (English, "wi fi", "wifi"),
        (English, "wifi", "wi fi"),
        (English, "login", "log in"),
        (English, "nodejs", "Node.js"),
        (English, "4,90", "€4.90"),
        (English, "0800123456", "0800/123456"),
        (English, "customers", "the customer’s"),
        (German, "Kündigung", "die Kündigungsfrist"),
        (German, "Frist", "die Kündigungsfrist"),
        (German, "Fristen", "die Kündigungsfrist"),
        (German, "Kündigungsfrist", "eine Kündigung"),
        (German, "kuendigung", "Kündigung"),
        (German, "Kuendigungen", "die Kündigungsfrist"),
        (German, "Kuendigungsfristen", "eine Kündigung"),
        (German, "Strasse", "Straße"),
        (German, "Email Adresse", "E-Mail-Adresse"),
        (German, "Beiträge", "Versicherungsbeitrag"),
        (Dutch, "nummer", "bestelnummer"),
        (Swedish, "kostnader", "fraktkostnad"),
        (French, "abonnements", "l'abonnement"),
        (French, "abonnement", "L’ABONNEMENT"),
        (Italian, "ordini", "dell'ordine"),
        (Turkish, "istanbul", "İSTANBUL’da"),
        (Turkish, "iade", "iadeler"),
        (Romanian, "tara", "țară"),
        (Romanian, "ţară", "țară"),
        (Greek, "συνδρομη", "ΣΥΝΔΡΟΜΉ"),
        (Greek, "συνδρομές", "η συνδρομή"),
        (Russian, "елка", "ёлка"),
        (Arabic, "اشتراك", "الاشتراك"),
        (Arabic, "فاتوره", "فَاتُورَة"),
        (Persian, "كتاب", "کتاب"),
        (Hebrew, "מנוי", "הַמָּנוּי"),
        (Hebrew, "דואל", "דוא\"ל"),
        (Hebrew, "דוא״ל", "דוא\"ל"),
        (Hindi, "कीमत", "क़ीमतों"),
        (Vietnamese, "dong", "đồng"),
        (Chinese, "订阅", "取消订阅费用"),
        (Japanese, "解約", "自動解約機能"),
        (Japanese, "ﾊﾞｲﾄ", "アルバイト"),
        (Thai, "จัดส่ง", "ค่าจัดส่งสินค้า"),
        (Korean, "처리방침", "개인정보처리방침"),
        (Unknown, "refunds", "refund"),
    ] {
        assert!(meets(query, text, language), "{query} doesn't find {text}: {:#?}", analyze(text, language));
    }
    for (language, query, text) in [
        (English, "refund", "order"),
        (German, "Kunden", "Kündigungsfrist"),
        (German, "Rechnung", "Kündigungsfrist"),
        (Chinese, "退款", "订阅"),
    ] {
        assert!(!meets(query, text, language), "{query} finds {text}");
    }
}

#[test]
fn positions_make_phrases() {
    let positions = |text: &str, kind: Kind| -> Vec<(String, u32)> {
        let tokens = analyze(text, Language::English).into_iter();
        tokens.filter(|token| token.kind == kind).map(|token| (token.text, token.position)).collect()
    };
    let words: Vec<(String, u32)> =
        [("wi-fi", 0), ("wi", 0), ("fi", 1), ("router", 2)].map(|(w, n)| (w.to_owned(), n)).into();
    let mut found = positions("Wi-Fi router", Kind::Exact);
    found.sort_by_key(|(text, position)| (*position, std::cmp::Reverse(text.len())));
    assert_eq!(found, words);
    let found = positions("取消订阅 now", Kind::Exact);
    assert_eq!(found.last().unwrap(), &("now".to_owned(), 4));
}

#[test]
fn function_words_stay_in_a_text_and_ask() {
    assert_eq!(texts("What is the", Language::English, Kind::Exact), ["what", "is", "the"]);
}
