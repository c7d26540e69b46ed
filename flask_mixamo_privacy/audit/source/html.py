"""What a page's HTML loads, keeps and runs: of a template with its Jinja left out, or of a page as it was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any, NamedTuple

from jinja2 import Environment

from .javascript import of_import_map, of_script
from .traces import UNKNOWN, Gate, InlineTrace, LoadTrace, SourcePlace, Trace, host_in

# What a style sheet loads: fonts, pictures, other style sheets. Read by tinycss2.

_NAMING = ("url", "src", "image-set", "-webkit-image-set")  # functions in which a text is an address


def of_stylesheet(text: str, place: SourcePlace) -> Iterator[LoadTrace]:
    """The loads of a style sheet, or of a ``style`` attribute, whose first line is the place's."""
    import tinycss2

    yield from _of_rules(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True), place)


def of_declarations(text: str, place: SourcePlace) -> Iterator[LoadTrace]:
    """The loads of what a ``style`` attribute says."""
    import tinycss2

    yield from _urls_in_stylesheet(tinycss2.parse_component_value_list(text), place, "image")


def _of_rules(rules: Iterable[Any], place: SourcePlace) -> Iterator[LoadTrace]:
    for rule in rules:
        keyword = getattr(rule, "lower_at_keyword", "")
        said = rule.prelude if keyword == "import" else ()  # @namespace names an address and loads none
        inside = [*said, *(getattr(rule, "content", None) or ())]
        what = {"import": "style", "font-face": "font"}.get(keyword, "image")
        yield from _urls_in_stylesheet(inside, place, what, keyword == "import")


def _urls_in_stylesheet(values: Iterable[Any], place: SourcePlace, what: str, texts: bool = False) -> Iterator[LoadTrace]:
    """``texts``: whether a text is an address here too, as after ``@import``."""
    rule = ""
    for value in values:
        host = host_in(value.value) if value.type == "url" or (texts and value.type == "string") else ""
        if host:
            yield LoadTrace(replace(place, line=place.line + value.source_line - 1), host, what)
        if value.type == "at-keyword":  # one rule within another, as in @media or @layer
            rule = value.lower_value
        elif value.type == "{} block":
            yield from _urls_in_stylesheet(value.content, place, "font" if rule == "font-face" else what)
            rule = ""
        elif value.type != "function":
            yield from _urls_in_stylesheet(getattr(value, "content", None) or (), place, what)
        elif value.lower_name != "supports":  # what is asked there is not loaded
            yield from _urls_in_stylesheet(value.arguments, place, what, value.lower_name in _NAMING)


_SOURCES = {
    "script": {"src": "script", "href": "script", "xlink:href": "script"},  # by href in an SVG
    "iframe": {"src": "frame"},
    "frame": {"src": "frame"},
    "embed": {"src": "frame"},
    "object": {"data": "frame"},
    "img": {"src": "image", "srcset": "image"},
    "input": {"src": "image"},
    "source": {"src": "media", "srcset": "image"},
    "video": {"src": "media", "poster": "image"},
    "audio": {"src": "media"},
    "track": {"src": "media"},
    "image": {"href": "image", "xlink:href": "image"},
    "use": {"href": "image", "xlink:href": "image"},
    "a": {"ping": "connect"},
    "area": {"ping": "connect"},
}
_LINKS = {
    "stylesheet": "style", "icon": "image", "apple-touch-icon": "image", "manifest": "connect", "preconnect": "",
    "dns-prefetch": "", "preload": "", "prefetch": "", "modulepreload": "script",
}  # fmt: skip
_SCRIPTS = (
    "", "module", "text/javascript", "application/javascript", "text/ecmascript", "application/ecmascript",
    "text/x-javascript", "application/x-javascript", "text/jscript",
)  # fmt: skip
_Reads = Callable[[str, SourcePlace], Iterator[Trace]]


class MarkupPart(NamedTuple):
    """A stretch of HTML and the consent that it stands under."""

    html: str
    gate: Gate = None


def of_markup(pieces: list[MarkupPart], file: str) -> list[Trace]:
    """What a page does that is made of these pieces, whose first line is 1."""
    reader, line = _MarkupReader(file), 1
    for piece in pieces:
        reader.gate = piece.gate
        for number, text in enumerate(piece.html.split("\n"), line):
            if text.strip():
                reader.under.setdefault(number, set()).add(piece.gate)
        line += piece.html.count("\n")
        reader.feed(piece.html)
    reader.close()
    return reader.found


def of_page_script(text: str, place: SourcePlace) -> Iterator[Trace]:
    """What a script does, with the loads of the HTML that it puts into the page."""
    return of_script(text, place, _inserted)


def _inserted(html: str, place: SourcePlace) -> Iterator[Trace]:
    found = of_markup([MarkupPart(html)], place.file)
    return (replace(trace, place=place) for trace in found if isinstance(trace, LoadTrace))


