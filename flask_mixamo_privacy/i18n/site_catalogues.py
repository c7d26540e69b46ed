"""A site's own catalogues: gettext files that correct the shipped translations, or add what they lack."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import SettingError
from .language import SHIPPED, Language, language, shipped

#: The name of the files, without the ending: the gettext domain of this extension.
DOMAIN = "mixamo_privacy"

_PLACEHOLDER = re.compile(r"%\(\w+\)s")


class Languages:
    """The translators of one site: the shipped catalogues, with the site's own entries before theirs."""

    def __init__(self, own: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._own = own or {}
        self._made: dict[tuple[str, str], Language] = {}

    def __call__(self, code: str) -> Language:
        """Return the translator of a shipped language. Raises :class:`LookupError` for any other code."""
        return self.adapt(language(code))

    def stored(self, code: str) -> Language:
        """Return the translator of a stored language. English if this release does not ship it, so that no mail fails."""
        return self(code if code in SHIPPED else "en")

    def own_texts(self, msgid: str) -> frozenset[str]:
        """Return the site's own translations of a sentence, in all languages."""
        return frozenset(texts[msgid] for texts in self._own.values() if msgid in texts)

    def adapt(self, t: Language) -> Language:
        """Return the site's translator of the same language and region."""
        if t.code not in self._own:
            return t
        return self._made.setdefault((t.code, t.region), Language(t.code, t.region, self._own[t.code]))


def read_languages(setting: str, folder: str) -> Languages:
    """Return the translators with the catalogues of a folder: ``de/LC_MESSAGES/mixamo_privacy.po``, or ``.mo``.

    Raises :class:`SettingError` for a file that cannot be read and for a language that is not shipped. Also raises it for a
    translation with other placeholders than its sentence.
    """
    own: dict[str, dict[str, str]] = {}
    for path in sorted(
        Path(folder).glob(f"*/LC_MESSAGES/{DOMAIN}.[pm]o"), key=lambda path: path.suffix
    ):  # .po overrides .mo
        name = path.parent.parent.name
        code = shipped(name)
        if code is None or name.replace("_", "-").lower() != code.lower():
            raise SettingError(
                setting, str(path), f"a folder named after a shipped language: {', '.join(SHIPPED)}", "Rename it."
            )
        own[code] = own.get(code, {}) | _read(setting, path)
    return Languages(own)


def _read(setting: str, path: Path) -> dict[str, str]:
    """Return the translations by msgid. An empty or fuzzy one translates nothing, and neither does one with a context."""
    from babel.messages.mofile import read_mo
    from babel.messages.pofile import read_po

    try:
        with path.open("rb") as file:
            catalogue = read_mo(file) if path.suffix == ".mo" else read_po(file, abort_invalid=True)
    except Exception as error:  # Babel raises many kinds for a damaged file, and states none
        raise SettingError(
            setting, str(path), "a gettext catalogue that can be read", f"{error}. Correct the file."
        ) from None
    texts = {
        message.id: str(message.string)
        for message in catalogue
        if isinstance(message.id, str) and message.id and message.string and not (message.fuzzy or message.context)
    }
    for sentence, translation in texts.items():
        _check_placeholders(setting, path, sentence, translation)
    return texts


def _check_placeholders(setting: str, path: Path, sentence: str, translation: str) -> None:
    expected, found = (sorted(_PLACEHOLDER.findall(text)) for text in (sentence, translation))
    stray = expected and "%" in _PLACEHOLDER.sub("", translation.replace("%%", ""))
    if expected != found or stray:
        allowed = f"a translation with {' and '.join(expected) or 'no placeholder'}"
        hint = f"Change the msgstr of {sentence!r} in {os.fspath(path)}."
        raise SettingError(setting, translation, allowed, hint)
