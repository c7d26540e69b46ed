"""Numbers of persons in a text: of telephones, payment cards, accounts and identity documents.

Dates, times, years, versions, sizes, prices and ISBNs are no such numbers.
"""

from __future__ import annotations

import re
from itertools import pairwise

#: Digits, with at most three other characters between two of them. A list has ", " between its numbers.
_RUN = re.compile(r"(?:(?<!\w)\+\W{0,2})?\d(?:(?:(?!, |; )[\W_]){0,3}\d)*")
_GROUP = re.compile(r"\d+")
_FEWEST, _FEWEST_ABROAD, _FEWEST_OF_A_TOWN = 9, 7, 8  # digits: in all; after + or 00; after another leading 0

_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d"
    r"(?:([-./_ ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
    r"(?:[Tt_ -]?[0-2]\d([-:._]?)[0-5]\d(?:\2[0-5]\d(?:\.\d{1,6})?)?)?"
    r"|(?:0?[1-9]|[12]\d|3[01])([-./_ ])(?:0?[1-9]|[12]\d|3[01])\3(?:19|20)\d\d"
    r"|(?<!:)[0-2]?\d:[0-5]\d(?::[0-5]\d(?:[.,]\d{1,6})?)?(?!:))(?!\d)"
)
_AREA_CODE = re.compile(r"0\d{2,}")  # no date begins like this
_YEAR = re.compile(r"1[4-9]\d\d|20\d\d")
_RECENT = re.compile(r"(?:19|20)\d\d")
_CHECK_X = re.compile(r"[ -]?[Xx](?![A-Za-z0-9])")
_NEAR = 10  # the difference between neighbours in a list, such as status codes
_STEPS = frozenset({1, 2, 4, 5, 10, 20, 25, 50, 100, 250, 500, 1000})  # between the numbers of a list, such as sizes

#: The beginning of an IBAN (ISO 13616), in groups or not, and as many characters after it as the longest one has.
_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?:[ ._-]?[A-Za-z0-9]){11,30}+))")
_SEPARATORS = " ._-"
_ALPHANUMERIC = re.compile("[A-Za-z0-9]")
_SHORTEST_IBAN, _FEWEST_OF_AN_IBAN = 15, 8  # characters, digits


def without_numbers(text: str, instead: str = ":number") -> str:
    """Replace the numbers of persons in a text."""
    return _RUN.sub(lambda run: instead if _is_of_a_person(run) else run[0], text)


def without_accounts(text: str, instead: str = ":number") -> str:
    """Replace the IBANs in a text. Words may follow one."""
    parts, kept = [], 0
    for found in _IBAN.finditer(text):
        end = _end_of_iban(text, *found.span(1)) if found.start() >= kept else 0
        if end:
            parts += [text[kept : found.start()], instead]
            kept = end
    return "".join(parts) + text[kept:]


def _end_of_iban(text: str, start: int, limit: int) -> int:
    """Return the end of the longest groups with the right check digits, or 0 if there are none.

    The remainder by 97 is 1, with the first four characters at the end, and A as 10 (ISO 7064).
    """
    first = int("".join(str(int(char, 36)) for char in text[start : start + 4]))
    end, remainder, length, digits = 0, 0, 4, 2
    for position in range(start + 4, limit):
        if text[position] in _SEPARATORS:
            continue
        value = int(text[position], 36)
        remainder = (remainder * (10 if value < 10 else 100) + value) % 97
        length, digits = length + 1, digits + (value < 10)
        is_end = length >= _SHORTEST_IBAN and digits >= _FEWEST_OF_AN_IBAN and not _ALPHANUMERIC.match(text, position + 1)
        if is_end and (remainder * 10**6 + first) % 97 == 1:
            end = position + 1
    return end


