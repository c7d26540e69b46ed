"""Makes a test fail if it shows a sentence of ours that is in no catalogue template, wherever the code defines it."""

import re
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

import flask_mixamo_privacy
from flask_mixamo_privacy.i18n.language import Language, LocalizedText

#: Sentences that only a forged form meets, which are English like other errors of a developer, and numbers in tables.
ENGLISH = re.compile(r"The field choice is .+; allowed: |There is no (purpose|service) .+; there are: |\d+(–\d+|\+)?$")

TEMPLATES = Path(flask_mixamo_privacy.__file__).parent / "i18n" / "translations"


@cache
def sentences() -> frozenset[str]:
    """Return every sentence of the catalogue templates."""
    found: set[str] = set()
    for path in TEMPLATES.glob("*.pot"):
        with path.open("rb") as file:
            found |= {str(message.id) for message in read_po(file) if message.id}
    return frozenset(found)


def refuse_unknown_sentences() -> None:
    """Let every translator of this process raise for a sentence that is in no catalogue template."""
    translate = Language.__call__

    def checked(self: Language, msgid: str, /, **values: object) -> LocalizedText:
        if msgid not in sentences() and not ENGLISH.match(msgid):
            raise AssertionError(f"{msgid!r} is in no catalogue template. Add it to visitor.pot or policy.pot.")
        return translate(self, msgid, **values)

    Language.__call__ = checked  # type: ignore[method-assign]
