"""What a mail asks for besides an end of mails: to see, to correct, or to delete what is stored."""

from __future__ import annotations

import re

from .words import plain

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


def wish_of(subject: str, body: str) -> str:
    """What is asked for, as the kind of a request; nothing where nothing is."""
    said = plain(f"{subject} . {body}")
    return next((kind for kind, pattern in _patterns.items() if pattern.search(said)), "")
