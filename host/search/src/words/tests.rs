//! The index of words over passages that a test names.

use resly_core::knowledge::{OneWay, PassageText, Synonyms};
use uuid::Uuid;

use super::*;

/// A passage: its source, title, section and text. Its id is its place in the list, from 0.
type Given<'a> = (u128, &'a str, &'a str, &'a str);

fn passages(given: &[Given<'_>]) -> Vec<PassageText> {
    let passage = |(n, (source, title, section, text)): (usize, &Given<'_>)| PassageText {
        id: PassageId(Uuid::from_u128(n as u128)),
        revision: RevisionId(Uuid::from_u128(*source)),
        position: n as u64,
        title: (*title).to_owned(),
        section: (*section).to_owned(),
        text: (*text).to_owned(),
    };
    given.iter().enumerate().map(passage).collect()
}

fn index(given: &[Given<'_>]) -> WordIndex {
    WordsUpdate::open(&Place::Memory, false).unwrap().add(&passages(given)).unwrap().commit().unwrap()
}

fn search(index: &WordIndex, question: &str) -> Vec<u128> {
    index
        .search(question, Typing::Finished, &SynonymIndex::default(), 10, Effort::Whole)
        .unwrap()
        .passages
        .into_iter()
        .map(|passage| passage.0.as_u128())
        .collect()
}

fn texts(texts: &[&str]) -> WordIndex {
    index(&texts.iter().map(|text| (1, "", "", *text)).collect::<Vec<_>>())
}

#[test]
fn stems_match_and_more_is_better() {
    let index = texts(&[
        "A parcel may be late when the weather is bad.",
        "Refunds are paid within five days. A refund goes to the card that paid.",
        "The shop opens at nine. Ask for a refund at the desk.",
        "Our offices are in Lisbon.",
    ]);
    assert_eq!(search(&index, "How do I get REFUNDED?"), [1, 2]);
    assert_eq!(search(&index, "parcels Lisbon").len(), 2, "any word is a match");
    assert!(search(&index, "xylophone").is_empty());
    assert!(search(&index, "").is_empty());
    assert_eq!(
        index.search("refund", Typing::Finished, &SynonymIndex::default(), 1, Effort::Whole).unwrap().passages.len(),
        1
    );
    assert!(
        index
            .search("refund", Typing::Finished, &SynonymIndex::default(), 0, Effort::Whole)
            .unwrap()
            .passages
            .is_empty()
    );
}

#[test]
fn exact_words_come_before_stems_before_parts() {
    let index = texts(&["He connects it now.", "One connection is here.", "It is connected now."]);
    assert_eq!(search(&index, "connection")[0], 1);
    assert_eq!(search(&index, "connected")[0], 2);
}

/// Found by adding sources to a disk that was nearly full. Some of the texts are so short that they pass for another
/// language than the rest, which then came first.
#[test]
fn an_identifier_comes_before_those_that_share_its_letters() {
    let names: Vec<String> = [(3, 1), (5, 13), (6, 9), (7, 9)]
        .into_iter()
        .flat_map(|(round, count)| (0..count).map(move |n| format!("zebra{round}x{n}")))
        .collect();
    let written: Vec<(String, String)> =
        names.iter().map(|name| (format!("About {name}"), format!("A {name} eats grass."))).collect();
    let given: Vec<Given<'_>> = (1..)
        .zip(names.iter().zip(&written))
        .map(|(n, (name, (title, text)))| (n, title.as_str(), name.as_str(), text.as_str()))
        .collect();
    let index = index(&given);
    for (n, name) in (0..).zip(&names) {
        assert_eq!(search(&index, name)[0], n, "{name}");
    }
}

#[test]
fn titles_and_sections_count_more() {
    let index = index(&[
        (1, "Handbook", "Orders", "A warranty is two years, says our warranty page on page two."),
        (1, "Handbook", "Warranty", "Two years for all that we sell and that you keep."),
        (2, "Warranty", "Coverage", "What it covers and what it doesn't, for all that we sell."),
    ]);
    assert_eq!(search(&index, "warranty")[2], 0);
}

#[test]
fn typos_are_forgiven_in_words_that_nothing_has() {
    let index = texts(&["Refunds take five days.", "The delivery is free.", "A card and a cart.", "Ask for the API."]);
    for (typed, found) in [
        ("refnuds", vec![0]),
        ("rfunds", vec![0]),
        ("refundss", vec![0]),
        ("delivrey", vec![1]),
        ("deilvrey", vec![1]),
        ("card", vec![2]),
        ("carr", vec![2]),
        ("aip", vec![]),
        ("elivery", vec![]),
        ("xyzzy refnuds", vec![0]),
    ] {
        assert_eq!(search(&index, typed), found, "{typed}");
    }
}

#[test]
fn words_that_tell_nothing_find_nothing_unless_they_stand_alone() {
    let index = texts(&["What is it that you are about?", "The zebra is here."]);
    assert_eq!(search(&index, "what is the zebra"), [1]);
    assert!(search(&index, "what is the xylophone").is_empty());
    assert_eq!(search(&index, "what is it")[0], 0);
}

#[test]
fn words_that_nothing_has_do_not_spoil_the_rest() {
    let index = texts(&["A red zebra runs.", "A red lion sleeps, red as ever, red all over."]);
    assert_eq!(search(&index, "red zebra xylophone quux")[0], 0, "all that is known counts more than much of one");
}

#[test]
fn a_question_about_something_else_finds_nothing_though_it_shares_a_word() {
    let index = index(&[
        (1, "Help", "Refunds", "Refunds are paid within five good working days, to the card that paid for the order."),
        (1, "Help", "Delivery", "A parcel is near when the courier writes. Good neighbours may take it in."),
        (1, "Help", "Error codes", "The code 4711 means that the parcel came back."),
    ]);
    assert!(search(&index, "best hiking trails near innsbruck").is_empty());
    assert!(search(&index, "translate good morning into Japanese").is_empty());
    // One word of several that is in a heading, or that is long, says what the question is about.
    assert_eq!(search(&index, "bought headphones, want my refund")[0], 0);
    assert_eq!(search(&index, "is the neighbours thing possible")[0], 1);
    // A number tells much where it is known, and nothing where it isn't: it may be that of an order.
    assert_eq!(search(&index, "my display keeps flashing up 4711"), [2]);
    assert!(!search(&index, "parcel 88231234").is_empty());
    // Short questions and mistyped ones.
    assert_eq!(search(&index, "courier")[0], 1);
    assert_eq!(search(&index, "corier")[0], 1);
    // What is being typed is judged when it is whole.
    assert!(
        !index
            .search("translate good morning into Jap", Typing::Unfinished, &SynonymIndex::default(), 5, Effort::Whole)
            .unwrap()
            .passages
            .is_empty()
    );
}

#[test]
fn in_scripts_without_spaces_words_are_judged_and_not_runs_of_characters() {
    let index = texts(&["订单发货以后还可以取消，请联系客服。", "发票可以在账户里下载。"]);
    assert_eq!(search(&index, "买的东西想取消订单"), [0]);
    assert!(search(&index, "1998年世界杯冠军是谁").is_empty());
}

#[test]
fn synonyms_find_what_the_word_itself_finds_a_little_lower() {
    let index = index(&[
        (1, "", "", "Refunds are paid within five days."),
        (1, "", "", "We give your money back in cash."),
        (1, "", "", "Money can be paid in, never out."),
        (1, "", "", "A password has twelve different letters."),
        (1, "", "", "A pass has twelve punched holes."),
    ]);
    let set = |members: &[&str]| members.iter().map(|member| (*member).to_owned()).collect::<Vec<_>>();
    let given = Synonyms {
        sets: vec![set(&["refund", "money back", "退款"])],
        one_way: vec![OneWay { from: "pass".to_owned(), to: set(&["password"]) }],
    };
    let synonyms = SynonymIndex::new(given, index.languages());
    let search = |question: &str| -> Vec<u128> {
        let found = index.search(question, Typing::Finished, &synonyms, 10, Effort::Whole).unwrap().passages;
        found.into_iter().map(|passage| passage.0.as_u128()).collect()
    };
    assert_eq!(search("refunded?"), [0, 1], "a phrase is found whole, and by inflections of the word");
    assert_eq!(search("is my money back")[..2], [1, 0], "the words themselves come first");
    assert_eq!(search("我要退款").len(), 2, "in another language");
    assert_eq!(search("pass"), [4, 3]);
    assert_eq!(search("password"), [3], "one way only");
    let none = SynonymIndex::default();
    assert!(index.search("退款", Typing::Finished, &none, 10, Effort::Whole).unwrap().passages.is_empty());
}

#[test]
fn hostile_synonyms_cost_a_bounded_search() {
    // Each of 16 words is in every passage, and stands for 19 phrases of all of them.
    let words: Vec<String> = ('a'..='p').map(|letter| format!("{letter}word")).collect();
    let all = words.join(" ");
    let given: Vec<Given<'_>> = (0..800).map(|_| (1, "", "", all.as_str())).collect();
    let index = index(&given);
    let turned = |n: usize| [&words[n..], &words[..n]].concat().join(" ");
    let one_way = words.iter().map(|word| OneWay { from: word.clone(), to: (0..16).map(turned).collect() });
    let synonyms = SynonymIndex::new(Synonyms { sets: Vec::new(), one_way: one_way.collect() }, index.languages());
    let question = Question::with_synonyms(&all, index.languages(), |words| synonyms.apply(words));
    let reads: usize = question.words.iter().flat_map(|word| &word.synonyms).map(|phrase| phrase.len()).sum();
    assert_eq!(reads, 16 * 16 * 16, "what it would read without a bound");

    let mut short = Work::new(Effort::Short);
    assert!(matches!(rank::search(&index, &question, 5, &mut short), Err(WordsError::TooLong)));
    let mut whole = Work::new(Effort::Whole);
    let before = whole.left();
    assert_eq!(rank::search(&index, &question, 5, &mut whole).unwrap().passages.len(), 5);
    assert!(whole.left() < before && whole.is_spent(), "{} of {before}", whole.left());
}

#[test]
fn a_rule_is_compared_with_a_bounded_number_of_words() {
    let words: Vec<String> = ('a'..='p').map(|letter| format!("{letter}word")).collect();
    let words = words.join(" ");
    let from = |n: usize| OneWay { from: format!("{words} {n}"), to: vec!["other".to_owned()] };
    let rules = Synonyms { sets: Vec::new(), one_way: (0..1000).map(from).collect() };
    let synonyms = SynonymIndex::new(rules, &[Language::English]);
    let meant = |question: &str| {
        let question = Question::with_synonyms(question, &[Language::English], |words| synonyms.apply(words));
        question.words.iter().map(|word| word.synonyms.len()).max().unwrap()
    };
    assert_eq!(meant(&format!("{words} 900")), 1, "the one that is meant");
    // Each of the 1,000 rules has 17 words.
    assert_eq!(meant(&format!("{words} x {words} 900")), 0, "the rest of a long question has none");
}

#[test]
fn a_heading_that_is_the_question_comes_first() {
    let index = index(&[
        (1, "Docs", "Limits of Resly", "Resly is limited: what Resly is limited by, Resly tells."),
        (1, "Docs", "What is Resly?", "A server that answers."),
        (1, "Docs", "Resly in numbers", "Resly, Resly, Resly."),
    ]);
    assert_eq!(search(&index, "What is Resly?")[0], 1);
}

#[test]
fn of_passages_with_the_same_number_the_one_in_the_questions_language_comes_first() {
    let index = index(&[
        (1, "", "", "The code 4711 tells that the parcel was returned to the shop and will be paid back."),
        (2, "", "", "Der Code 4711 bedeutet, dass das Paket an den Laden zurückging und erstattet wird."),
    ]);
    assert_eq!(search(&index, "Wofür steht denn bitte die Nummer 4711?"), [1, 0]);
    assert_eq!(search(&index, "What is the meaning of 4711?"), [0, 1]);
}

#[test]
fn the_beginning_of_the_last_word_finds_only_when_it_is_being_typed() {
    let index = texts(&["Refunds take five days.", "The delivery is free."]);
    assert!(search(&index, "deliv").is_empty());
    let found =
        index.search("five deliv", Typing::Unfinished, &SynonymIndex::default(), 5, Effort::Whole).unwrap().passages;
    assert_eq!(found.len(), 2);
    assert!(
        index
            .search("deliv ", Typing::Unfinished, &SynonymIndex::default(), 5, Effort::Whole)
            .unwrap()
            .passages
            .is_empty()
    );
}

#[test]
fn equal_passages_are_in_order_of_source_and_position_whatever_the_index_went_through() {
    let zebra = |n: u128| (n, "", "", "A zebra.");
    let fresh = index(&[zebra(3), zebra(3), zebra(2), zebra(1)]);
    assert_eq!(search(&fresh, "zebra"), [3, 2, 0, 1]);

    let given = passages(&[zebra(3), zebra(3), zebra(2), zebra(1), (9, "", "", "A lion, a zebra and a gnu.")]);
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Folder(folder.path().to_owned());
    let update = || WordsUpdate::open(&place, false).unwrap();
    update().add(&given[4..]).unwrap().commit().unwrap();
    update().add(&given[2..4]).unwrap().commit().unwrap();
    update().delete(&[given[4].revision]).unwrap().commit().unwrap();
    let grown = update().add(&given[..2]).unwrap().commit().unwrap();
    for question in ["zebra", "zebras", "a zebra", "lino", "lion", "zerba"] {
        assert_eq!(search(&grown, question), search(&fresh, question), "{question}");
    }
    assert_eq!((grown.passages(), grown.sources.len()), (4, 3));
    assert!(grown.has_exactly(&given[..4].iter().map(|passage| passage.revision).collect()));
    assert!(!grown.has_exactly(&HashSet::new()));
}

#[test]
fn a_state_stays_while_others_write_and_wipe() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Folder(folder.path().to_owned());
    let given = passages(&[(1, "", "", "A zebra."), (2, "", "", "A lion.")]);
    let before = WordsUpdate::open(&place, false).unwrap().add(&given).unwrap().commit().unwrap();
    let after = WordsUpdate::open(&place, false).unwrap().delete(&[given[0].revision]).unwrap().commit().unwrap();
    let wiped = WordsUpdate::open(&place, true).unwrap().commit().unwrap();
    assert_eq!([&before, &after, &wiped].map(|index| search(index, "zebra").len()), [1, 0, 0]);
    assert_eq!([&before, &after, &wiped].map(|index| search(index, "lion").len()), [1, 1, 0]);
}

#[test]
fn files_that_an_earlier_state_was_read_from_are_not_checked_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Folder(folder.path().to_owned());
    let before = WordsUpdate::open(&place, false).unwrap().add(&passages(&[(1, "", "", "A zebra.")])).unwrap();
    let before = before.commit().unwrap();
    let mut files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let terms = files.find(|file| file.extension().is_some_and(|ending| ending == "term")).unwrap();
    let mut bytes = std::fs::read(&terms).unwrap();
    bytes[0] ^= 0xff;
    std::fs::write(&terms, &bytes).unwrap();
    assert!(WordsUpdate::open_since(&place, false, Some(&before)).is_ok());
    assert!(matches!(WordsUpdate::open(&place, false).map(drop), Err(WordsError::Damaged(_))));
}

