//! What an embedder is calibrated with: questions of everyday life, each with a passage that answers it, the same ten in
//! each language. None is about what `tests/retrieval` is about, or the retrieval gate would measure what it set.

use resly_analysis::Language;

/// A question and the passage that answers it.
pub type Pair = (&'static str, &'static str);

/// The pairs of each language.
pub const TEXTS: &[(Language, &[Pair])] = &[
    (Language::English, ENGLISH),
    (Language::German, GERMAN),
    (Language::Spanish, SPANISH),
    (Language::Romanian, ROMANIAN),
    (Language::Turkish, TURKISH),
    (Language::Vietnamese, VIETNAMESE),
    (Language::Russian, RUSSIAN),
    (Language::Greek, GREEK),
    (Language::Arabic, ARABIC),
    (Language::Hindi, HINDI),
    (Language::Thai, THAI),
    (Language::Chinese, CHINESE),
];

#[rustfmt::skip]
const ENGLISH: &[Pair] = &[
    ("How long may I keep a library book?", "Loans. Books are lent for four weeks. The loan is renewed twice unless another reader has reserved the title."),
    ("when can I check in at the hotel", "Arrival. Rooms are ready from three in the afternoon. Guests who come earlier may leave their luggage at the reception."),
    ("My bicycle tyre is flat, how do I mend it?", "Repairing a puncture. Take the tube out, look for the hole in a bowl of water, roughen the spot and press a patch on it."),
    ("how often does a cactus need water", "Care of succulents. Water them every three weeks in summer and hardly at all in winter. Let the soil dry out in between."),
    ("Why do volcanoes erupt?", "Eruptions. Molten rock is lighter than what surrounds it and rises. The gas in it expands until the pressure breaks the crust above."),
    ("what can I feed my dog", "Nutrition of pets. Grown animals get meat with some vegetables twice a day. Chocolate and onions are poisonous for them."),
    ("When do I get the deposit for my flat back?", "Moving out. The landlord pays the deposit back within three months if nothing is damaged and the rent is paid."),
    ("do I need a visa to study here", "Foreign students. They apply for a residence permit at the embassy, with the letter of admission and proof of means."),
    ("How does a vaccine protect me?", "Immunisation. The body is shown a harmless part of a virus and learns to make antibodies, which know the real one later."),
    ("learning the guitar on my own", "First steps with an instrument. Begin with three chords and change between them slowly, a quarter of an hour each day."),
];

#[rustfmt::skip]
const GERMAN: &[Pair] = &[
    ("Wie lange darf ich ein Buch aus der Bibliothek behalten?", "Ausleihe. Bücher werden für vier Wochen verliehen. Die Leihfrist wird zweimal verlängert, wenn niemand den Titel vorgemerkt hat."),
    ("ab wann kann ich im hotel einchecken", "Anreise. Die Zimmer sind ab fünfzehn Uhr bezugsfertig. Wer früher kommt, kann das Gepäck am Empfang abstellen."),
    ("Mein Fahrradreifen ist platt, wie flicke ich ihn?", "Einen Schlauch reparieren. Nehmen Sie den Schlauch heraus, suchen Sie das Loch in einer Schüssel Wasser, rauen Sie die Stelle auf und drücken Sie einen Flicken darauf."),
    ("wie oft braucht ein kaktus wasser", "Pflege von Sukkulenten. Im Sommer werden sie alle drei Wochen gegossen, im Winter kaum. Dazwischen soll die Erde austrocknen."),
    ("Warum brechen Vulkane aus?", "Ausbrüche. Geschmolzenes Gestein ist leichter als seine Umgebung und steigt auf. Das Gas darin dehnt sich aus, bis der Druck die Kruste sprengt."),
    ("was darf ich meinem hund füttern", "Ernährung von Haustieren. Ausgewachsene Tiere bekommen zweimal am Tag Fleisch mit etwas Gemüse. Schokolade und Zwiebeln sind giftig für sie."),
    ("Wann bekomme ich die Kaution für meine Wohnung zurück?", "Auszug. Der Vermieter zahlt die Kaution binnen drei Monaten zurück, wenn nichts beschädigt und die Miete bezahlt ist."),
    ("brauche ich ein visum um hier zu studieren", "Ausländische Studierende. Sie beantragen bei der Botschaft eine Aufenthaltserlaubnis, mit Zulassung und einem Nachweis ihrer Mittel."),
    ("Wie schützt mich eine Impfung?", "Immunisierung. Der Körper lernt an einem harmlosen Teil eines Virus, Antikörper zu bilden, die später das echte erkennen."),
    ("allein gitarre spielen lernen", "Erste Schritte mit einem Instrument. Beginnen Sie mit drei Akkorden und wechseln Sie langsam zwischen ihnen, jeden Tag eine Viertelstunde."),
];

