"""A report as one HTML file that can be attached to a ticket: pictures inside, no script, nothing loaded from anywhere."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from . import terminal
from .evidence import Place
from .finding import Finding
from .pictures import subject_of
from .report import Picture, Report


def as_html(report: Report) -> str:
    """The whole document."""

    def picture(finding: Finding) -> Picture | None:
        subject = subject_of(finding)
        return report.pictures.get(subject) if subject is not None else None

    firsts = [(place, shown) for (place, outlined), shown in report.pictures.items() if not outlined and not place.login]
    by_state = {state: _first(state, firsts) for state in report.states}
    return _template().render(
        report=report, picture=picture, by_state=by_state, data=_data, where=terminal.where, outcome=terminal.outcome(report)
    )


def _first(state: str, pictures: list[tuple[Place, Picture]]) -> Picture | None:
    """The picture of the plainest page in this state."""
    mine = sorted((place.route, number) for number, (place, _) in enumerate(pictures) if place.state == state)
    return pictures[mine[0][1]][1] if mine else None


def _data(picture: Picture) -> str:
    return f"data:image/jpeg;base64,{b64encode(picture.jpeg).decode()}"


@lru_cache(maxsize=1)
def _template() -> Template:
    found = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=found, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html")
