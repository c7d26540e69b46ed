"""Traces in HTML and style sheets: what a template, without its Jinja code, or a page loads, stores and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any, NamedTuple

from jinja2 import Environment

from .javascript import of_import_map, of_script
from .traces import UNKNOWN, Gate, InlineTrace, LoadTrace, SourcePlace, Trace, host_in

# Style sheets, parsed by tinycss2: fonts, images and imported style sheets.

_URL_FUNCTIONS = ("url", "src", "image-set", "-webkit-image-set")  # functions in which a string is a URL


def of_stylesheet(text: str, place: SourcePlace) -> Iterator[LoadTrace]:
    """Yield the loads of a style sheet whose first line is at the place."""
    import tinycss2

    yield from _of_rules(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True), place)


def of_declarations(text: str, place: SourcePlace) -> Iterator[LoadTrace]:
    """Yield the loads of a ``style`` attribute."""
    import tinycss2

    yield from _urls_in_stylesheet(tinycss2.parse_component_value_list(text), place, "image")


def _of_rules(rules: Iterable[Any], place: SourcePlace) -> Iterator[LoadTrace]:
    for rule in rules:
        keyword = getattr(rule, "lower_at_keyword", "")
        prelude = rule.prelude if keyword == "import" else ()  # @namespace has a URL, but loads nothing
        inside = [*prelude, *(getattr(rule, "content", None) or ())]
        load = {"import": "style", "font-face": "font"}.get(keyword, "image")
        yield from _urls_in_stylesheet(inside, place, load, keyword == "import")


def _urls_in_stylesheet(values: Iterable[Any], place: SourcePlace, load: str, strings: bool = False) -> Iterator[LoadTrace]:
    """Yield the loads of parsed values. ``strings``: whether a string is a URL too, as after ``@import``."""
    rule = ""
    for value in values:
        host = host_in(value.value) if value.type == "url" or (strings and value.type == "string") else ""
        if host:
            yield LoadTrace(replace(place, line=place.line + value.source_line - 1), host, load)
        if value.type == "at-keyword":  # a nested rule, as in @media or @layer
            rule = value.lower_value
        elif value.type == "{} block":
            yield from _urls_in_stylesheet(value.content, place, "font" if rule == "font-face" else load)
            rule = ""
        elif value.type != "function":
            yield from _urls_in_stylesheet(getattr(value, "content", None) or (), place, load)
        elif value.lower_name != "supports":  # a condition loads nothing
            yield from _urls_in_stylesheet(value.arguments, place, load, value.lower_name in _URL_FUNCTIONS)


# HTML: elements that load, scripts and event handlers.

#: Attributes with a URL that the browser loads, by element; each with the kind of load.
_SOURCES = {
    "script": {"src": "script", "href": "script", "xlink:href": "script"},  # href in an SVG
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
#: The kind of load of a link element, by its rel.
_LINKS = {
    "stylesheet": "style", "icon": "image", "apple-touch-icon": "image", "manifest": "connect", "preconnect": "",
    "dns-prefetch": "", "preload": "", "prefetch": "", "modulepreload": "script",
}  # fmt: skip
_SCRIPTS = (
    "", "module", "text/javascript", "application/javascript", "text/ecmascript", "application/ecmascript",
    "text/x-javascript", "application/x-javascript", "text/jscript",
)  # fmt: skip
_Scanner = Callable[[str, SourcePlace], Iterator[Trace]]


class MarkupPart(NamedTuple):
    """A part of a template's HTML, and the consent that it requires."""

    html: str
    gate: Gate = None


def of_markup(parts: list[MarkupPart], file: str) -> list[Trace]:
    """Return the traces of a page that consists of these parts. Its first line is 1."""
    scanner, line = _MarkupScanner(file), 1
    for part in parts:
        scanner.gate = part.gate
        for number, text in enumerate(part.html.split("\n"), line):
            if text.strip():
                scanner.gates.setdefault(number, set()).add(part.gate)
        line += part.html.count("\n")
        scanner.feed(part.html)
    scanner.close()
    return scanner.traces


def of_page_script(text: str, place: SourcePlace) -> Iterator[Trace]:
    """Yield the traces of a script, with the loads of the HTML that it inserts into the page."""
    return of_script(text, place, _inserted)


def _inserted(html: str, place: SourcePlace) -> Iterator[Trace]:
    traces = of_markup([MarkupPart(html)], place.file)
    return (replace(trace, place=place) for trace in traces if isinstance(trace, LoadTrace))