#[rustfmt::skip]
const SPANISH: &[Pair] = &[
    ("¿Cuánto tiempo puedo quedarme con un libro de la biblioteca?", "Préstamos. Los libros se prestan durante cuatro semanas. El préstamo se renueva dos veces si ningún otro lector ha reservado el título."),
    ("a qué hora puedo entrar en el hotel", "Llegada. Las habitaciones están listas a partir de las tres de la tarde. Quien llegue antes puede dejar el equipaje en recepción."),
    ("Se me ha pinchado la rueda de la bicicleta, ¿cómo la arreglo?", "Reparar un pinchazo. Saque la cámara, busque el agujero en un cubo de agua, lije la zona y apriete un parche encima."),
    ("cada cuánto se riega un cactus", "Cuidado de las suculentas. En verano se riegan cada tres semanas y en invierno casi nada. La tierra debe secarse entre riegos."),
    ("¿Por qué entran en erupción los volcanes?", "Erupciones. La roca fundida pesa menos que la que la rodea y asciende. El gas que contiene se expande hasta que la presión rompe la corteza."),
    ("qué le puedo dar de comer a mi perro", "Alimentación de mascotas. Los animales adultos comen dos veces al día carne con algo de verdura. El chocolate y la cebolla son venenosos para ellos."),
    ("¿Cuándo me devuelven la fianza del piso?", "Mudanza. El casero devuelve la fianza en un plazo de tres meses si no hay daños y el alquiler está pagado."),
    ("necesito visado para estudiar aquí", "Estudiantes extranjeros. Solicitan un permiso de residencia en la embajada, con la carta de admisión y prueba de sus medios."),
    ("¿Cómo me protege una vacuna?", "Inmunización. Al cuerpo se le muestra una parte inofensiva de un virus y aprende a formar anticuerpos, que luego reconocen al verdadero."),
    ("aprender a tocar la guitarra solo", "Primeros pasos con un instrumento. Empiece con tres acordes y cambie despacio de uno a otro, un cuarto de hora cada día."),
];

#[rustfmt::skip]
const ROMANIAN: &[Pair] = &[
    ("Cât timp pot păstra o carte de la bibliotecă?", "Împrumuturi. Cărțile se împrumută pentru patru săptămâni. Termenul se prelungește de două ori dacă niciun alt cititor nu a rezervat titlul."),
    ("de la ce ora ma pot caza la hotel", "Sosire. Camerele sunt gata de la ora trei după-amiaza. Oaspeții care vin mai devreme pot lăsa bagajele la recepție."),
    ("Mi s-a spart cauciucul de la bicicletă, cum îl repar?", "Repararea unei pene. Scoateți camera, căutați gaura într-un vas cu apă, șlefuiți locul și apăsați un petic deasupra."),
    ("cat de des se uda un cactus", "Îngrijirea plantelor suculente. Vara se udă la trei săptămâni, iar iarna aproape deloc. Între timp pământul trebuie să se usuce."),
    ("De ce erup vulcanii?", "Erupții. Roca topită este mai ușoară decât cea din jur și urcă. Gazul din ea se dilată până când presiunea sparge scoarța."),
    ("ce pot sa-i dau de mancare cainelui", "Hrana animalelor de companie. Animalele adulte primesc de două ori pe zi carne cu puține legume. Ciocolata și ceapa sunt otrăvitoare pentru ele."),
    ("Când primesc înapoi garanția pentru apartament?", "Mutare. Proprietarul restituie garanția în trei luni dacă nu sunt stricăciuni și chiria este plătită."),
    ("am nevoie de viza ca sa studiez aici", "Studenți străini. Ei cer la ambasadă un permis de ședere, cu scrisoarea de admitere și dovada mijloacelor."),
    ("Cum mă protejează un vaccin?", "Imunizare. Corpului i se arată o parte inofensivă a unui virus și învață să facă anticorpi, care îl recunosc apoi pe cel adevărat."),
    ("sa invat singur sa cant la chitara", "Primii pași cu un instrument. Începeți cu trei acorduri și treceți încet de la unul la altul, un sfert de oră pe zi."),
];

