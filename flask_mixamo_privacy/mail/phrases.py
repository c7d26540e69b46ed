"""Phrases of mail in the shipped languages: the words for "unsubscribe", subject prefixes, absence notes and requests."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from ..i18n.language import SHIPPED, language

#: Words for "unsubscribe" besides the text of our own button, which is taken from the catalogues. A word marked with "="
#: has other meanings too, so it counts only if it is the whole text.
_MORE = """
unsubscribe, un-subscribe
отписване, отпиши ме, отписвам се
=odhlásit, odhlásit odběr, zrušit odběr, =odhlášení
afmeld, afmelding, frameld, afmeld mig
abbestellen, =abmelden, =abmeldung, abbestellung, =austragen
κατάργηση εγγραφής, =διαγραφή, απεγγραφή
darse de baja, darme de baja, =baja, cancelar suscripción, cancelar la suscripción, desuscribir, desuscribirse
=loobu, =loobun, tühista tellimus, eemalda listist
=peruuta tilaus, peru tilaus, lopeta tilaus, poista postituslistalta
se désabonner, désabonner, désabonnement, me désabonner, désinscription, désinscrire, se désinscrire, me désinscrire
díliostáil, díliostáil mé
=odjava, odjavi me, =odjavi
leiratkozás, leiratkozom, feliratkozás törlése
disiscriviti, disiscrizione, cancellami, annulla iscrizione, cancella iscrizione, disiscrivimi
atsisakyti, =atsisakau, atsisakyti prenumeratos
atrakstīties, =atteikties, atrakstīt
neħħini, waqqaf l-emails
uitschrijven, afmelden, afmelding, uitschrijving
wypisz mnie, =wypisz, =rezygnacja, anuluj subskrypcję, =rezygnuję
cancelar subscrição, cancelar inscrição, cancelar assinatura, =descadastrar, remover subscrição
dezabonare, dezabonați-vă, dezabonează-mă, dezabonati-ma
=odhlásiť, odhlásiť odber, zrušiť odber, =odhlásenie
avprenumerera, avregistrera, avanmälan, avsluta prenumeration
إلغاء الاشتراك, الغاء الاشتراك
=הסרה, =הסר, הסירו אותי, ביטול מינוי, =להסרה, הסרה מהרשימה
відписатися, відписка, відпишіть мене
abonelikten çık, aboneliği iptal et, abonelikten çıkmak
退订, 退訂, 取消订阅, 取消訂閱
配信停止, 購読解除, 登録解除, 購読停止
"""

#: Phrases that mention an opt-out, without being a word for "unsubscribe".
_MENTIONS = (
    r"unsubscri\w+|opt(?:ing|ed)?[ -]?out|(?:remove|delete|take) (?:me|my (?:e-?mail|address)) (?:from|off)|"
    r"stop (?:sending|e-?mailing|mailing|these)|no more (?:e-?)?mails?|abbestell\w*|abgemeldet|keine (?:e-?)?mails? mehr|"
    r"desabon\w*|desinscri\w*|plus de (?:e-?mails?|courriels?)|desuscri\w*|no mas correos|dezabon\w*|disiscri\w*"
)

#: Prefixes that mail programs add to the subject of a reply.
_REPLY = (
    "re|aw|antw|antwort|sv|vs|ref|rif|r|res|resp|odp|ynt|yan|yanıt|ats|atb|απ|σχετ|bls|ré|r[eé]p|réponse|"
    "respuesta|risposta|resposta|svar|vastaus|válasz|odpověď|odpoveď|odgovor|odg|отговор|ответ|відповідь|відп|на|"
    "רד|תגובה|رد|الرد|答复|回复|回覆|返信|回信|freagra|răspuns|atbilde|atsakymas|tweġiba|"
    "vá|réf|ang|tl|trả lời|отг|отв|השב|답장|회신"
)

#: Prefixes of a forwarded mail, which is not a reply and may be about another person.
_FORWARD = (
    "fwd?|fw|wg|wtr|weitergeleitet|tr|trans|transf|i|inoltro|enc|encaminhar|reenv|rv|vb|doorst|vidarebefordrat|vl|pd|pdl|"
    "prop|προωθ|πρωθ|tovább|továbbítás|továbbítva|ilt|i̇lt|转发|轉寄|転送|הועבר|إعادة توجيه|переслано|пересл"
)

#: The first words of an absence note's subject.
_ABSENT = (
    "automatic reply|auto(?:matic)?[- ]?(?:response|reply)|auto:|out of (?:the )?office|"
    "away from (?:my|the) (?:office|mail)|"
    "on vacation|vacation (?:reply|response)|abwesenheits(?:notiz|nachricht|assistent)|automatische (?:antwort|reactie)|"
    "automatisch antwoord|afwezig|réponse automatique|absence du bureau|respuesta automática|fuera de la oficina|"
    "risposta automatica|fuori (?:sede|ufficio)|resposta automática|autosvar|automatis(?:k|ches) (?:svar|antwort)|frånvaro|"
    "automaattinen vastaus|poissa|odpowiedź automatyczna|automatická odpov|automatikus válasz|răspuns automat|"
    "автоматичн|автоответ|автоматический ответ|αυτόματη απάντηση|otomatik yanıt|自动回复|自動回覆|自動応答|自動返信|"
    "رد تلقائي|الرد التلقائي|"
    "תשובה אוטומטית|מענה אוטומטי|auto[- ]?reply|respuesta automatica|reponse automatique|resposta automatica"
)

_ABOUT = r"\s*(?:\[\d+\]|\(\d+\)|\^\d+)?\s*[:：]\s*"
_reply = re.compile(rf"\s*(?:{_REPLY}){_ABOUT}", re.IGNORECASE)
_forward = re.compile(rf"\s*(?:{_FORWARD}){_ABOUT}", re.IGNORECASE)
_tag = re.compile(r"\s*\[[^\[\]]{1,60}\]\s*")  # added by mailing lists and servers, such as [EXTERNAL]
_absent = re.compile(rf"\s*(?:{_ABSENT})", re.IGNORECASE)
_mentions = re.compile(rf"(?<!\w)(?:{_MENTIONS})(?!\w)")
_IDEOGRAPHS = "⺀"
_MOST_MARKS = 30  # above one letter
_AROUND = " \t\r\n\"'`“”„«»‘’‚()<>[]{}.,;:!¡…*_~|/\\-–—+=#。、！：；「」『』،؛"


def plain(text: str) -> str:
    """Normalise a text for comparison: no case, accents or invisible characters, and single spaces between words."""
    text = unicodedata.normalize("NFKD", _with_few_marks(text.casefold()))
    visible = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf", "Cc") or c.isspace())
    return " ".join(unicodedata.normalize("NFC", visible).split())


def _with_few_marks(text: str) -> str:
    """Return a text without the marks above a letter that are too many for any language.

    Sorting them takes quadratic time. The limit is that of the Stream-Safe Text Format (Unicode, UAX 15).
    """
    if text.isascii():
        return text
    kept, number = [], 0
    for char in text:
        number = number + 1 if unicodedata.combining(char) else 0
        if number <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


NO_WORDS: frozenset[str] = frozenset()  # of a site whose catalogues do not change the button "Unsubscribe"


@cache
def words(own: frozenset[str] = NO_WORDS) -> frozenset[str]:
    """Return the normalised words that mean "unsubscribe" and have no other meaning.

    ``own`` are the texts of the button in the site's own catalogues.
    """
    button_texts = (plain(language(code)("Unsubscribe").text) for code in SHIPPED)
    own_words = {word for word in _normalised(own) if f"={word}" not in _more()}
    return frozenset({word for word in _more() if not word.startswith("=")}.union(button_texts, own_words))


def _normalised(own: frozenset[str]) -> set[str]:
    return {word for text in own if (word := plain(text).strip(_AROUND))}


@cache
def _more() -> frozenset[str]:
    return frozenset(plain(word) for line in _MORE.strip().splitlines() for word in line.split(","))


@cache
def _words_as_whole_text(own: frozenset[str]) -> frozenset[str]:
    return words(own).union(word.lstrip("=") for word in _more())


@cache
def _anywhere(own: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern for a word within a text.

    The word must be a whole word, except in languages that put no space between words.
    """
    longest_first = sorted(words(own), key=len, reverse=True)
    spaced = "|".join(re.escape(word) for word in longest_first if word[0] < _IDEOGRAPHS)
    joined = "|".join(re.escape(word) for word in longest_first if word[0] >= _IDEOGRAPHS)
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)|{joined}")


