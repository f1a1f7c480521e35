//! Which language a text is in.
//!
//! Script first: Thai, Greek or Hebrew letters leave no choice. Then function words, which even a short question has,
//! words that customers ask about, and letters that few languages write. Then the statistics of `whichlang`, which knows sixteen languages and always
//! names one. Where these say too little, the language is unknown; the analysis then rests on the exact words.

use whichlang::Lang;

use super::{
    common,
    fold::exact,
    language::Language,
    letters::{Letters, by_letter},
    stop,
};

/// So many bytes from the start and from the middle of a text tell its language.
const SAMPLE: usize = 3 << 10;
/// A language needs so much evidence, where one function word is 1.
const ENOUGH: f32 = 1.0;
/// So much more than the next language.
const LEAD: f32 = 1.15;

/// The language of a text or a query.
pub fn detect(text: &str) -> Language {
    detect_among(text, Language::ALL)
}

/// The language of a text or a query, one of `candidates` or [`Language::Unknown`]. With few candidates, such as the
/// languages of an organization's sources, a single word tells.
pub fn detect_among(text: &str, candidates: &[Language]) -> Language {
    let start = &text[..text.floor_char_boundary(SAMPLE)];
    let middle = text.len() / 2;
    let middle = match middle > SAMPLE {
        true => &text[text.floor_char_boundary(middle)..text.floor_char_boundary(middle + SAMPLE)],
        false => "",
    };
    let mut letters = Letters::default();
    start.chars().chain(middle.chars()).for_each(|c| letters.count(c));
    let mut allowed = candidates.iter().fold(0, |bits, language| bits | language.bit());
    allowed &= letters.languages();
    allowed &= !Language::Unknown.bit();
    match allowed.count_ones() {
        0 => Language::Unknown,
        1 => of_bits(allowed).next().unwrap_or(Language::Unknown),
        // Chinese characters alone.
        _ if allowed & Language::Chinese.bit() != 0 => Language::Chinese,
        _ => by_evidence(start, middle, &letters, allowed),
    }
}

fn of_bits(bits: u64) -> impl Iterator<Item = Language> {
    Language::ALL.iter().copied().filter(move |language| language.bit() & bits != 0)
}

fn by_evidence(start: &str, middle: &str, letters: &Letters, allowed: u64) -> Language {
    let mut scores = [0.0_f32; 64];
    let mut add = |bits: u64, weight: f32| {
        let bits = bits & allowed;
        let share = weight / bits.count_ones().max(1) as f32;
        for (n, score) in scores.iter_mut().enumerate() {
            if bits & (1 << n) != 0 {
                *score += share;
            }
        }
    };
    let words = [start, middle].into_iter().flat_map(|text| {
        text.split(|c: char| !(c.is_alphanumeric() || super::chars::is_apostrophe(c) || super::chars::is_ignored(c)))
    });
    let mut count = 0;
    for word in words.filter(|word| !word.is_empty()) {
        count += 1;
        let word = exact(word);
        // Lists of function words have single letters, which mean little.
        let weight = match word.chars().take(3).count() {
            0 | 1 => 0.25,
            2 => 0.75,
            _ => 1.0,
        };
        add(stop::languages(&word), weight);
        add(common::languages(&word), weight);
    }
    let lower = letters.special.iter().filter_map(|c| c.to_lowercase().next());
    let mut lower: Vec<char> = lower.collect();
    lower.dedup();
    let statistics = of_statistics(whichlang::detect_language(start));
    let (mut foreign, mut agrees) = (false, false);
    for c in lower {
        let languages = by_letter(c).iter().fold(0, |bits, language| bits | language.bit());
        foreign |= languages != 0 && languages & statistics.bit() == 0;
        agrees |= languages & statistics.bit() != 0;
        add(languages, if languages.count_ones() == 1 { 1.5 } else { 1.0 });
    }
    // Statistics of letters say more about a longer text, and little where letters or words say another thing.
    let length = (letters.latin + letters.cyrillic + letters.arabic + letters.devanagari) as f32;
    let mut weight = (0.3 + length / 40.0).min(1.5);
    if agrees {
        weight += 0.5;
    }
    let others = scores.iter().any(|score| *score > 0.5);
    if foreign || (count >= 4 && others && scores[statistics as usize] == 0.0) {
        weight *= 0.3;
    }
    if letters.cyrillic > 0 {
        // The statistics know one language of this script.
        weight += 0.3;
    }
    scores[statistics as usize] += weight * f32::from(u8::from(statistics.bit() & allowed != 0));
    let scored = of_bits(allowed).map(|language| (language, scores[language as usize]));
    let (mut best, mut second) = ((Language::Unknown, 0.0), 0.0);
    for (language, score) in scored {
        if score > best.1 {
            second = best.1;
            best = (language, score);
        } else if score > second {
            second = score;
        }
    }
    let few = allowed.count_ones() <= 4;
    if (best.1 >= ENOUGH && best.1 >= LEAD * second) || (few && best.1 > second) {
        return best.0;
    }
    // Which of them is only a guess, but their words are much the same.
    if best.1 >= 2.0 * ENOUGH { best.0 } else { Language::Unknown }
}

