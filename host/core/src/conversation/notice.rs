//! What the host itself tells a visitor about who answers, in the visitor's language.
//!
//! It promises what happens: a person answers in the conversation. It doesn't promise when, because the host can't know.

use super::handover::ConversationState;

/// Finds out what language a text is in. Returns its BCP-47 code, and `und` when the text doesn't tell.
pub type DetectLanguage = fn(&str) -> &'static str;

/// For a host that can't tell languages apart.
pub fn unknown_language(_: &str) -> &'static str {
    "und"
}

struct Notices {
    language: &'static str,
    /// Nobody has the conversation yet, and somebody is there.
    waiting: &'static str,
    /// Nobody has it yet, and all agents are away.
    away: &'static str,
    agent: &'static str,
}

/// English comes first. It is used for every language that isn't here.
const NOTICES: [Notices; 15] = [
    Notices {
        language: "en",
        waiting: "A person of our team will answer you here. Nobody has taken over yet; your message is kept for them.",
        away: "Nobody of our team is available right now. Your message is kept, and a person will answer you here once \
               somebody is back.",
        agent: "A person of our team answers you here. They have your message.",
    },
    Notices {
        language: "de",
        waiting: "Jemand aus unserem Team antwortet Ihnen hier. Noch hat niemand übernommen; Ihre Nachricht ist für das \
                  Team gespeichert.",
        away: "Gerade ist niemand aus unserem Team erreichbar. Ihre Nachricht ist gespeichert, und jemand antwortet Ihnen \
               hier, sobald wieder jemand da ist.",
        agent: "Jemand aus unserem Team antwortet Ihnen hier. Ihre Nachricht ist dort angekommen.",
    },
    Notices {
        language: "fr",
        waiting: "Une personne de notre équipe vous répondra ici. Personne n'a encore pris le relais ; votre message est \
                  conservé pour elle.",
        away: "Personne de notre équipe n'est disponible pour le moment. Votre message est conservé, et une personne vous \
               répondra ici à son retour.",
        agent: "Une personne de notre équipe vous répond ici. Elle a reçu votre message.",
    },
    Notices {
        language: "es",
        waiting: "Una persona de nuestro equipo le responderá aquí. Todavía nadie se ha hecho cargo; su mensaje queda \
                  guardado.",
        away: "Ahora mismo no hay nadie disponible en nuestro equipo. Su mensaje queda guardado y una persona le responderá \
               aquí en cuanto alguien vuelva.",
        agent: "Una persona de nuestro equipo le responde aquí. Ya tiene su mensaje.",
    },
    Notices {
        language: "it",
        waiting: "Una persona del nostro team le risponderà qui. Nessuno ha ancora preso in carico la conversazione; il suo \
                  messaggio è conservato.",
        away: "Al momento nessuno del nostro team è disponibile. Il suo messaggio è conservato e una persona le risponderà \
               qui appena qualcuno sarà di nuovo disponibile.",
        agent: "Una persona del nostro team le risponde qui. Ha ricevuto il suo messaggio.",
    },
    Notices {
        language: "pt",
        waiting: "Uma pessoa da nossa equipe vai responder aqui. Ninguém assumiu ainda; a sua mensagem está guardada.",
        away: "Neste momento não há ninguém da nossa equipe disponível. A sua mensagem está guardada, e uma pessoa vai \
               responder aqui assim que alguém voltar.",
        agent: "Uma pessoa da nossa equipe responde aqui. Ela já tem a sua mensagem.",
    },
    Notices {
        language: "ro",
        waiting: "O persoană din echipa noastră vă va răspunde aici. Încă nu a preluat nimeni; mesajul dumneavoastră este \
                  păstrat.",
        away: "Momentan nu este disponibil nimeni din echipa noastră. Mesajul dumneavoastră este păstrat, iar o persoană vă \
               va răspunde aici de îndată ce revine cineva.",
        agent: "O persoană din echipa noastră vă răspunde aici. A primit mesajul dumneavoastră.",
    },
    Notices {
        language: "ru",
        waiting: "Вам ответит здесь сотрудник нашей команды. Пока никто не подключился; ваше сообщение сохранено.",
        away: "Сейчас никого из нашей команды нет на месте. Ваше сообщение сохранено, и сотрудник ответит вам здесь, как \
               только кто-нибудь вернётся.",
        agent: "Вам отвечает здесь сотрудник нашей команды. Ваше сообщение у него.",
    },
    Notices {
        language: "tr",
        waiting: "Ekibimizden biri size burada yanıt verecek. Henüz kimse devralmadı; mesajınız saklandı.",
        away: "Şu anda ekibimizden kimse müsait değil. Mesajınız saklandı; biri döndüğünde size burada yanıt verecek.",
        agent: "Ekibimizden biri size burada yanıt veriyor. Mesajınız kendisine ulaştı.",
    },
    Notices {
        language: "el",
        waiting: "Ένα άτομο της ομάδας μας θα σας απαντήσει εδώ. Δεν έχει αναλάβει κανείς ακόμη· το μήνυμά σας έχει \
                  αποθηκευτεί.",
        away: "Αυτή τη στιγμή δεν είναι διαθέσιμος κανείς από την ομάδα μας. Το μήνυμά σας έχει αποθηκευτεί και θα λάβετε \
               απάντηση εδώ μόλις επιστρέψει κάποιος.",
        agent: "Ένα άτομο της ομάδας μας σας απαντά εδώ. Έχει λάβει το μήνυμά σας.",
    },
    Notices {
        language: "ar",
        waiting: "سيرد عليك هنا شخص من فريقنا. لم يتولَّ أحد المحادثة بعد، ورسالتك محفوظة.",
        away: "لا يوجد أحد من فريقنا متاح الآن. رسالتك محفوظة، وسيرد عليك شخص هنا عند عودة أحد أعضاء الفريق.",
        agent: "يرد عليك هنا شخص من فريقنا. وقد وصلته رسالتك.",
    },
    Notices {
        language: "hi",
        waiting: "हमारी टीम का कोई सदस्य आपको यहीं उत्तर देगा। अभी तक किसी ने बातचीत नहीं संभाली है; आपका संदेश सुरक्षित है।",
        away: "इस समय हमारी टीम में कोई उपलब्ध नहीं है। आपका संदेश सुरक्षित है, और किसी के लौटते ही आपको यहीं उत्तर मिलेगा।",
        agent: "हमारी टीम का एक सदस्य आपको यहीं उत्तर दे रहा है। आपका संदेश उन्हें मिल गया है।",
    },
    Notices {
        language: "th",
        waiting: "ทีมงานของเราจะตอบคุณที่นี่ ขณะนี้ยังไม่มีใครรับเรื่อง ข้อความของคุณถูกเก็บไว้แล้ว",
        away: "ขณะนี้ไม่มีทีมงานของเราพร้อมให้บริการ ข้อความของคุณถูกเก็บไว้แล้ว และทีมงานจะตอบคุณที่นี่เมื่อมีคนกลับมา",
        agent: "ทีมงานของเรากำลังตอบคุณที่นี่ และได้รับข้อความของคุณแล้ว",
    },
    Notices {
        language: "vi",
        waiting: "Một người trong đội ngũ của chúng tôi sẽ trả lời bạn tại đây. Chưa có ai tiếp nhận; tin nhắn của bạn đã \
                  được lưu.",
        away: "Hiện không có ai trong đội ngũ của chúng tôi trực. Tin nhắn của bạn đã được lưu, và sẽ có người trả lời bạn \
               tại đây khi có người trở lại.",
        agent: "Một người trong đội ngũ của chúng tôi đang trả lời bạn tại đây. Họ đã nhận được tin nhắn của bạn.",
    },
    Notices {
        language: "zh",
        waiting: "我们团队的工作人员会在这里回复您。目前还没有人接手，您的留言已保存。",
        away: "我们团队目前没有人在线。您的留言已保存，有人回来后会在这里回复您。",
        agent: "我们团队的工作人员正在这里回复您，已收到您的留言。",
    },
];

