"""What becomes of each declared field when its person asks for deletion."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Problem
from .checking import one_of, said
from .policy import Field

Problems = Iterator[Problem]

ON_ERASE = ("delete", "anonymise", "keep")


def on_erase(field: Field) -> Problems:
    """What is kept although its person asked for deletion has a reason and an end; what is not kept has neither."""
    key, hint = f"fields.{field.name}", "Say what becomes of it when its person asks for deletion."
    yield from one_of(f"{key}.on_erase", field.on_erase, ON_ERASE, hint)
    if field.on_erase == "keep":
        if not said(field.reason):
            hint = "The person is told why it stays (GDPR art. 17(3)), or let it be deleted."
            yield Problem(f"{key}.reason", field.reason, "a text", hint)
        if field.kept_for is None:
            yield Problem(f"{key}.kept_for", None, 'a period such as "10 years"', "The person is told how long it stays.")
        return
    for name in ("reason", "kept_for"):
        if value := getattr(field, name):
            shown = value if isinstance(value, dict) else str(value)
            yield Problem(f"{key}.{name}", shown, 'nothing, unless on_erase is "keep"', "Take it out, or keep the field.")
