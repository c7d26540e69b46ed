"""``{% consent "statistics" %}…{% else %}…{% endconsent %}``: what a template says only under a grant."""

from __future__ import annotations

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from .current import current_consent


class ConsentTag(Extension):
    """The part before ``else`` is rendered where the purpose is granted, the other part where it is not.

    ``{% consent "media", service="video" %}`` asks for one of its services too.
    """

    tags = {"consent"}  # noqa: RUF012 — as Jinja asks

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        asked = [parser.parse_expression()]
        if parser.stream.skip_if("comma"):
            parser.stream.expect("name:service")
            parser.stream.expect("assign")
            asked.append(parser.parse_expression())
        body = parser.parse_statements(("name:else", "name:endconsent"))
        otherwise: list[nodes.Node] = []
        if next(parser.stream).value == "else":
            otherwise = parser.parse_statements(("name:endconsent",), drop_needle=True)
        test = self.call_method("_allows", asked)
        return nodes.If(test, body, [], otherwise, lineno=line)

    def _allows(self, purpose: str, service: str | None = None) -> bool:
        return current_consent.allows(purpose, service)
