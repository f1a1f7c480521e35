//! What holds for every text.

use proptest::prelude::*;

use super::*;

/// Words and sentences of many scripts, and what looks like words.
const WORDS: &[&[&str]] = &[
    &["refund", "Subscription", "can't", "Wi-Fi", "sign-in", "O'Brien", "naïve", "iPhone", "HTTP", "e-mail's"],
    &["Kündigungsfrist", "Straße", "STRASSE", "Größe", "Fußgänger-Übergang", "Rückgaberecht", "z.B."],
    &["l’abonnement", "déjà", "façon", "œuvre", "aujourd'hui", "señor", "coração", "città"],
    &["İstanbul'da", "ılık", "IŞIK", "aboneliğimi", "çoğu", "și", "ţară", "înapoi", "łódź", "đồng", "hủy", "được"],
    &["συνδρομής", "ΟΔΟΣ", "ακύρωση", "Άδεια", "Πώς"],
    &["подписку", "ещё", "Ёлка", "ВОЗВРАТ", "підписку", "їжа", "объект"],
    &["الاشتراك", "اشتراكي", "فَاتُورَة", "مـــرحبا", "إلغاء", "کتاب", "می\u{200c}خواهم"],
    &["הַמִּנּוּי", "מנוי", "צה״ל", "דוא\"ל", "לבטל"],
    &["क़ीमत", "सदस्यता", "रद्द", "करूँ", "हिन्दी", "বাতিল", "ரத்து", "రద్దు"],
    &["ยกเลิก", "การสมัครสมาชิก", "ค่าจัดส่ง", "ที่", "ทำไม", "น้ำ"],
    &["ຍົກເລີກ", "ສະມາຊິກ", "ແນວໃດ", "ပယ်ဖျက်", "အဖွဲ့ဝင်", "លុបចោល", "សមាជិក", "ខ្ញុំ"],
    &["取消订阅", "退款", "数据库管理系统", "税", "運費", "機械学習", "キャンセル", "ﾊﾞｲﾄ", "解約する", "ありがとう"],
    &["구독을", "환불", "개인정보처리방침", "취소하나요", "ჩემი", "բաժանորդագրություն", "ሰላም"],
    &["AB-1234/5", "v2.10.3", "Node.js", "0800/123456", "€4.90", "4,90€", "E_CONN_42", "C++", "C#", ".NET", "20%"],
    &["john@example.com", "https://docs.example.com/a/b", "getUserById", "ＡＢＣ１２", "٣٤٥", "m²", "x86_64", "#42"],
];
const GAPS: &[&str] =
    &[" ", " ", " ", ", ", ". ", "\n", " (", ") ", "? ", "。", "、", "؟ ", " – ", "\u{a0}", "\"", "\u{3000}"];

fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(WORDS.concat()).prop_map(str::to_owned);
    prop_oneof![
        8 => known,
        1 => "[\\p{L}\\p{M}\\p{N}]{1,12}",
        1 => "[a-zA-Z0-9._/:@#+'%,$-]{1,16}",
        1 => "[一-龥ぁ-んァ-ヴー]{1,8}",
        1 => "[ก-ูเ-์]{1,9}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec((word(), prop::sample::select(GAPS)), 1..14)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(word, gap)| [word, gap.to_owned()]).collect())
}

fn language() -> impl Strategy<Value = Language> {
    prop::sample::select(Language::ALL)
}