#[rustfmt::skip]
const TURKISH: &[Pair] = &[
    ("Kütüphane kitabını ne kadar süre tutabilirim?", "Ödünç alma. Kitaplar dört haftalığına verilir. Başka bir okur ayırtmadıysa süre iki kez uzatılır."),
    ("otele saat kaçta giriş yapabilirim", "Varış. Odalar öğleden sonra üçte hazır olur. Daha erken gelen konuklar bavullarını resepsiyona bırakabilir."),
    ("Bisikletimin lastiği patladı, nasıl tamir ederim?", "Patlak onarımı. İç lastiği çıkarın, deliği su dolu bir kapta arayın, yeri zımparalayın ve üzerine bir yama bastırın."),
    ("kaktüs ne sıklıkla sulanır", "Sukulent bakımı. Yazın üç haftada bir, kışın ise neredeyse hiç sulanmaz. Arada toprak kurumalıdır."),
    ("Yanardağlar neden patlar?", "Püskürmeler. Erimiş kaya çevresindekinden hafiftir ve yükselir. İçindeki gaz, basınç kabuğu kırana kadar genleşir."),
    ("köpeğime ne yedirebilirim", "Evcil hayvan beslenmesi. Yetişkin hayvanlara günde iki kez biraz sebzeyle et verilir. Çikolata ve soğan onlar için zehirlidir."),
    ("Dairemin depozitosunu ne zaman geri alırım?", "Taşınma. Hasar yoksa ve kira ödendiyse ev sahibi depozitoyu üç ay içinde geri öder."),
    ("burada okumak için vize gerekir mi", "Yabancı öğrenciler. Kabul mektubu ve gelir belgesiyle büyükelçiliğe oturma izni için başvururlar."),
    ("Aşı beni nasıl korur?", "Bağışıklama. Vücuda virüsün zararsız bir parçası gösterilir; vücut daha sonra gerçeğini tanıyan antikorlar yapmayı öğrenir."),
    ("kendi başıma gitar öğrenmek", "Bir çalgıyla ilk adımlar. Üç akorla başlayın ve aralarında yavaşça geçiş yapın, her gün on beş dakika."),
];

