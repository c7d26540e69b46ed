"""What a style sheet loads: fonts, pictures, other style sheets. Read by tinycss2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .trace import Load, Place, host_in


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
        yield from _addresses(inside, place, {"import": "style", "font-face": "font"}.get(keyword, "image"))


def _addresses(values: Iterable[Any], place: Place, what: str) -> Iterator[Load]:
    for value in values:
        address = value.value if value.type == "url" or (value.type == "string" and what == "style") else ""
        if value.type == "function" and value.lower_name in ("url", "src", "image-set", "-webkit-image-set"):
            address = next((inner.value for inner in value.arguments if inner.type in ("string", "url")), "")
        if host := host_in(address):
            yield Load(replace(place, line=place.line + value.source_line - 1), host, what)
        if value.type == "at-keyword":  # one rule within another, as in @media or @layer
            what = "font" if value.lower_value == "font-face" else what
        yield from _addresses(getattr(value, "content", None) or (), place, what)