class _MarkupReader(HTMLParser):
    def __init__(self, file: str) -> None:
        super().__init__()
        self.gate: Gate = None
        self.found: list[Trace] = []
        self.under: dict[int, set[Gate]] = {}  # by line
        self._file = file
        self._inside: tuple[str, _Reads, SourcePlace] | None = None  # a script or a style sheet, and where its text begins
        self._text = ""

    @property
    def _place(self) -> SourcePlace:
        return SourcePlace(self._file, self.getpos()[0], self.gate)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in reversed(attributes)}  # of two of a name, the first counts
        self.found += self._loads(tag, said)
        self.found += self._handlers(said)
        if style := said.get("style"):
            self.found += of_declarations(style, self._place)
        if tag == "iframe":
            inner = of_markup([MarkupPart(said.get("srcdoc", ""))], self._file)
            self.found += [replace(trace, place=self._place) for trace in inner]
        if (reads := _reader_of(tag, said)) is not None:
            if tag == "script" and "nonce" not in said:
                self.found.append(InlineTrace(self._place, "<script>"))
            lines = (self.get_starttag_text() or "").count("\n")
            self._inside, self._text = (tag, reads, SourcePlace(self._file, self.getpos()[0] + lines, self.gate)), ""

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self._inside = None

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if self._inside is not None and self._inside[0] == tag:
            _, reads, begins = self._inside
            self.found += map(self._gated, reads(self._text, begins))
            self._inside = None

    def _gated(self, trace: Trace) -> Trace:
        """Within a script or a style sheet a consent may stand too, around whole lines."""
        under = self.under.get(trace.place.line, set())
        return replace(trace, place=replace(trace.place, gate=next(iter(under)))) if len(under) == 1 else trace

    def _loads(self, tag: str, said: dict[str, str]) -> Iterator[LoadTrace]:
        sources = _SOURCES.get(tag, {})
        if tag == "script" and _type(said) not in _SCRIPTS:
            sources = {}  # data, or what a consent manager puts in later
        if tag == "link":
            kinds = [_LINKS[word] for word in said.get("rel", "").lower().split() if word in _LINKS]
            sources = {"href": kinds[0], "imagesrcset": "image"} if kinds else {}
        for name, what in sources.items():
            for host in dict.fromkeys(map(host_in, _urls_in_markup(name, said.get(name, "")))):
                if host:
                    yield LoadTrace(self._place, host, what)

    def _handlers(self, said: dict[str, str]) -> Iterator[Trace]:
        for name, value in said.items():
            if name.startswith("on") and len(name) > 2 and value:
                yield InlineTrace(self._place, name)
                yield from of_page_script(value, self._place)
            elif name in ("href", "action", "formaction", "src") and value.strip().lower().startswith("javascript:"):
                yield InlineTrace(self._place, "javascript:")


def _reader_of(tag: str, said: dict[str, str]) -> _Reads | None:
    """What reads the text within an element; None for text that is only shown, or is data."""
    if tag == "style":
        return of_stylesheet
    if tag != "script" or said.keys() & _SOURCES["script"].keys():
        return None
    return of_import_map if _type(said) == "importmap" else of_page_script if _type(said) in _SCRIPTS else None


def _type(said: dict[str, str]) -> str:
    return said.get("type", "").strip().lower()


def _urls_in_markup(name: str, value: str) -> list[str]:
    if name in ("srcset", "imagesrcset"):
        return [candidate.strip().partition(" ")[0] for candidate in value.split(",")]
    return value.split() if name == "ping" else [value]


# A template as pieces of HTML, with its Jinja left out, each under the consent that it asks for.

_OPENING = ("if", "consent", "for")


def parts_of(source: str, environment: Environment) -> list[MarkupPart]:
    """Raises :class:`jinja2.TemplateSyntaxError`. Lines keep their numbers, and an expression is one unknown character."""
    return list(_Blanking().pieces(environment, source))


@dataclass
class _Blanking:
    line: int = 1
    tag: list[tuple[str, str]] = field(default_factory=list)  # kinds and texts of the tokens of the tag at hand
    within: list[tuple[str, Gate, Gate]] = field(default_factory=list)  # tag, gate up to its else, gate after it

    def pieces(self, environment: Environment, source: str) -> Iterator[MarkupPart]:
        for line, kind, text in environment.lexer.tokeniter(source, None):
            if kind == "data":
                yield MarkupPart(self._lines_up_to(line) + text, self._gate())
                self.line = line + text.count("\n")
            elif kind.endswith("_begin"):
                self.tag = []
            elif kind == "block_end":
                self._meet(self.tag)
            elif kind == "variable_end":
                yield MarkupPart(self._lines_up_to(line) + UNKNOWN, self._gate())
            else:
                self.tag.append((kind, text))

    def _lines_up_to(self, line: int) -> str:
        missing = max(line - self.line, 0)
        self.line += missing
        return "\n" * missing

    def _gate(self) -> Gate:
        gates = [gate for _, gate, _ in self.within if gate is not None]
        return frozenset().union(*gates) if gates else None

    def _meet(self, tag: list[tuple[str, str]]) -> None:
        words = [text for kind, text in tag if kind == "name"]
        word = words[0] if words else ""
        if word in _OPENING:
            self.within.append((word, *_gates_of(word, words, tag)))
        elif word.startswith("end") and self.within and self.within[-1][0] == word[3:]:
            self.within.pop()
        elif word == "elif" and self.within:
            self.within[-1] = ("if", *_gates_of("if", words, tag))
        elif word == "else" and self.within:
            opened, _, after = self.within[-1]
            self.within[-1] = (opened, after, None)


def _gates_of(word: str, words: list[str], tag: list[tuple[str, str]]) -> tuple[Gate, Gate]:
    """What stands under a tag, and under its ``else``."""
    if word == "for" or (word == "if" and "current_consent" not in words):
        return None, None
    named = frozenset(text[1:-1] for kind, text in tag if kind == "string")
    if {"or", "false", "False", "!="} & {text for _, text in tag}:  # what is true without a consent too
        return None, None
    if "state" in words and "granted" not in named:  # it asks for the visitors who gave none
        return None, None
    refused = "not current_consent" in " ".join(words)
    return (None, None if "and" in words else named) if refused else (named, None)
