//! Words that customers ask about, in the languages that their script doesn't tell apart.
//!
//! A question of two nouns, such as `refund policy`, has no function words, and is too short for statistics of letters.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    fold::{exact, folded},
    language::Language,
};

/// The words in each language, in the forms that questions have.
const WORDS: &[(Language, &str)] = &[
    (
        Language::English,
        "account address billing buy cancel card change charge contact cost coupon customer data delete delivery \
         discount download email error help invoice login message money number order orders password payment phone \
         plan plans policy price pricing product refund refunds reset return returns service settings setup shipping \
         size sizes store student subscription support track tracking trial update upgrade warranty website work working",
    ),
    (
        Language::German,
        "abo abonnement adresse änderung ändern anmelden anmeldung bestellen bestellung bestellnummer bezahlen daten \
         erstattung fehler garantie geld gutschein herunterladen hilfe karte kaufen konto kontakt kosten kunde kunden \
         kündigen kündigung lieferung lieferzeit löschen nummer passwort preis preise rabatt rechnung retoure rückgabe \
         rückerstattung service umtausch vergessen versand versandkosten vertrag widerruf zahlen zahlung zurücksetzen",
    ),
    (
        Language::French,
        "abonnement adresse aide annuler annulation carte changer client colis commande compte connexion contacter \
         délai données erreur expédition facture frais garantie livraison modifier oublié paiement passe payer prix \
         produit promotion rabais remboursement résilier résiliation retour suivi supprimer télécharger",
    ),
    (
        Language::Spanish,
        "ayuda cambiar cancelar cliente clientes compra contraseña correo cuenta datos descargar descuento devolución \
         devoluciones dinero dirección eliminar entrega envío envíos factura garantía gastos iniciar olvidé pagar pago \
         pagos pedido pedidos precio precios producto reembolso restablecer sesión suscripción tarjeta tienda",
    ),
    (
        Language::Italian,
        "abbonamento accedere account acquisto aiuto annullare assistenza cambiare carta cliente consegna costo costi \
         dati disdire dimenticato eliminare errore fattura garanzia indirizzo modificare ordine ordini pacco pagamento \
         pagare prezzo prezzi reso resi rimborso scaricare sconto spedizione spese",
    ),
    (
        Language::Portuguese,
        "ajuda alterar assinatura cancelar cartão cliente compra conta custo dados desconto devolução dinheiro endereço \
         entrega envio erro esqueci excluir fatura frete garantia mudar pagamento pagar pedido pedidos preço preços \
         produto rastrear redefinir reembolso senha troca",
    ),
    (
        Language::Dutch,
        "abonnement adres annuleren bestellen bestelling betalen betaling bezorging factuur garantie geld gegevens hulp \
         inloggen kaart klant klantenservice korting kosten levering levertijd opzeggen prijs prijzen product retour \
         retourneren terugbetaling vergeten verwijderen verzending verzendkosten wachtwoord wijzigen",
    ),
    (
        Language::Swedish,
        "abonnemang avbeställa avsluta beställning betala betalning faktura frakt frakten glömt hjälp inloggning kort \
         kostar kostnad kund kundtjänst köp leverans lösenord pengar pris priser rabatt retur returnera säga uppsägning \
         ändra återbetalning ångerrätt",
    ),
    (
        Language::Danish,
        "abonnement adgangskode annullere bestilling betale betaling faktura fortryde fragt glemt hjælp kode konto \
         kundeservice levering opsige opsigelse ordre pris priser rabat refusion returnere slette ændre",
    ),
    (
        Language::Norwegian,
        "abonnement avbestille bestilling betale betaling faktura frakt glemt hjelp konto kundeservice levering ordre \
         passord pris priser rabatt refusjon returnere slette endre oppsigelse",
    ),
    (
        Language::Finnish,
        "alennus asiakaspalvelu hinta kirjautuminen lasku maksaa maksu ohje osoite palautus peruuta peruuttaa poistaa \
         salasana salasanan tilaus tilauksen tili toimitus toimitusaika unohdin vaihtaa",
    ),
    (
        Language::Polish,
        "adres anulować cena ceny dane dostawa dostawy faktura hasło hasła karta klient konto koszt kupić logowanie \
         numer paczka płatność pomoc przesyłka reklamacja rezygnacja rabat subskrypcja usunąć wysyłka zamówienie \
         zamówienia zapłacić zapomniałem zmienić zniżka zwrot zwroty",
    ),
    (
        Language::Czech,
        "adresa cena cenu doprava dopravy dodání faktura heslo karta košík objednávka objednávku platba platit pomoc \
         předplatné přihlášení reklamace sleva smazat účet vrácení vrátit zapomněl zákazník změnit zrušit zrušení",
    ),
    (
        Language::Romanian,
        "abonament abonamentul abonamentului adresa ajutor anulare anulez bani card cardul client clienți comanda \
         comandă comenzi cont contul contului cost costă descarcă descărca factura factură facturi garanție livrare \
         livrarea livrării parola parolă plata plată plăți preț prețul produs rambursare reducere retur returnare \
         schimbare schimb șterge ștergere uitat",
    ),
    (
        Language::Hungarian,
        "ár árak cím előfizetés elfelejtettem fiók fizetés garancia jelszó jelszavam jelszavamat kártya kedvezmény \
         lemondás megrendelés rendelés segítség szállítás számla törlés ügyfélszolgálat visszaküldés visszatérítés",
    ),
    (
        Language::Turkish,
        "abonelik adres değiştirme değiştir destek fatura faturam fiyat fiyatlar garanti giriş hesap hesabım hesabımı \
         iade iadesi indirim indirme indir iptal kargo kart kartım kupon müşteri ödeme öğrenci para parola sifremi \
         sipariş siparişim silme süresi şifre şifremi teslimat ücret ücreti unuttum ürün üyelik yardım",
    ),
    (
        Language::Vietnamese,
        "đăng ký hủy hoàn tiền hóa đơn mật khẩu giao hàng phí vận chuyển thanh toán tài khoản đơn đổi trả giá giảm \
         khách sản phẩm quên huy dang mat khau",
    ),
    (
        Language::Indonesian,
        "akun alamat batal batalkan bayar biaya berlangganan diskon faktur harga hapus kata kartu langganan lupa \
         membatalkan mengubah pembayaran pengembalian pengiriman pesanan pelanggan sandi uang ubah ongkir bantuan",
    ),
    (
        Language::Russian,
        "адрес аккаунт возврат возврата возвраты гарантия данные деньги доставка доставки заказ заказа заказы забыл \
         изменить карта купить оплата оплатить отменить отмена ошибка пароль подписка подписку помощь скидка сколько \
         стоит стоимость счет товар удалить цена",
    ),
    (
        Language::Ukrainian,
        "адреса акаунт відмінити гроші доставка замовлення забув змінити знижка картка оплата пароль повернення \
         підписка підписку рахунок скасувати скільки товар видалити ціна",
    ),
    (
        Language::Bulgarian,
        "абонамент адрес акаунт връщане възстановяване доставка забравена забравих карта отказ отмяна парола плащане \
         поръчка поръчката промяна пари фактура цена цени",
    ),
];

/// The languages that a word is common in, by its folded form.
static COMMON: LazyLock<HashMap<Box<str>, u64>> = LazyLock::new(|| {
    let mut words: HashMap<Box<str>, u64> = HashMap::new();
    for (language, list) in WORDS {
        for word in list.split_ascii_whitespace() {
            let form = exact(word);
            *words.entry(folded(&form).unwrap_or(form).into()).or_default() |= language.bit();
        }
    }
    words
});

/// The languages in which customers ask about a word, as [`Language::bit`]s. `exact` is its exact form.
pub(super) fn languages(exact: &str) -> u64 {
    if exact.len() > 64 {
        return 0;
    }
    match folded(exact) {
        Some(folded) => COMMON.get(folded.as_str()),
        None => COMMON.get(exact),
    }
    .copied()
    .unwrap_or(0)
}
