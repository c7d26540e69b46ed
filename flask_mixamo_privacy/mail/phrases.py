"""The words for "unsubscribe" in the shipped languages, and what mail programs put before a subject."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from ..i18n.language import SHIPPED, language

#: What people write besides the word on our own buttons, which is taken from the catalogues. What has other meanings as
#: well, marked "=", counts where it is all that somebody wrote.
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

#: What mentions it, and is not the word.
_MENTIONS = (
    r"unsubscri\w+|opt(?:ing|ed)?[ -]?out|(?:remove|delete|take) (?:me|my (?:e-?mail|address)) (?:from|off)|"
    r"stop (?:sending|e-?mailing|mailing|these)|no more (?:e-?)?mails?|abbestell\w*|abgemeldet|keine (?:e-?)?mails? mehr|"
    r"desabon\w*|desinscri\w*|plus de (?:e-?mails?|courriels?)|desuscri\w*|no mas correos|dezabon\w*|disiscri\w*"
)

#: What mail programs put before the subject of a reply, in as many languages as they are made for.
_REPLY = (
    "re|aw|antw|antwort|sv|vs|ref|rif|r|res|resp|odp|ynt|yan|yanıt|ats|atb|απ|σχετ|bls|ré|r[eé]p|réponse|"
    "respuesta|risposta|resposta|svar|vastaus|válasz|odpověď|odpoveď|odgovor|odg|отговор|ответ|відповідь|відп|на|"
    "רד|תגובה|رد|الرد|答复|回复|回覆|返信|回信|freagra|răspuns|atbilde|atsakymas|tweġiba|"
    "vá|réf|ang|tl|trả lời|отг|отв|השב|답장|회신"
)

#: Before the subject of a mail that is passed on, which is no reply and may be about somebody else.
_FORWARD = (
    "fwd?|fw|wg|wtr|weitergeleitet|tr|trans|transf|i|inoltro|enc|encaminhar|reenv|rv|vb|doorst|vidarebefordrat|vl|pd|pdl|"
    "prop|προωθ|πρωθ|tovább|továbbítás|továbbítva|ilt|i̇lt|转发|轉寄|転送|הועבר|إعادة توجيه|переслано|пересл"
)

#: What an absent person's mail program begins with.
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
_tag = re.compile(r"\s*\[[^\[\]]{1,60}\]\s*")  # as lists and servers put there: [EXTERNAL]
_absent = re.compile(rf"\s*(?:{_ABSENT})", re.IGNORECASE)
_mentions = re.compile(rf"(?<!\w)(?:{_MENTIONS})(?!\w)")
_IDEOGRAPHS = "⺀"
_AROUND = " \t\r\n\"'`“”„«»‘’‚()<>[]{}.,;:!¡…*_~|/\\-–—+=#。、！：；「」『』،؛"


def plain(text: str) -> str:
    """A text as it is compared: without case, accents, invisible characters, or more than one space between words."""
    text = unicodedata.normalize("NFKD", text.casefold())
    shown = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf", "Cc") or c.isspace())
    return " ".join(unicodedata.normalize("NFC", shown).split())


@cache
def words() -> frozenset[str]:
    """Every word for it that says nothing else, as it is compared."""
    ours = (plain(language(code)("Unsubscribe").text) for code in SHIPPED)
    return frozenset({word for word in _more() if not word.startswith("=")}.union(ours))


@cache
def _more() -> frozenset[str]:
    return frozenset(plain(word) for line in _MORE.strip().splitlines() for word in line.split(","))


@cache
def _alone() -> frozenset[str]:
    return words().union(word.lstrip("=") for word in _more())


@cache
def _anywhere() -> re.Pattern[str]:
    """Between other letters it is another word, except where words are not kept apart by spaces."""
    longest_first = sorted(words(), key=len, reverse=True)
    spaced = "|".join(re.escape(word) for word in longest_first if word[0] < _IDEOGRAPHS)
    joined = "|".join(re.escape(word) for word in longest_first if word[0] >= _IDEOGRAPHS)
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)|{joined}")


def is_unsubscribe(text: str) -> bool:
    """Whether a text is the word and nothing else."""
    return plain(text).strip(_AROUND) in _alone()


def mentions_unsubscribe(text: str) -> bool:
    """Whether a text mentions it anywhere."""
    said = plain(text)
    return bool(_anywhere().search(said) or _mentions.search(said)) or said.strip(_AROUND) in _alone()


def starts_or_ends_with_unsubscribe(text: str) -> bool:
    """Whether a text begins or ends with the word, and asks nothing."""
    said = plain(text).strip(_AROUND)
    if any(mark in said for mark in "?？؟"):
        return False
    found = list(_anywhere().finditer(said))
    return bool(found) and (found[0].start() == 0 or found[-1].end() == len(said))


def stripped(subject: str) -> tuple[str, bool, bool]:
    """A subject without what programs put before it; whether it was a reply's, and whether it was passed on."""
    reply = forward = False
    rest = unicodedata.normalize("NFC", subject[:2000])
    for _ in range(20):
        shorter = _tag.sub("", rest, count=1) if _tag.match(rest) else rest
        if found := _reply.match(shorter):
            reply, shorter = True, shorter[found.end() :]
        elif found := _forward.match(shorter):
            forward, shorter = True, shorter[found.end() :]
        if shorter == rest:
            break
        rest = shorter
    return rest.strip(), reply, forward


def is_absence(subject: str) -> bool:
    """Whether a subject is what an absent person's mail program writes."""
    return _absent.match(unicodedata.normalize("NFC", stripped(subject)[0])) is not None


# What a mail asks for besides an end of mails: to see, to correct, or to delete what is stored.

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
    """What is asked for, as the kind of a request; nothing where nothing is."""
    said = plain(f"{subject} . {body}")
    return next((kind for kind, pattern in _patterns.items() if pattern.search(said)), "")