#[rustfmt::skip]
const VIETNAMESE: &[Pair] = &[
    ("Tôi được giữ sách của thư viện bao lâu?", "Mượn sách. Sách được cho mượn bốn tuần. Thời hạn được gia hạn hai lần nếu không có bạn đọc nào khác đặt trước."),
    ("mấy giờ thì được nhận phòng khách sạn", "Khi đến nơi. Phòng sẵn sàng từ ba giờ chiều. Khách đến sớm có thể gửi hành lý ở quầy lễ tân."),
    ("Lốp xe đạp của tôi bị xịt, vá thế nào?", "Vá săm. Tháo săm ra, tìm lỗ thủng trong chậu nước, chà nhám chỗ đó rồi ép miếng vá lên."),
    ("bao lâu tưới cây xương rồng một lần", "Chăm sóc cây mọng nước. Mùa hè tưới ba tuần một lần, mùa đông hầu như không tưới. Giữa hai lần phải để đất khô."),
    ("Vì sao núi lửa phun trào?", "Phun trào. Đá nóng chảy nhẹ hơn đá xung quanh nên dâng lên. Khí trong đó nở ra cho đến khi áp suất phá vỡ lớp vỏ."),
    ("cho chó ăn gì được", "Dinh dưỡng cho thú cưng. Con trưởng thành ăn thịt với một ít rau hai lần mỗi ngày. Sô cô la và hành là chất độc với chúng."),
    ("Khi nào tôi được trả lại tiền cọc căn hộ?", "Chuyển đi. Chủ nhà trả lại tiền cọc trong ba tháng nếu không có hư hỏng và tiền thuê đã được trả đủ."),
    ("học ở đây có cần thị thực không", "Sinh viên nước ngoài. Họ xin giấy phép cư trú tại đại sứ quán, kèm thư nhập học và chứng minh tài chính."),
    ("Vắc xin bảo vệ tôi như thế nào?", "Tiêm chủng. Cơ thể được cho thấy một phần vô hại của vi rút và học cách tạo kháng thể để sau này nhận ra vi rút thật."),
    ("tự học đàn ghi ta", "Những bước đầu với nhạc cụ. Bắt đầu với ba hợp âm và chuyển chậm rãi giữa chúng, mỗi ngày mười lăm phút."),
];

#[rustfmt::skip]
const RUSSIAN: &[Pair] = &[
    ("На сколько можно взять книгу в библиотеке?", "Выдача. Книги выдают на четыре недели. Срок продлевают дважды, если никто другой не заказал это издание."),
    ("со скольки можно заселиться в гостиницу", "Прибытие. Номера готовы с трёх часов дня. Гости, которые приехали раньше, могут оставить багаж у стойки."),
    ("У велосипеда спустило колесо, как его заклеить?", "Ремонт прокола. Выньте камеру, найдите отверстие в тазу с водой, зачистите место и прижмите заплатку."),
    ("как часто поливать кактус", "Уход за суккулентами. Летом их поливают раз в три недели, зимой почти не поливают. Земля между поливами должна просохнуть."),
    ("Почему извергаются вулканы?", "Извержения. Расплавленная порода легче окружающей и поднимается. Газ в ней расширяется, пока давление не прорвёт кору."),
    ("чем можно кормить собаку", "Питание домашних животных. Взрослым дают мясо с овощами два раза в день. Шоколад и лук для них ядовиты."),
    ("Когда мне вернут залог за квартиру?", "Переезд. Хозяин возвращает залог в течение трёх месяцев, если ничего не повреждено и аренда оплачена."),
    ("нужна ли виза чтобы здесь учиться", "Иностранные студенты. Они подают в посольство заявление на вид на жительство с письмом о зачислении и справкой о средствах."),
    ("Как меня защищает прививка?", "Иммунизация. Организму показывают безвредную часть вируса, и он учится делать антитела, которые потом узнают настоящий."),
    ("научиться играть на гитаре самому", "Первые шаги с инструментом. Начните с трёх аккордов и медленно переходите с одного на другой, каждый день четверть часа."),
];

