"""What a style sheet loads: fonts, pictures, other style sheets. Read by tinycss2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .trace import Load, Place, host_in

_NAMING = ("url", "src", "image-set", "-webkit-image-set")  # functions in which a text is an address


def of_stylesheet(text: str, place: Place) -> Iterator[Load]:
    """The loads of a style sheet, or of a ``style`` attribute, whose first line is the place's."""
    import tinycss2

    yield from _of_rules(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True), place)


def of_declarations(text: str, place: Place) -> Iterator[Load]:
    """The loads of what a ``style`` attribute says."""
    import tinycss2

    yield from _addresses(tinycss2.parse_component_value_list(text), place, "image")


def _of_rules(rules: Iterable[Any], place: Place) -> Iterator[Load]:
    for rule in rules:
        keyword = getattr(rule, "lower_at_keyword", "")
        said = rule.prelude if keyword == "import" else ()  # @namespace names an address and loads none
        inside = [*said, *(getattr(rule, "content", None) or ())]
        what = {"import": "style", "font-face": "font"}.get(keyword, "image")
        yield from _addresses(inside, place, what, keyword == "import")


def _addresses(values: Iterable[Any], place: Place, what: str, texts: bool = False) -> Iterator[Load]:
    """``texts``: whether a text is an address here too, as after ``@import``."""
    rule = ""
    for value in values:
        host = host_in(value.value) if value.type == "url" or (texts and value.type == "string") else ""
        if host:
            yield Load(replace(place, line=place.line + value.source_line - 1), host, what)
        if value.type == "at-keyword":  # one rule within another, as in @media or @layer
            rule = value.lower_value
        elif value.type == "{} block":
            yield from _addresses(value.content, place, "font" if rule == "font-face" else what)
            rule = ""
        elif value.type != "function":
            yield from _addresses(getattr(value, "content", None) or (), place, what)
        elif value.lower_name != "supports":  # what is asked there is not loaded
            yield from _addresses(value.arguments, place, what, value.lower_name in _NAMING)