/// The exact tokens of a query, each of which must be in the text.
#[track_caller]
fn assert_found(query: &str, within: Range<usize>, text: &str, asked: Language, written: Language) {
    let have: std::collections::HashSet<String> = analyze(text, written)
        .into_iter()
        .filter(|token| token.kind.field() == Field::Words)
        .map(|token| token.text)
        .collect();
    let asks = analyze(query, asked);
    let exact = asks.iter().filter(|token| token.kind == Kind::Exact);
    for token in exact.filter(|token| within.start <= token.offset.start && token.offset.end <= within.end) {
        assert!(have.contains(&token.text), "{:?} of {query:?} isn't in {text:?}: {have:?}", token.text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// The guarantee of [`super`] for words between white space, alone and within a sentence.
    #[test]
    fn a_word_between_spaces_is_found(text in text(), pick: prop::sample::Index, asked in language(), written in language()) {
        let words: Vec<&str> = text.split_whitespace().collect();
        prop_assume!(!words.is_empty());
        let word = words[pick.index(words.len())];
        assert_found(word, 0..word.len(), &text, asked, written);
        let sentence = format!("please, where is {word} now");
        assert_found(&sentence, 17..17 + word.len(), &text, asked, written);
        // What has letters or digits asks for something.
        let seen = |c: &char| class(*c) == Class::Word || matches!(class(*c), Class::Unspaced(_));
        if word.chars().any(|c| seen(&c)) {
            prop_assert!(analyze(word, asked).iter().any(|token| token.kind == Kind::Exact), "{word:?} asks for nothing");
        }
    }

    /// In scripts without spaces, whatever is cut out between two characters.
    #[test]
    fn any_piece_without_spaces_is_found(
        text in prop::collection::vec(prop::sample::select(WORDS[9..12].concat()), 1..9),
        from: prop::sample::Index,
        length in 1..12_usize,
    ) {
        let text = text.concat();
        let units: Vec<usize> = text.char_indices().filter(|(_, c)| !chars::continues_unit(*c)).map(|(at, _)| at).collect();
        let start = from.index(units.len());
        let end = units.get(start + length).copied().unwrap_or(text.len());
        // Where one script follows another, a word ends.
        let piece = &text[units[start]..end];
        let script = class(piece.chars().next().unwrap_or_default());
        let other = piece.find(|c| class(c) != script && !chars::continues_unit(c));
        let piece = &piece[..other.unwrap_or(piece.len())];
        assert_found(piece, 0..piece.len(), &text, Language::Unknown, Language::Thai);
    }

    /// What the words of `icu_segmenter` are, in any script.
    #[test]
    fn a_segmented_word_is_found(
        words in prop::collection::vec((prop::sample::select(WORDS.concat()), prop::sample::select(GAPS)), 1..9),
        language in language(),
    ) {
        let text: String = words.into_iter().flat_map(|(word, gap)| [word, gap]).collect();
        let segmenter = icu_segmenter::WordSegmenter::new_dictionary(Default::default());
        let bounds: Vec<usize> = segmenter.segment_str(&text).collect();
        for pair in bounds.windows(2) {
            let word = &text[pair[0]..pair[1]];
            // A mark that is cut from its letter is no word.
            let whole = |at: usize| text[at..].chars().next().is_none_or(|c| !chars::continues_unit(c));
            if whole(pair[0]) && whole(pair[1]) && word.chars().any(char::is_alphanumeric) {
                let have: Vec<String> = analyze(&text, language).into_iter().map(|token| token.text).collect();
                for token in analyze(word, language).iter().filter(|token| token.kind == Kind::Exact) {
                    prop_assert!(have.contains(&token.text), "{:?} of {word:?} isn't in {text:?}: {have:?}", token.text);
                }
            }
        }
    }

    /// Tokens are in order and within the text, none is empty, none is twice.
    #[test]
    fn tokens_are_in_order(text in prop_oneof![text(), any::<String>()], language in language()) {
        let tokens = analyze(&text, language);
        prop_assert!(tokens.is_sorted_by_key(|token| token.position));
        for (n, token) in tokens.iter().enumerate() {
            prop_assert!(!token.text.is_empty() && text.get(token.offset.clone()).is_some(), "{token:?}");
            let twice = tokens[n + 1..].iter().take_while(|other| other.position == token.position)
                .any(|other| other.kind.field() == token.kind.field() && other.text == token.text);
            prop_assert!(!twice, "{token:?}");
        }
        detect(&text);
    }

    /// No algorithm panics on what isn't a word.
    #[test]
    fn stemmers_take_any_word(
        word in "[a-zàáâãäåæçèéêëìíîïñòóôõöøùúûüýăîșțşţğıőű']{1,30}|[aeiouydlnrst]{1,12}|[α-ωάέήίόύώϊϋΐΰς]{1,30}|[а-яё]{1,30}|[\u{b82}-\u{bcd}]{1,30}|[ء-ي]{1,30}|[a-zа-яα-ω\u{300}-\u{36f}]{1,12}",
    ) {
        for language in Language::ALL.iter().filter(|language| language.snowball().is_some()) {
            analyze(&word, *language);
        }
    }

    /// Case, composition and invisible characters make no difference.
    #[test]
    fn writings_of_a_word_are_the_same(word in prop::sample::select(WORDS.concat())) {
        use unicode_normalization::UnicodeNormalization;
        let exact = |text: &str| -> Vec<String> {
            let tokens = analyze(text, Language::Unknown).into_iter();
            tokens.filter(|token| token.kind == Kind::Exact).map(|token| token.text).collect()
        };
        prop_assert_eq!(exact(word), exact(&word.nfd().collect::<String>()));
        prop_assert_eq!(exact(word), exact(&word.nfc().collect::<String>()));
        prop_assert_eq!(exact(word), exact(&format!("\u{feff}{word}\u{200b}")));
    }
}

/// A megabyte of anything takes bounded time and tokens.
#[test]
fn hostile_texts_are_bounded() {
    const SIZE: usize = 1 << 20;
    let repeated = |piece: &str| piece.repeat(SIZE / piece.len());
    for piece in [
        "a",
        "A",
        "1",
        "é",
        "\u{301}",
        "a\u{301}",
        "\u{200b}",
        "字",
        "ก",
        "ก\u{e48}",
        "ខ្",
        "aя",
        "字a",
        "กa",
        "aB",
        "a1",
        "'",
        "a'",
        "a-",
        "a.",
        "1.",
        "1,",
        "/a",
        "@",
        "-",
        "_a",
        "가",
        "ا",
        "ال",
        "kündigungs",
        "frist-",
        "İ",
        "ﷺ",
        "\u{1f926}\u{200d}",
        " ",
        "\u{fe0f}",
        "ー",
        "ﾞ",
        "\u{5b0}",
    ] {
        let text = repeated(piece);
        let tokens = analyze(&text, Language::German);
        let bytes: usize = tokens.iter().map(|token| token.text.len()).sum();
        assert!(tokens.len() <= 4 * SIZE && bytes <= 24 * SIZE, "{piece:?}: {} tokens, {bytes} bytes", tokens.len());
        assert!(tokens.iter().all(|token| token.text.len() <= 8 * LONGEST_WORD), "{piece:?}");
        detect(&text);
    }
}

/// `cargo test --release -p resly-search -- --ignored --nocapture speed`
#[test]
#[ignore = "a measure, not a test"]
fn speed() {
    let texts = [
        (
            Language::English,
            "How do I get a refund? You can cancel your subscription in the account settings at any time. ",
        ),
        (
            Language::German,
            "Die Kündigungsfrist beträgt vier Wochen; danach endet der Vertrag mit der letzten Rechnung. ",
        ),
        (Language::Russian, "Вы можете отменить подписку в настройках учётной записи в любое время. "),
        (Language::Arabic, "يمكنك إلغاء اشتراكك في أي وقت من إعدادات الحساب. "),
        (Language::Hindi, "आप खाता सेटिंग में किसी भी समय अपनी सदस्यता रद्द कर सकते हैं। "),
        (Language::Chinese, "您可以随时在账户设置中取消订阅，退款将在五个工作日内到账。"),
        (Language::Japanese, "アカウント設定からいつでも解約することができます。"),
        (Language::Thai, "คุณสามารถยกเลิกการสมัครสมาชิกได้ตลอดเวลาในการตั้งค่าบัญชี "),
        (Language::Korean, "계정 설정에서 언제든지 구독을 취소할 수 있습니다. "),
        (
            Language::English,
            "See https://docs.example.com/a/b or mail john@example.com about E_CONN_42 in v2.10.3 (getUserById). ",
        ),
    ];
    for (language, sentence) in texts {
        let text = sentence.repeat((1 << 20) / sentence.len());
        let (seconds, tokens) = measure(1, || analyze(&text, language));
        let (query, _) = measure(2000, || analyze(sentence, language));
        let (detected, _) = measure(2000, || detect(sentence));
        println!(
            "{language}: {:.1} MB/s, {:.2} tokens a byte; a sentence {:.1} us, its language {:.1} us",
            text.len() as f64 / 1e6 / seconds,
            tokens.len() as f64 / text.len() as f64,
            query * 1e6,
            detected * 1e6,
        );
    }
}

/// The processor time of a run in seconds, which other processes don't add to.
fn measure<T>(runs: u32, run: impl Fn() -> T) -> (f64, T) {
    let spent = || -> f64 {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    };
    let mut last = std::hint::black_box(run());
    let start = spent();
    for _ in 0..runs {
        last = std::hint::black_box(run());
    }
    ((spent() - start) / f64::from(runs), last)
}