def _is_of_a_person(run: re.Match[str]) -> bool:
    text = run[0]
    groups = _GROUP.findall(text)
    if sum(map(len, groups)) < _FEWEST_ABROAD:
        return False
    if text[0] == "+" or re.match("00[1-9]", groups[0]):
        return True
    if not _AREA_CODE.match(text):
        groups = _without_years(_GROUP.findall(_DATE.sub(" ", text)))
    return _is_long_enough(groups) and not _is_harmless(run, groups)


def _without_years(groups: list[str]) -> list[str]:
    """Return the groups without years at the beginning, and without one after a short number, as in ``27001-2022``."""
    while len(groups) > 1 and _RECENT.fullmatch(groups[0]):
        del groups[0]
    is_with_year = len(groups) == 2 and len(groups[0]) < 6 and groups[0][0] != "0" and _RECENT.fullmatch(groups[1])
    return groups[:1] if is_with_year else groups


def _is_long_enough(groups: list[str]) -> bool:
    """Return whether there are as many digits as in a telephone number. With an area code, fewer suffice."""
    has_area_code = len(groups) > 1 and len(groups[0]) > 1 and groups[0][0] == "0" and max(map(len, groups)) > 2
    return sum(map(len, groups)) >= (_FEWEST_OF_A_TOWN if has_area_code else _FEWEST)


def _is_harmless(run: re.Match[str], groups: list[str]) -> bool:
    """Return whether digits are those of an ISBN, a fraction, a version, years, a round number, or a list."""
    if _is_isbn("".join(groups)) or _is_old_isbn(run, groups):
        return True
    if len(groups) == 1:
        return False
    has_thousands = set(_GROUP.sub("", run[0])) in ({","}, {"'"}) and all(len(group) == 3 for group in groups[1:])
    is_round = has_thousands or all(group == "000" for group in groups[1:])
    are_years = all(map(_YEAR.fullmatch, groups))
    return is_round or are_years or _is_decimal(run, groups) or _is_list(groups)


def _is_list(groups: list[str]) -> bool:
    """Return whether numbers are a list, such as sizes or status codes, or a range of round numbers, such as prices."""
    steps = {int(b) - int(a) for a, b in pairwise(groups)}
    if min(steps) <= 0:
        return False
    has_one_step = len(groups) > 2 and len(steps) == 1 and steps <= _STEPS
    if any(group[0] == "0" for group in groups):
        return has_one_step
    is_range = len(groups) == 2 and all(group.endswith(("00", "99")) for group in groups)
    longest = max(map(len, groups))
    is_short = longest < 3 or (longest == 3 and len(groups) > 4)  # no network address is longer than four
    return has_one_step or is_range or is_short or (len(groups) > 2 and max(steps) <= _NEAR)


def _is_isbn(digits: str) -> bool:
    """Return whether digits are an ISBN-13 (ISO 2108)."""
    if len(digits) != 13 or not digits.startswith(("978", "979")):
        return False
    return (sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0


def _is_old_isbn(run: re.Match[str], groups: list[str]) -> bool:
    """Return whether digits are an ISBN-10 with separators. Its check digit has a group of its own, and may be an X."""
    check = _CHECK_X.match(run.string, run.end())
    digits = [*map(int, "".join(groups)), *([10] if check else [])]
    if len(digits) != 10 or len(groups) != (3 if check else 4) or not (check or len(groups[-1]) == 1):
        return False
    return sum(digit * weight for digit, weight in zip(digits, range(10, 0, -1), strict=True)) % 11 == 0


def _is_decimal(run: re.Match[str], groups: list[str]) -> bool:
    """Return whether digits are a fraction, or a version such as ``10.0.19041.1234``. A telephone number has no lone 0."""
    if set(_GROUP.sub("", run[0])) != {"."}:
        return False
    is_version = len(groups) > 2 and ("0" in groups[1:] or run.string[run.start() - 1 : run.start()] in ("v", "V"))
    return is_version or (len(groups) == 2 and len(groups[0]) < 5 and (groups[0] == "0" or groups[0][0] != "0"))