fn of_statistics(found: Lang) -> Language {
    match found {
        Lang::Ara => Language::Arabic,
        Lang::Cmn => Language::Chinese,
        Lang::Deu => Language::German,
        Lang::Eng => Language::English,
        Lang::Fra => Language::French,
        Lang::Hin => Language::Hindi,
        Lang::Ita => Language::Italian,
        Lang::Jpn => Language::Japanese,
        Lang::Kor => Language::Korean,
        Lang::Nld => Language::Dutch,
        Lang::Por => Language::Portuguese,
        Lang::Rus => Language::Russian,
        Lang::Spa => Language::Spanish,
        Lang::Swe => Language::Swedish,
        Lang::Tur => Language::Turkish,
        Lang::Vie => Language::Vietnamese,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_tell_their_language() {
        use Language::*;
        let mut wrong = Vec::new();
        for (language, text) in [
            (English, "How do I get a refund?"),
            (English, "cancel my subscription"),
            (English, "Where is my order"),
            (German, "Wie kann ich kündigen?"),
            (German, "Kündigungsfrist"),
            (German, "Haftpflichtversicherung Benachrichtigungen verantwortlich Einstellungen"),
            (German, "Wo finde ich meine Rechnung?"),
            (Spanish, "¿Cómo cancelo mi suscripción?"),
            (Spanish, "donde esta mi pedido"),
            (French, "Comment annuler mon abonnement ?"),
            (French, "où est ma commande"),
            (Italian, "Come posso annullare l'abbonamento?"),
            (Portuguese, "Como faço para cancelar a minha assinatura?"),
            (Dutch, "Hoe kan ik mijn abonnement opzeggen?"),
            (Swedish, "Hur säger jag upp mitt abonnemang?"),
            (Danish, "Hvordan opsiger jeg mit abonnement?"),
            (Norwegian, "Hvordan sier jeg opp abonnementet mitt?"),
            (Finnish, "Miten voin peruuttaa tilaukseni?"),
            (Polish, "Jak mogę anulować subskrypcję?"),
            (Polish, "gdzie jest moje zamówienie"),
            (Czech, "Jak mohu zrušit předplatné?"),
            (Romanian, "Cum pot să anulez abonamentul?"),
            (Romanian, "Cum imi anulez comanda"),
            (Hungarian, "Hogyan mondhatom le az előfizetésemet?"),
            (Turkish, "Aboneliğimi nasıl iptal ederim?"),
            (Turkish, "iade suresi ne kadar"),
            (Vietnamese, "Làm thế nào để hủy đăng ký?"),
            (Indonesian, "Bagaimana cara membatalkan langganan saya?"),
            (Greek, "Πώς ακυρώνω τη συνδρομή μου;"),
            (Greek, "ακύρωση"),
            (Russian, "Как отменить подписку?"),
            (Russian, "возврат"),
            (Ukrainian, "Як скасувати підписку?"),
            (Bulgarian, "Ако не сте получили поръчката си, моля свържете се с нас, за да я изпратим отново"),
            (Arabic, "كيف ألغي اشتراكي؟"),
            (Persian, "چگونه اشتراک خود را لغو کنم؟"),
            (Urdu, "میں اپنی رکنیت کیسے منسوخ کروں؟"),
            (Hebrew, "איך מבטלים מנוי?"),
            (Hindi, "मैं अपनी सदस्यता कैसे रद्द करूँ?"),
            (Hindi, "रिफंड"),
            (Bengali, "আমি কীভাবে বাতিল করব?"),
            (Tamil, "எப்படி ரத்து செய்வது?"),
            (Thai, "ยกเลิกการสมัครสมาชิกอย่างไร"),
            (Thai, "ยกเลิก Netflix ยังไง"),
            (Khmer, "តើខ្ញុំលុបចោលយ៉ាងដូចម្តេច"),
            (Lao, "ຍົກເລີກແນວໃດ"),
            (Burmese, "ဘယ်လိုပယ်ဖျက်ရမလဲ"),
            (Chinese, "如何取消订阅？"),
            (Chinese, "退款"),
            (Japanese, "解約する方法を教えてください"),
            (Japanese, "キャンセル"),
            (Korean, "구독을 어떻게 취소하나요?"),
            (Unknown, "ABX-42"),
            (Unknown, "12345"),
            (Unknown, ""),
            (Unknown, "ok"),
        ] {
            let found = detect(text);
            if found != language {
                wrong.push(format!("{text}: {found:?}, not {language:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Queries of two or three words, as people type them.
    const KEYWORDS: &[(&str, &str)] = &[
        (
            "en",
            "refund policy / shipping cost germany / change email address / reset password / invoice download / how long does delivery take / is there a student discount / two factor authentication / delete account / my card was declined / track my package / warranty claim form / bulk order pricing / gift wrapping / opening hours",
        ),
        (
            "de",
            "Passwort vergessen / Rechnung herunterladen / Versandkosten Österreich / wie lange dauert die lieferung / Konto löschen / E-Mail-Adresse ändern / gibt es einen studentenrabatt / Abo kündigen / Zahlung abgelehnt / kuendigungsfrist vertrag / Paket verfolgen / Öffnungszeiten Filiale / Newsletter abbestellen / Geschenkkarte einlösen",
        ),
        (
            "es",
            "cambiar contraseña / gastos de envio / cuanto tarda la entrega / eliminar cuenta / descargar factura / politica de devoluciones / mi tarjeta fue rechazada / hay descuento para estudiantes / horario de atención / rastrear paquete / tarjeta regalo",
        ),
        (
            "tr",
            "sifremi unuttum / kargo ücreti ne kadar / hesabımı nasıl silerim / fatura indirme / teslimat süresi / öğrenci indirimi var mı / iade politikası / kartım reddedildi / hediye kartı / çalışma saatleri / kargom nerede",
        ),
        (
            "vi",
            "quên mật khẩu / phí vận chuyển bao nhiêu / chính sách hoàn tiền / xóa tài khoản / thời gian giao hàng / huy dang ky the nao",
        ),
        (
            "ro",
            "am uitat parola / cat costa livrarea / cât durează livrarea / șterge contul / descarcă factura / politica de rambursare / reducere pentru studenți / cardul meu a fost respins / schimbare adresa de email / program de lucru / card cadou / urmărire colet",
        ),
        ("ru", "забыл пароль / сколько стоит доставка / удалить аккаунт"),
        ("ar", "نسيت كلمة المرور / كم تكلفة الشحن / حذف الحساب"),
        ("hi", "पासवर्ड भूल गया / डिलीवरी शुल्क"),
        ("el", "ξέχασα τον κωδικό"),
        ("th", "ลืมรหัสผ่าน"),
        ("zh", "忘记密码 / 运费多少"),
        (
            "fr",
            "mot de passe oublié / frais de livraison / supprimer mon compte / carte cadeau / horaires d'ouverture / suivre mon colis",
        ),
        (
            "it",
            "ho dimenticato la password / spese di spedizione / eliminare account / orari di apertura / buono regalo / tracciare il pacco",
        ),
        ("pt", "esqueci a senha / custo de envio / horário de funcionamento / cartão presente"),
        ("nl", "wachtwoord vergeten / verzendkosten belgie / cadeaubon inwisselen / openingstijden winkel"),
        ("sv", "glömt lösenord / vad kostar frakten"),
        ("pl", "zapomniałem hasła / koszt dostawy / usunąć konto / godziny otwarcia / karta podarunkowa"),
        ("cs", "zapomněl jsem heslo / cena dopravy"),
        ("da", "glemt adgangskode"),
        ("fi", "unohdin salasanan"),
        ("hu", "elfelejtettem a jelszavamat"),
        ("id", "lupa kata sandi"),
    ];

    #[test]
    fn a_wrong_language_is_rarer_than_none() {
        let (mut all, mut right, mut wrong) = (0, 0, Vec::new());
        for (code, queries) in KEYWORDS {
            for query in queries.split(" / ") {
                all += 1;
                match detect(query) {
                    found if found.code() == *code => right += 1,
                    Language::Unknown => {}
                    found => wrong.push(format!("{query}: {found}, not {code}")),
                }
            }
        }
        println!("{right} of {all} are right, wrong are {wrong:#?}");
        assert!(right * 10 >= all * 8 && wrong.len() * 20 <= all, "{right} of {all}, {wrong:#?}");
    }

    #[test]
    fn few_candidates_make_a_word_enough() {
        use Language::*;
        for (text, candidates, language) in [
            ("refund", &[English][..], English),
            ("Lieferzeit", &[English, German], German),
            ("delivery", &[English, German], English),
            ("refund", &[Thai], Unknown),
            ("退款", &[Chinese, English], Chinese),
            ("комиссия", &[Russian, English], Russian),
        ] {
            assert_eq!(detect_among(text, candidates), language, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_sampled() {
        let text = "Die Lieferung dauert drei Tage, und der Versand ist frei. ".repeat(10_000);
        assert_eq!(detect(&text), Language::German);
    }
}
