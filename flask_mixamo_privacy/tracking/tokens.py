"""Tokens: random texts, as secrets, session ids and video ids are, distinguished from words."""

from __future__ import annotations

import re
from itertools import pairwise

_FEWEST, _FEWEST_SHORT = 8, 12  # letters and digits of a token; of one in short groups of one case
_LONGEST_WORD, _LONGEST_UPPER = 24, 11  # letters of a word that is not examined
_EXAMINED = 40  # characters of a chunk; more add no evidence
_ENOUGH = 3.0  # evidence

_CHUNK = re.compile(r"[A-Za-z0-9]+")
_VIDEO_ID = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{11}(?![A-Za-z0-9_-])")
_HEXADECIMAL = re.compile(r"[0-9a-f]{16,}|[0-9A-F]{16,}")

#: Names of sizes, versions, products, programs and times: 160x80x75, 0x8007, KB5034441, 1080p60fps, iOS17, CSS3Grid,
#: v1alpha1, a11y, 20260508T123000Z.
_NAME = re.compile(
    r"\d+(?:x\d+)+[a-z]{0,2}|0x[0-9a-f]{1,8}|[A-Z]{1,5}\d{1,8}|\d{3,4}[pi]\d{0,3}(?:fps)?|"
    r"(?:[A-Z]?[a-z]{2,}|[a-z])[A-Z]{2,5}\d{0,4}(?:[A-Z][a-z]{2,})?|(?:[A-Z]{2,5}\d{0,2}|IPv[46])(?:[A-Z][a-z]{2,})+|"
    r"v\d{1,3}(?:alpha|beta|rc)\d{0,2}|\d{1,4}[A-Za-z]{1,3}|[A-Za-z]{1,3}\d{1,4}|[A-Z]?[a-z]*TeX|"
    r"[a-z]\d{1,2}[a-z]|20\d{6}T\d{4,6}Z?"
)
_WORD_WITH_NUMBER = re.compile(r"\d{0,4}(?:[A-Z]?[a-z]+|[A-Z]+)\d{0,4}")
_HUMP = re.compile(r"[a-z](?=[A-Z][a-z]{2})")  # a new word in camel case

#: The frequency of each letter after another in the 22 shipped languages with Latin letters: a row for each first letter,
#: a digit for each second one. 5 is as frequent as in random text, 6 is twice as frequent, and 4 is half as frequent.
_FREQUENCIES = """
    45660252634656141767542244 75227024732733621653610030 60417007615511700536500033 73248134721433630553531043
    53564443534657242776343424 72217622821522710635612030 71228245711535520554610032 71238201622534720636532030
    54556452234657632566350214 80338200613344621355740000 72237221604604720465642042 72257221732632631155530040
    75028003711453660144500030 62567461614325620267530042 34552342534667450766655213 71327223600612750755600030
    51113331311511113441911111 72458242724454620555542043 60517114714432551168622034 70318215712423630665533042
    55556442534657450667331213 80108000712303600440400041 71338135701415610563202050 61637344611444371348111541
    65656443525466560466425023 74257034732434620315544055
"""
_ROWS = dict(zip("abcdefghijklmnopqrstuvwxyz", _FREQUENCIES.split(), strict=True))
_KINDS = str.maketrans("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "l" * 26 + "u" * 26 + "d" * 10)
#: The evidence, in bits, of a change between a lower-case letter, an upper-case letter and a digit. Few words have one.
_CHANGES = {"lu": 3.5, "ld": 2.0, "dl": 2.5, "du": 2.5, "ud": 2.0, "dd": 0.0}
_OF_A_WORD = 2.0  # evidence against a token, of a word with a number or a new word in camel case


def is_token(text: str) -> bool:
    """Return whether a text without white space is more likely random than words and numbers."""
    evidence, length, is_short, is_mixed = 0.0, 0, True, False
    for chunk in _CHUNK.findall(text):
        if chunk.isdigit() or _NAME.fullmatch(chunk):
            continue
        if chunk.isalpha() and (chunk.islower() or chunk.isupper() or chunk.istitle()):
            longest = _LONGEST_UPPER if chunk.isupper() else _LONGEST_WORD
            if len(chunk) > longest and (_HEXADECIMAL.fullmatch(chunk) or _evidence(chunk) > 0):
                return True
        elif _HEXADECIMAL.fullmatch(chunk):
            return True
        elif (found := _evidence(chunk)) > 0:
            has_one_case = chunk.islower() or chunk.isupper()
            evidence, length = evidence + found, length + len(chunk)
            is_mixed, is_short = is_mixed or not has_one_case, is_short and has_one_case and len(chunk) < 6
            if evidence >= _ENOUGH and length >= _FEWEST_SHORT:
                return True
    if evidence < _ENOUGH:
        return False
    return length >= (_FEWEST_SHORT if is_short else _FEWEST) or (is_mixed and _VIDEO_ID.search(text) is not None)


def _evidence(chunk: str) -> float:
    """Return by how many bits a chunk is more likely random than a word. It is negative for a word."""
    chunk = chunk[:_EXAMINED]
    bits = -_OF_A_WORD * (len(_HUMP.findall(chunk)) + bool(_WORD_WITH_NUMBER.fullmatch(chunk)))
    letters, kinds = chunk.lower(), chunk.translate(_KINDS)
    for (first, second), (kind, next_kind) in zip(pairwise(letters), pairwise(kinds), strict=True):
        if kind + next_kind in _CHANGES:
            bits += _CHANGES[kind + next_kind]
        else:
            bits += 5 - int(_ROWS[first][ord(second) - 97])
    return bits