/// Who answers, for the visitor. Empty when the assistant does. `staffed` tells whether an agent is available.
pub fn notice(state: ConversationState, staffed: bool, language: &str) -> &'static str {
    let found = NOTICES.iter().find(|notices| notices.language == language);
    let Some(notices) = found.or(NOTICES.first()) else { return "" };
    match (state, staffed) {
        (ConversationState::Waiting, true) => notices.waiting,
        (ConversationState::Waiting, false) => notices.away,
        (ConversationState::Agent, _) => notices.agent,
        (ConversationState::Ai | ConversationState::Closed, _) => "",
    }
}

impl ConversationState {
    /// The same in English, when somebody is there.
    pub fn notice(self) -> &'static str {
        notice(self, true, "en")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_language_has_its_own_words_for_each_case() {
        let mut all = BTreeSet::new();
        for notices in &NOTICES {
            for (state, staffed) in [
                (ConversationState::Waiting, true),
                (ConversationState::Waiting, false),
                (ConversationState::Agent, true),
            ] {
                assert!(all.insert(notice(state, staffed, notices.language)), "{}", notices.language);
            }
            assert_eq!(notice(ConversationState::Ai, true, notices.language), "");
        }
        assert_eq!(all.len(), 3 * NOTICES.len());
        let english = notice(ConversationState::Waiting, true, "en");
        assert_eq!(notice(ConversationState::Waiting, true, "und"), english);
    }
}