#[test]
fn one_update_at_a_time_has_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Folder(folder.path().to_owned());
    let first = WordsUpdate::open(&place, false).unwrap();
    assert!(matches!(WordsUpdate::open(&place, false).map(drop), Err(WordsError::Busy(_))));
    drop(first);
    assert!(WordsUpdate::open(&place, false).is_ok());
}

/// Letters of scripts, by which words are made up.
const SCRIPTS: [&str; 13] = [
    "abcdeilmnorstuéüñçß",
    "абвгдежиклмнопрстуя",
    "αβγδεηικλμνοπρστυω",
    "ابتحدرسشعفقكلمنهوي",
    "אבגדהוחטילמנסערשת",
    "कखगचजतदनपबमयरलवसािीेो",
    "กขคงจชดตนบปพมยรลวสาิีเแ",
    "订阅费退款可以随时联系客服的一是",
    "あいうえおかきさたなはまカタナ料金返",
    "가나다라마바사아자환불요금",
    "ăâđêôơưạảấầếềệỉịọốộớờợụủứừự",
    "கஙசஞடணதநபமயரலவளறனாிீுூ",
    "ABCdef0123456789-_./@",
];

mod any_word {
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Vec<String>> {
        let word = prop::sample::select(SCRIPTS.to_vec()).prop_flat_map(|letters| {
            let letter = prop::sample::select(letters.chars().collect::<Vec<_>>());
            prop::collection::vec(letter, 1..12).prop_map(|word| word.into_iter().collect::<String>())
        });
        prop::collection::vec(word, 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever the languages are taken for, and whatever stands around it.
        #[test]
        fn of_any_passage_finds_it(given in prop::collection::vec((words(), words(), words()), 1..5)) {
            let joined: Vec<_> = given
                .iter()
                .map(|(title, section, text)| (title.join(" "), section.join(" › "), text.join(", ")))
                .collect();
            let rows: Vec<Given<'_>> = (0_u128..)
                .zip(&joined)
                .map(|(n, (title, section, text))| (n, title.as_str(), section.as_str(), text.as_str()))
                .collect();
            let index = index(&rows);
            for (n, (title, section, text)) in (0_u128..).zip(&given) {
                for word in title.iter().chain(section).chain(text).filter(|word| word.contains(char::is_alphanumeric)) {
                    prop_assert!(search(&index, word).contains(&n), "{word} in {:?}", joined[n as usize]);
                    prop_assert!(search(&index, &format!("¿{word}?")).contains(&n), "{word}");
                }
            }
        }
    }
}

#[test]
fn typos_are_looked_for_in_the_first_unknown_words_of_a_question() {
    let index = texts(&["Refunds and vouchers take five days."]);
    let nonsense: Vec<String> = ('a'..='h').map(|letter| format!("x{letter}{letter}x")).collect();
    let found = |count: usize| search(&index, &format!("{} refnuds vuochers", nonsense[..count].join(" ")));
    assert_eq!(found(2), [0]);
    assert!(found(8).is_empty());
}
