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

#: An IBAN (ISO 13616), in groups or not.
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_NO_LETTER = re.compile(r"[ -]")


def without_numbers(text: str, instead: str = ":number") -> str:
    """Replace the numbers of persons in a text."""
    return _RUN.sub(lambda run: instead if _is_of_a_person(run) else run[0], text)


def without_accounts(text: str, instead: str = ":number") -> str:
    """Replace the IBANs in a text."""
    return _IBAN.sub(lambda found: instead if _is_iban(_NO_LETTER.sub("", found[0])) else found[0], text)


def _is_iban(text: str) -> bool:
    """Return whether the check digits are right: modulo 97, with A as 10 (ISO 7064)."""
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


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
    return has_one_step or is_range or max(map(len, groups)) < 3 or (len(groups) > 2 and max(steps) <= _NEAR)


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
    return is_version or (len(groups) == 2 and len(groups[0]) < 4 and (groups[0] == "0" or groups[0][0] != "0"))