#[rustfmt::skip]
const GREEK: &[Pair] = &[
    ("Πόσο καιρό μπορώ να κρατήσω ένα βιβλίο της βιβλιοθήκης;", "Δανεισμός. Τα βιβλία δανείζονται για τέσσερις εβδομάδες. Ο δανεισμός ανανεώνεται δύο φορές αν κανένας άλλος δεν έχει κρατήσει τον τίτλο."),
    ("από τι ώρα μπορώ να μπω στο ξενοδοχείο", "Άφιξη. Τα δωμάτια είναι έτοιμα από τις τρεις το απόγευμα. Όσοι έρχονται νωρίτερα αφήνουν τις αποσκευές στη ρεσεψιόν."),
    ("Έσκασε το λάστιχο του ποδηλάτου μου, πώς το φτιάχνω;", "Επισκευή σαμπρέλας. Βγάλτε τη σαμπρέλα, βρείτε την τρύπα σε μια λεκάνη νερό, τρίψτε το σημείο και πιέστε ένα μπάλωμα."),
    ("κάθε πότε ποτίζω έναν κάκτο", "Φροντίδα παχύφυτων. Το καλοκαίρι ποτίζονται κάθε τρεις εβδομάδες και τον χειμώνα σχεδόν καθόλου. Ενδιάμεσα το χώμα πρέπει να στεγνώνει."),
    ("Γιατί εκρήγνυνται τα ηφαίστεια;", "Εκρήξεις. Το λιωμένο πέτρωμα είναι ελαφρύτερο από το γύρω του και ανεβαίνει. Το αέριο μέσα του διαστέλλεται ώσπου η πίεση να σπάσει τον φλοιό."),
    ("τι μπορώ να ταΐσω τον σκύλο μου", "Διατροφή κατοικιδίων. Τα ενήλικα ζώα τρώνε δύο φορές τη μέρα κρέας με λίγα λαχανικά. Η σοκολάτα και τα κρεμμύδια είναι δηλητήριο για αυτά."),
    ("Πότε παίρνω πίσω την εγγύηση για το διαμέρισμα;", "Μετακόμιση. Ο ιδιοκτήτης επιστρέφει την εγγύηση μέσα σε τρεις μήνες αν δεν υπάρχουν ζημιές και το ενοίκιο έχει πληρωθεί."),
    ("χρειάζομαι βίζα για να σπουδάσω εδώ", "Ξένοι φοιτητές. Ζητούν άδεια διαμονής από την πρεσβεία, με την επιστολή εγγραφής και απόδειξη πόρων."),
    ("Πώς με προστατεύει ένα εμβόλιο;", "Ανοσοποίηση. Το σώμα βλέπει ένα ακίνδυνο κομμάτι ενός ιού και μαθαίνει να φτιάχνει αντισώματα, που αναγνωρίζουν αργότερα τον πραγματικό."),
    ("να μάθω κιθάρα μόνος μου", "Πρώτα βήματα με ένα όργανο. Αρχίστε με τρεις συγχορδίες και αλλάζετε αργά από τη μία στην άλλη, ένα τέταρτο κάθε μέρα."),
];

#[rustfmt::skip]
const ARABIC: &[Pair] = &[
    ("كم من الوقت يمكنني الاحتفاظ بكتاب المكتبة؟", "الإعارة. تعار الكتب لمدة أربعة أسابيع. تجدد الإعارة مرتين إذا لم يحجز قارئ آخر العنوان."),
    ("متى أستطيع دخول غرفة الفندق", "الوصول. تكون الغرف جاهزة من الثالثة بعد الظهر. يمكن للضيوف الذين يصلون أبكر ترك أمتعتهم عند الاستقبال."),
    ("إطار دراجتي مثقوب، كيف أصلحه؟", "إصلاح الثقب. أخرج الأنبوب الداخلي، وابحث عن الثقب في وعاء ماء، ثم خشّن المكان واضغط رقعة عليه."),
    ("كم مرة يحتاج الصبار إلى الماء", "العناية بالنباتات العصارية. تسقى كل ثلاثة أسابيع صيفا وبالكاد شتاء. يجب أن تجف التربة بين السقيتين."),
    ("لماذا تثور البراكين؟", "الثوران. الصخر المنصهر أخف مما حوله فيصعد. يتمدد الغاز الذي فيه حتى يكسر الضغط القشرة فوقه."),
    ("ماذا يمكنني أن أطعم كلبي", "تغذية الحيوانات الأليفة. تأكل الحيوانات البالغة اللحم مع بعض الخضار مرتين في اليوم. الشوكولاتة والبصل سامان لها."),
    ("متى أستعيد تأمين الشقة؟", "الانتقال من السكن. يعيد المالك مبلغ التأمين خلال ثلاثة أشهر إذا لم يوجد ضرر وكان الإيجار مدفوعا."),
    ("هل أحتاج تأشيرة للدراسة هنا", "الطلاب الأجانب. يطلبون تصريح إقامة من السفارة مع خطاب القبول وإثبات الموارد."),
    ("كيف يحميني اللقاح؟", "التحصين. يعرض على الجسم جزء غير ضار من الفيروس فيتعلم صنع أجسام مضادة تعرف الحقيقي لاحقا."),
    ("تعلم العزف على الغيتار وحدي", "الخطوات الأولى مع آلة. ابدأ بثلاثة تآلفات وانتقل بينها ببطء، ربع ساعة كل يوم."),
];