class _MarkupScanner(HTMLParser):
    def __init__(self, file: str) -> None:
        super().__init__()
        self.gate: Gate = None
        self.traces: list[Trace] = []
        self.gates: dict[int, set[Gate]] = {}  # by line
        self._file = file
        self._inside: tuple[str, _Scanner, SourcePlace] | None = (
            None  # tag of a script or style sheet, its scanner, and the place of its text
        )
        self._text = ""

    @property
    def _place(self) -> SourcePlace:
        return SourcePlace(self._file, self.getpos()[0], self.gate)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in reversed(attributes)}  # the first of two with one name counts
        self.traces += self._loads(tag, values)
        self.traces += self._handlers(values)
        if style := values.get("style"):
            self.traces += of_declarations(style, self._place)
        if tag == "iframe":
            inner = of_markup([MarkupPart(values.get("srcdoc", ""))], self._file)
            self.traces += [replace(trace, place=self._place) for trace in inner]
        if (scan := _scanner_of(tag, values)) is not None:
            if tag == "script" and "nonce" not in values:
                self.traces.append(InlineTrace(self._place, "<script>"))
            lines = (self.get_starttag_text() or "").count("\n")
            self._inside, self._text = (tag, scan, SourcePlace(self._file, self.getpos()[0] + lines, self.gate)), ""

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self._inside = None

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if self._inside is not None and self._inside[0] == tag:
            _, scan, place = self._inside
            self.traces += map(self._gated, scan(self._text, place))
            self._inside = None

    def _gated(self, trace: Trace) -> Trace:
        """Return a trace of a script or style sheet with the consent of its line, if the whole line has the same."""
        gates = self.gates.get(trace.place.line, set())
        return replace(trace, place=replace(trace.place, gate=next(iter(gates)))) if len(gates) == 1 else trace

    def _loads(self, tag: str, values: dict[str, str]) -> Iterator[LoadTrace]:
        sources = _SOURCES.get(tag, {})
        if tag == "script" and _type(values) not in _SCRIPTS:
            sources = {}  # data, or a script that a consent manager activates later
        if tag == "link":
            kinds = [_LINKS[word] for word in values.get("rel", "").lower().split() if word in _LINKS]
            sources = {"href": kinds[0], "imagesrcset": "image"} if kinds else {}
        for name, load in sources.items():
            for host in dict.fromkeys(map(host_in, _urls_in_markup(name, values.get(name, "")))):
                if host:
                    yield LoadTrace(self._place, host, load)

    def _handlers(self, values: dict[str, str]) -> Iterator[Trace]:
        for name, value in values.items():
            if name.startswith("on") and len(name) > 2 and value:
                yield InlineTrace(self._place, name)
                yield from of_page_script(value, self._place)
            elif name in ("href", "action", "formaction", "src") and value.strip().lower().startswith("javascript:"):
                yield InlineTrace(self._place, "javascript:")


def _scanner_of(tag: str, values: dict[str, str]) -> _Scanner | None:
    """Return the scanner for the text inside an element. None if the text is only displayed, or is data."""
    if tag == "style":
        return of_stylesheet
    if tag != "script" or values.keys() & _SOURCES["script"].keys():
        return None
    return of_import_map if _type(values) == "importmap" else of_page_script if _type(values) in _SCRIPTS else None


def _type(values: dict[str, str]) -> str:
    return values.get("type", "").strip().lower()


def _urls_in_markup(name: str, value: str) -> list[str]:
    if name in ("srcset", "imagesrcset"):
        return [candidate.strip().partition(" ")[0] for candidate in value.split(",")]
    return value.split() if name == "ping" else [value]


# Templates: parts of HTML without the Jinja code, each with the consent that it requires.

_OPENING = ("if", "consent", "for")


def parts_of(source: str, environment: Environment) -> list[MarkupPart]:
    """Return the parts of a template, or raise :class:`jinja2.TemplateSyntaxError`.

    Line numbers do not change. Each expression becomes :data:`UNKNOWN`.
    """
    return list(_TemplateReader().parts(environment, source))


@dataclass
class _TemplateReader:
    line: int = 1
    tag: list[tuple[str, str]] = field(default_factory=list)  # kinds and texts of the current tag's tokens
    open_tags: list[tuple[str, Gate, Gate]] = field(default_factory=list)  # word, gate before else, gate after else

    def parts(self, environment: Environment, source: str) -> Iterator[MarkupPart]:
        for line, kind, text in environment.lexer.tokeniter(source, None):
            if kind == "data":
                yield MarkupPart(self._lines_up_to(line) + text, self._gate())
                self.line = line + text.count("\n")
            elif kind.endswith("_begin"):
                self.tag = []
            elif kind == "block_end":
                self._handle(self.tag)
            elif kind == "variable_end":
                yield MarkupPart(self._lines_up_to(line) + UNKNOWN, self._gate())
            else:
                self.tag.append((kind, text))

    def _lines_up_to(self, line: int) -> str:
        missing = max(line - self.line, 0)
        self.line += missing
        return "\n" * missing

    def _gate(self) -> Gate:
        gates = [gate for _, gate, _ in self.open_tags if gate is not None]
        return frozenset().union(*gates) if gates else None

    def _handle(self, tag: list[tuple[str, str]]) -> None:
        words = [text for kind, text in tag if kind == "name"]
        word = words[0] if words else ""
        if word in _OPENING:
            self.open_tags.append((word, *_gates_of(word, words, tag)))
        elif word.startswith("end") and self.open_tags and self.open_tags[-1][0] == word[3:]:
            self.open_tags.pop()
        elif word == "elif" and self.open_tags:
            self.open_tags[-1] = ("if", *_gates_of("if", words, tag))
        elif word == "else" and self.open_tags:
            opened, _, after = self.open_tags[-1]
            self.open_tags[-1] = (opened, after, None)


def _gates_of(word: str, words: list[str], tag: list[tuple[str, str]]) -> tuple[Gate, Gate]:
    """Return the consent that a tag's content requires, and the consent that the content of its ``else`` requires."""
    if word == "for" or (word == "if" and "current_consent" not in words):
        return None, None
    named = frozenset(text[1:-1] for kind, text in tag if kind == "string")
    if {"or", "false", "False", "!="} & {text for _, text in tag}:  # the condition may be true without consent
        return None, None
    if "state" in words and "granted" not in named:  # a test for visitors who did not consent
        return None, None
    refused = "not current_consent" in " ".join(words)
    return (None, None if "and" in words else named) if refused else (named, None)
