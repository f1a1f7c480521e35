//! Questions in the languages of the passages, in other forms than the passages have.

use resly_core::knowledge::Passage;

use super::*;

const NIL: &str = "00000000-0000-0000-0000-000000000000";

fn passage(title: &str, section: &str, text: &str) -> Vec<NumberedPassage> {
    let passage = Passage {
        id: NIL.parse().unwrap(),
        source_id: NIL.parse().unwrap(),
        title: title.to_owned(),
        section: section.to_owned(),
        url: None,
        text: text.to_owned(),
        score: 1.0,
    };
    vec![NumberedPassage { n: 1, passage }]
}

#[test]
fn a_passage_is_quoted_in_its_own_language() {
    for (title, section, text, question) in [
        ("Hilfe", "Rückerstattungen", "Wir erstatten den Preis in 14 Tagen auf Ihr Konto.", "Rückerstattung"),
        (
            "Hilfe",
            "Stornieren",
            "Sie können Ihre Bestellungen bis zum Versand stornieren.",
            "Stornierung der Bestellung",
        ),
        (
            "Yardım",
            "Sipariş iptali",
            "Siparişinizi kargodan önce iptal edebilirsiniz.",
            "siparişimi iptal etmek istiyorum",
        ),
        ("帮助", "运费", "订单满九十九元免运费，否则运费为十元。", "运费多少钱"),
        ("Βοήθεια", "Επιστροφή χρημάτων", "Τα χρήματα επιστρέφονται στην κάρτα σας.", "επιστροφη χρηματων"),
        ("Trợ giúp", "Hoàn tiền", "Chúng tôi hoàn tiền vào thẻ của bạn.", "hoan tien"),
        ("सहायता", "धनवापसी", "धनवापसी 14 दिनों के भीतर आपके कार्ड में हो जाती है।", "धनवापसी कब होगी"),
        ("مساعدة", "استرداد الأموال", "نعيد المبلغ إلى بطاقتك خلال 14 يوما من طلب الاسترداد.", "كيف أسترد أموالي؟"),
        ("ช่วยเหลือ", "การคืนเงิน", "เราจะคืนเงินเข้าบัตรของคุณภายใน 14 วัน", "ขอเงินคืน"),
    ] {
        let found = answer(question, &passage(title, section, text));
        assert!(found.is_some_and(|answer| answer.contains("[1]")), "{question}");
    }
}

#[test]
fn a_passage_about_something_else_is_not_quoted() {
    for (title, section, text, question) in [
        ("Hilfe", "Rückerstattungen", "Wir erstatten den Preis in 14 Tagen.", "Wer hat die Wahl gewonnen?"),
        ("Trợ giúp", "Hoàn tiền", "Chúng tôi hoàn tiền vào thẻ của bạn.", "thời tiết hôm nay thế nào"),
        ("ช่วยเหลือ", "การคืนเงิน", "เราจะคืนเงินเข้าบัตรของคุณภายใน 14 วัน", "ฟุตบอล"),
        ("帮助", "运费", "订单满九十九元免运费。", "今天天气怎么样"),
    ] {
        assert_eq!(answer(question, &passage(title, section, text)), None, "{question}");
    }
}

#[test]
fn a_quoted_number_is_no_citation() {
    let text = "Refunds take 100 days [2]. See [1, 2] and [the terms](https://a.example/x).";
    let found = answer("How long do refunds take?", &passage("[2] Handbook", "[3]", text)).unwrap();
    assert!(found.starts_with("From (2) Handbook › (3): “Refunds take 100 days (2)."), "{found}");
    assert_eq!((found.matches("[1").count(), found.matches("[2").count()), (1, 0), "{found}");
}