#[rustfmt::skip]
const HINDI: &[Pair] = &[
    ("पुस्तकालय की किताब मैं कितने दिन रख सकता हूँ?", "उधार। किताबें चार सप्ताह के लिए दी जाती हैं। अगर किसी और पाठक ने किताब आरक्षित नहीं की है तो अवधि दो बार बढ़ाई जाती है।"),
    ("होटल में चेक इन कितने बजे से होता है", "आगमन। कमरे दोपहर तीन बजे से तैयार रहते हैं। जो मेहमान पहले आते हैं वे अपना सामान रिसेप्शन पर छोड़ सकते हैं।"),
    ("मेरी साइकिल का टायर पंक्चर है, कैसे ठीक करूँ?", "पंक्चर की मरम्मत। ट्यूब निकालें, पानी के बर्तन में छेद ढूँढें, जगह को घिसें और उस पर पैच दबाएँ।"),
    ("कैक्टस को कितनी बार पानी दें", "रसीले पौधों की देखभाल। गर्मी में हर तीन सप्ताह पर और सर्दी में लगभग बिल्कुल नहीं। बीच में मिट्टी सूख जानी चाहिए।"),
    ("ज्वालामुखी क्यों फटते हैं?", "विस्फोट। पिघली चट्टान आसपास की चट्टान से हल्की होती है और ऊपर उठती है। उसकी गैस फैलती है जब तक दबाव परत को तोड़ न दे।"),
    ("मैं अपने कुत्ते को क्या खिला सकता हूँ", "पालतू पशुओं का आहार। वयस्क पशुओं को दिन में दो बार थोड़ी सब्ज़ी के साथ मांस दिया जाता है। चॉकलेट और प्याज उनके लिए ज़हर हैं।"),
    ("मेरे फ्लैट की जमानत राशि कब वापस मिलेगी?", "मकान छोड़ना। अगर कोई नुकसान नहीं है और किराया चुकाया गया है तो मकान मालिक तीन महीने में जमा राशि लौटाता है।"),
    ("क्या यहाँ पढ़ने के लिए वीज़ा चाहिए", "विदेशी छात्र। वे प्रवेश पत्र और आय के प्रमाण के साथ दूतावास में निवास परमिट के लिए आवेदन करते हैं।"),
    ("टीका मेरी रक्षा कैसे करता है?", "टीकाकरण। शरीर को विषाणु का एक हानिरहित हिस्सा दिखाया जाता है और वह ऐसे प्रतिरक्षी बनाना सीखता है जो बाद में असली को पहचानते हैं।"),
    ("खुद से गिटार सीखना", "वाद्य के साथ पहले कदम। तीन कॉर्ड से शुरू करें और उनके बीच धीरे-धीरे बदलें, हर दिन पंद्रह मिनट।"),
];