def is_unsubscribe(text: str, own: frozenset[str] = NO_WORDS) -> bool:
    """Return whether a text is a word for "unsubscribe" and nothing else."""
    return plain(text).strip(_AROUND) in _words_as_whole_text(own)


def mentions_unsubscribe(text: str, own: frozenset[str] = NO_WORDS) -> bool:
    """Return whether a text mentions an opt-out anywhere."""
    normalised = plain(text)
    return bool(_anywhere(own).search(normalised) or _mentions.search(normalised)) or normalised.strip(
        _AROUND
    ) in _words_as_whole_text(own)


def starts_or_ends_with_unsubscribe(text: str, own: frozenset[str] = NO_WORDS) -> bool:
    """Return whether a text begins or ends with a word for "unsubscribe" and contains no question mark."""
    normalised = plain(text).strip(_AROUND)
    if any(mark in normalised for mark in "?？؟"):
        return False
    matches = list(_anywhere(own).finditer(normalised))
    return bool(matches) and (matches[0].start() == 0 or matches[-1].end() == len(normalised))


def stripped(subject: str) -> tuple[str, bool, bool]:
    """Return a subject without prefixes, whether it is a reply's, and whether it is a forwarded mail's."""
    is_reply = is_forward = False
    rest = unicodedata.normalize("NFC", subject[:2000])
    for _ in range(20):
        shorter = _tag.sub("", rest, count=1) if _tag.match(rest) else rest
        if match := _reply.match(shorter):
            is_reply, shorter = True, shorter[match.end() :]
        elif match := _forward.match(shorter):
            is_forward, shorter = True, shorter[match.end() :]
        if shorter == rest:
            break
        rest = shorter
    return rest.strip(), is_reply, is_forward


