"""What the extension serves: every URL, from the URL map, and what ``state.json`` contains, from an app."""

from __future__ import annotations

import json
import tempfile

from flask import Flask

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.web.assets import folder

from .markdown import summary, table


def sample_app(folder: str) -> Flask:
    """Return an app with the built-in policy, whose files are in a folder."""
    app = Flask("site", instance_path=folder, root_path=folder)
    app.config.update(SECRET_KEY="not a secret", TESTING=True)  # noqa: S106
    Privacy(app)
    return app


def urls() -> str:
    """Return every URL with its methods and its purpose."""
    with tempfile.TemporaryDirectory() as folder:
        return table(("URL", "method", "serves"), url_rows(sample_app(folder)))


def url_rows(app: Flask) -> list[tuple[str, str, str]]:
    """Return URL, methods and purpose of each page of the extension."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("mixamo_privacy")]
    return [
        (
            f"`{rule.rule}`",
            ", ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})),
            summary(app.view_functions[rule.endpoint]),
        )
        for rule in sorted(rules, key=lambda rule: (rule.rule, sorted(rule.methods or ())))
    ]


def types() -> str:
    """Return the TypeScript types of events and JSON, with their comments."""
    text = (folder("static") / "privacy.d.ts").read_text(encoding="utf-8")
    return f"```ts\n{text}```\n"


def state() -> str:
    """Return what ``state.json`` contains before a decision, and after each of two."""
    with tempfile.TemporaryDirectory() as folder:
        client = sample_app(folder).test_client()
        parts = [_state(client, "Before a decision")]
        for choice, title in (("accept_all", "After “Accept all”"), ("reject_all", "After “Reject all”")):
            client.post("/privacy/consent", data={"choice": choice})
            parts.append(_state(client, title))
    return "\n".join(parts)


def _state(client: object, title: str) -> str:
    answer = client.get("/privacy/state.json").json  # type: ignore[attr-defined]
    return f"{title}:\n\n```json\n{json.dumps(answer, indent=1)}\n```\n"
