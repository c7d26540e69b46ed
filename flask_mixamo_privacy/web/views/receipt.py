"""The receipt of the grant at hand, to download."""

from __future__ import annotations

import json
from typing import Any

from flask import make_response, render_template
from werkzeug.wrappers import Response

from ...errors import PrivacyError
from ..current import Exchange, exchange
from ..whereabouts import no_store
from .blueprint import pages

# Sentences of the catalogues.
YOUR_RECEIPT = "Your receipt"
NO_RECEIPT = "You have no receipt: nothing is granted in this browser."
NOT_READ = "This could not be read just now. Please try again in a moment."


@pages.get("/receipt", endpoint="receipt")
def download() -> Response:
    """The signed receipt as a file; a page with 404 for whoever holds no grant that the ledger knows."""
    here = exchange()
    record = here.look().record
    try:
        entries = here.site.ledger.standing(record.receipt) if record is not None else None
        found = receipt_of(here, entries) if entries else None
    except (PrivacyError, OSError) as error:
        here.site.failed(error, tell_tests=False)
        return plain_page(YOUR_RECEIPT, NOT_READ, 503)
    if found is None:
        return plain_page(YOUR_RECEIPT, NO_RECEIPT, 404)
    response = make_response(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    response.content_type = "application/json"
    day = found["events"][0]["event_time"][:10]
    response.headers["Content-Disposition"] = f'attachment; filename="privacy-receipt-{day}.json"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return no_store(response)


def receipt_of(here: Exchange, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The receipt of the grant with these entries, signed."""
    from ...consent.receipt import receipt, sign

    words = here.site.ledger.wording(entries[0]["text"], entries[0]["fingerprint"])
    marks = here.consent.record.granted if here.consent.record is not None else frozenset()
    return sign(receipt(here.site.policy, entries, marks, words), here.site.keys)


def plain_page(title: str, message: str, status: int) -> Response:
    """One sentence, and the way to the settings."""
    page = render_template("mixamo_privacy/message.html", t=exchange().language, title=title, message=message)
    response = no_store(make_response(page))
    response.status_code = status
    return response