#[rustfmt::skip]
const THAI: &[Pair] = &[
    ("ยืมหนังสือห้องสมุดได้นานแค่ไหน", "การยืม หนังสือให้ยืมได้สี่สัปดาห์ ต่ออายุได้สองครั้งหากไม่มีผู้อ่านคนอื่นจองไว้"),
    ("เช็คอินโรงแรมได้กี่โมง", "การเข้าพัก ห้องพร้อมตั้งแต่บ่ายสามโมง แขกที่มาถึงก่อนฝากกระเป๋าไว้ที่แผนกต้อนรับได้"),
    ("ยางจักรยานแบน ปะยังไง", "การปะยาง ถอดยางในออก หารูรั่วในอ่างน้ำ ขัดบริเวณนั้นให้หยาบแล้วกดแผ่นปะลงไป"),
    ("ต้องรดน้ำกระบองเพชรบ่อยแค่ไหน", "การดูแลไม้อวบน้ำ หน้าร้อนรดทุกสามสัปดาห์ หน้าหนาวแทบไม่ต้องรด ควรปล่อยให้ดินแห้งก่อนรดครั้งต่อไป"),
    ("ทำไมภูเขาไฟถึงระเบิด", "การปะทุ หินหลอมเหลวเบากว่าหินรอบข้างจึงลอยขึ้น แก๊สในนั้นขยายตัวจนแรงดันทำให้เปลือกโลกแตก"),
    ("ให้หมากินอะไรได้บ้าง", "อาหารของสัตว์เลี้ยง สัตว์ที่โตเต็มวัยกินเนื้อกับผักเล็กน้อยวันละสองมื้อ ช็อกโกแลตและหัวหอมเป็นพิษต่อมัน"),
    ("จะได้เงินประกันห้องคืนเมื่อไร", "การย้ายออก เจ้าของห้องคืนเงินประกันภายในสามเดือนหากไม่มีความเสียหายและจ่ายค่าเช่าครบแล้ว"),
    ("เรียนที่นี่ต้องขอวีซ่าไหม", "นักศึกษาต่างชาติ ยื่นขอใบอนุญาตพำนักที่สถานทูตพร้อมหนังสือตอบรับและหลักฐานทางการเงิน"),
    ("วัคซีนป้องกันเราได้อย่างไร", "การสร้างภูมิคุ้มกัน ร่างกายได้เห็นชิ้นส่วนของไวรัสที่ไม่เป็นอันตรายและเรียนรู้ที่จะสร้างแอนติบอดีซึ่งจำไวรัสจริงได้ภายหลัง"),
    ("หัดเล่นกีตาร์ด้วยตัวเอง", "ก้าวแรกกับเครื่องดนตรี เริ่มจากสามคอร์ดแล้วเปลี่ยนไปมาช้า ๆ วันละสิบห้านาที"),
];

#[rustfmt::skip]
const CHINESE: &[Pair] = &[
    ("图书馆的书可以借多久？", "借阅。图书可以借四个星期。如果没有其他读者预约，可以续借两次。"),
    ("酒店几点可以入住", "到达。客房下午三点起可以使用。提早到的客人可以把行李放在前台。"),
    ("自行车轮胎没气了怎么补", "补胎。取出内胎，在一盆水里找到破洞，把那里磨粗，再压上补片。"),
    ("仙人掌多久浇一次水", "多肉植物的养护。夏天每三个星期浇一次，冬天几乎不浇。两次之间要让土变干。"),
    ("火山为什么会喷发？", "喷发。熔化的岩石比周围的轻，会上升。里面的气体膨胀，直到压力冲破地壳。"),
    ("我的狗能吃什么", "宠物的饮食。成年动物每天喂两次肉和一些蔬菜。巧克力和洋葱对它们有毒。"),
    ("租房的押金什么时候退？", "搬出。如果没有损坏，房租也付清了，房东在三个月内退还押金。"),
    ("在这里读书需要签证吗", "外国学生。他们带着录取通知书和资金证明到大使馆申请居留许可。"),
    ("疫苗怎么保护我？", "免疫。让身体认识病毒的一个无害部分，学会制造抗体，以后就能认出真正的病毒。"),
    ("一个人学吉他", "乐器入门。从三个和弦开始，慢慢地在它们之间转换，每天一刻钟。"),
];