def is_absence(subject: str) -> bool:
    """Return whether a subject is that of an absence note."""
    return _absent.match(unicodedata.normalize("NFC", stripped(subject)[0])) is not None


# Requests for access, correction or erasure.

_DATA = r"(?:\w+ ){0,4}(?:data|information|account|profile|details|records?|everything|address|name)"
_KINDS = {
    "delete": (
        rf"(?:delete|erase|remove|wipe) {_DATA}|right to (?:erasure|be forgotten)|forget me|"
        r"(?:deletion|erasure) (?:of|request)|"
        r"(?:losch\w*|loesch\w*|entfern\w*) (?:\w+ ){0,4}(?:daten|konto|angaben|alles)|"
        r"(?:daten|konto|angaben)\w* (?:\w+ ){0,4}(?:zu )?(?:losch|loesch)\w*|"
        r"recht auf (?:loschung|vergessen\w*)|datenloschung|"
        r"(?:supprim\w*|effac\w*) (?:\w+ ){0,4}(?:donnees|compte|informations)|droit a l.(?:effacement|oubli)|"
        r"(?:elimin\w*|borr\w*|suprim\w*) (?:\w+ ){0,4}(?:datos|cuenta|informacion)|derecho (?:de supresion|al olvido)|"
        r"(?:حذف|امسحوا|احذفوا|محو) (?:\w+ ){0,3}(?:بيانات\w*|حساب\w*)"
    ),
    "correct": (
        rf"(?:correct|rectify|fix|update|change) {_DATA}|right to rectification|(?:correction|rectification) of|"
        r"(?:korrigier\w*|bericht\w*|ander\w*) (?:\w+ ){0,4}(?:daten|adresse|namen?|angaben)|"
        r"(?:daten|adresse|namen?|angaben) (?:\w+ ){0,4}(?:korrigier|bericht|ander)\w*|recht auf berichtigung|"
        r"(?:corrig\w*|rectifi\w*|modifi\w*) (?:\w+ ){0,4}(?:donnees|adresse|nom|informations|datos|direccion|nombre)|"
        r"derecho de rectificacion|droit de rectification|(?:تصحيح|صححوا|تعديل) (?:\w+ ){0,3}(?:بيانات\w*|عنوان\w*|اسم\w*)"
    ),
    "access": (
        rf"(?:export|download|copy of|access to|see|send me) {_DATA}|subject access|"
        r"what (?:\w+ ){0,3}(?:data|information) (?:\w+ ){0,4}(?:about me|of mine|on me|have|hold|store)|data portability|"
        r"(?:auskunft|kopie|export\w*) (?:\w+ ){0,4}(?:daten|angaben)|"
        r"(?:welche|meine) daten (?:\w+ ){0,4}(?:speicher|export|hab)\w*|"
        r"datenauskunft|auskunftsrecht|(?:copie|export\w*|acces a) (?:\w+ ){0,4}donnees|droit d.acces|"
        r"(?:copia|export\w*|acceso a) (?:\w+ ){0,4}datos|derecho de acceso|"
        r"(?:نسخة من|تصدير|الاطلاع على) (?:\w+ ){0,3}بيانات\w*"
    ),
}
_patterns = {kind: re.compile(rf"(?<!\w)(?:{words})(?!\w)") for kind, words in _KINDS.items()}


def requested_right(subject: str, body: str) -> str:
    """Return the kind of the data subject request that a mail makes, or an empty text if it makes none."""
    text = plain(f"{subject} . {body}")
    return next((kind for kind, pattern in _patterns.items() if pattern.search(text)), "")
