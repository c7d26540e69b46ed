"""The one address to which every decision is posted, and what a decision sets going."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from flask import current_app, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from .. import wording
from ..consent import CHOICES, Choice, Decision, choose, decide, for_a_minor
from ..current import Exchange, exchange
from ..errors import EventError, LedgerUnavailable, UndeclaredPurpose, UndeclaredService
from ..ledger import Entry
from ..leftovers import by_kind, deletions, left_behind, of_the_site
from ..rights.moments import timestamp
from ..signals import consent_granted, consent_refused, consent_withdrawn
from ..whereabouts import no_store, wants_json
from ..wording import Wording
from . import pages
from .origin import DECISION_NOT_FROM_HERE, SAVED, gone, is_same_origin, local_path, problem, state_of

# Sentences of the catalogues; the visitor reads them in a language of the visitor's own.
ASK_AGAIN = "What we ask has changed since you opened that page, so nothing was saved. Please choose again."
NOT_SAVED = "Your consent could not be recorded just now, so nothing was granted. Please try again in a moment."


@pages.post("/consent", endpoint="decide")
def post() -> AnyResponse:
    """Take a decision. A refusal or a withdrawal always takes effect in this very response; only a grant can fail."""
    here = exchange()
    if not is_same_origin(request):
        return problem(403, DECISION_NOT_FROM_HERE)
    choice = request.form.get("choice", "")
    if choice not in CHOICES:
        return problem(400, f"The field choice is {choice!r}; allowed: {', '.join(CHOICES)}.")
    try:
        decision = _decision(here, choice)
    except UndeclaredPurpose as error:
        return problem(400, f"There is no purpose {error.purpose!r} here; there are: {', '.join(error.declared)}.")
    except UndeclaredService as error:
        return problem(400, f"There is no service {error.service!r} here; there are: {', '.join(error.declared) or 'none'}.")
    words, fresh = _words_shown(here)
    if decision.kind == "grant" and not fresh:
        return _without_grant(here, decision, words, 409, ASK_AGAIN)
    try:
        _write(here, decision, words)
    except LedgerUnavailable as error:
        current_app.logger.error("A grant could not be recorded: %s", error, exc_info=error)
        return _without_grant(here, decision, words, 503, NOT_SAVED)
    _take_effect(here, decision)
    return _answer(here, decision)


def _decision(here: Exchange, choice: Choice) -> Decision:
    form, policy = request.form, here.site.policy
    wanted = choice, form.getlist("purpose"), form.getlist("service")
    listed, keep = form.get("services") == "listed" and choice == "save", "keep" in form
    if here.is_minor:
        wanted = for_a_minor(policy, *wanted)
    return choose(policy, here.consent, *wanted, listed=listed, keep=keep, gpc=here.gpc, today=here.today)


def _words_shown(here: Exchange) -> tuple[Wording | None, bool]:
    """The words that the form names, and whether they ask what the policy asks now."""
    policy, token = here.site.policy, request.form.get("shown", "")
    if not token:
        return None, True  # a program's post: there were no words of ours, and the ledger says so
    words = wording.resolve_shown(
        token,
        partial(wording.current_text, policy),
        policy.fingerprint,
        here.site.ledger.wording,
        same_text_suffices=True,
    )
    return words, words is not None


def _write(here: Exchange, decision: Decision, words: Wording | None, source: str = "api") -> None:
    """Bring the decision to the ledger; raises :class:`LedgerUnavailable`, for a grant alone.

    What goes with the decision is erased first, so that the ledger never says what is not so yet. A withdrawal waits in
    the side file meanwhile: whatever kills this in between, the ledger will say whose events have to go after a restore.
    """
    visitor = _leaving(here, decision)
    if decision.kind is None:
        _erase(here, visitor)
        return
    subject, key_id = _subject(here, visitor)
    entry = replace(_entry(here, decision, words, source), subject=subject, subject_key=key_id)
    waits = decision.kind == "withdrawal" and visitor is not None and _wait(here, entry, words)
    _erase(here, visitor)
    if waits:
        _take_up(here)
        return
    if decision.kind == "grant":
        here.site.ledger.append(entry, words)
        return
    try:
        here.site.ledger.append_or_wait(entry, words)
    except Exception as error:  # whatever it is, a refusal takes effect
        here.site.failed(error)


def _wait(here: Exchange, entry: Entry, words: Wording | None) -> bool:
    """Whether the side file has the entry."""
    try:
        here.site.ledger.wait(entry, words)
    except OSError as error:  # the ledger itself may take it still
        current_app.logger.error("A withdrawal could not wait beside the ledger: %s", error, exc_info=error)
        return False
    return True


def _take_up(here: Exchange) -> None:
    try:
        here.site.ledger.take_up()
    except LedgerUnavailable as error:
        current_app.logger.warning("What waits beside the ledger will be tried again: %s", error)
    except Exception as error:  # whatever it is, a withdrawal takes effect
        here.site.failed(error)


def _entry(here: Exchange, decision: Decision, words: Wording | None, source: str) -> Entry:
    policy, at = here.site.policy, timestamp(here.now)
    about = Entry(
        str(decision.kind),
        at[:10],
        policy=policy.version,
        fingerprint=policy.fingerprint,
        source=words.source.partition(":")[0] if words else source,
        locale=words.locale if words else "",
        text=words.digest if words else "",
    )
    if decision.kind == "refusal":
        return about
    return replace(
        about,
        at=at,
        receipt=decision.record.receipt,
        replaces=decision.replaces if decision.replaces != decision.record.receipt else "",
        purposes=tuple(sorted(decision.granted)),
        services=tuple(sorted(decision.services)),
        withdrawn=tuple(sorted(decision.withdrawn | decision.withdrawn_services)),
        gpc=decision.record.gpc,
    )


def take_back_everything(here: Exchange, source: str) -> Decision:
    """Withdraw every optional purpose, with all that goes with it: a decision like any other, and remembers nothing."""
    decision = choose(here.site.policy, here.consent, "reject_all", gpc=here.gpc, today=here.today)
    _write(here, decision, None, source)
    _take_effect(here, decision)
    here.choices_out = "" if here.names.choices in here.request.cookies else None
    return decision


def _without_grant(here: Exchange, decision: Decision, words: Wording | None, status: int, message: str) -> AnyResponse:
    """What was taken back in the same breath takes effect; what was to be granted does not."""
    if decision.fallback is not None:
        withdrawal = decision.only_taking_back(here.consent)
        _write(here, withdrawal, words)
        _take_effect(here, withdrawal)
    return problem(status, message)


def _take_effect(here: Exchange, decision: Decision) -> None:
    """From here on this request knows the visitor's new mind; the end of the request sets the cookies."""
    before, counted, chosen = here.known_visitor(), "statistics" in here.consent.granted, here.choices
    here.consent, here.record_out = decide(here.site.policy, decision.record, here.gpc), decision.record
    if before is not None and "statistics" in here.consent.granted:
        here.carry(before)
    if not counted and "statistics" in here.consent.granted and wants_json() and not _needs_new_page(here, decision):
        _count_page_at_hand(here)
    _keep_choices(here, decision, chosen)
    _delete_cookies(here, decision)
    _tell(here, decision)


def _leaving(here: Exchange, decision: Decision) -> str | None:
    """The ID of the visitor that serves statistics, if they are granted no more."""
    before = here.known_visitor()
    granted = "statistics" in decide(here.site.policy, decision.record, here.gpc).granted
    return None if before is None or granted else before.id


def _erase(here: Exchange, visitor: str | None) -> None:
    try:
        if visitor is not None:
            here.site.store.erase_or_wait(visitor, timestamp(here.now)[:10])
    except Exception as error:  # whatever it is, a withdrawal takes effect
        here.site.failed(error)


def _subject(here: Exchange, visitor: str | None) -> tuple[str, str]:
    """Whose events go with the decision, so that they can be erased again after a restore."""
    try:
        key_id, hashed = here.site.keys.hash(visitor) if visitor is not None else ("", "")
    except (OSError, ValueError):  # the keys' file is away with the ledger; the decision counts all the same
        return "", ""
    return hashed, key_id


def _count_page_at_hand(here: Exchange) -> None:
    """The page on which the banner was accepted is counted, as it is where the form's answer reloads it."""
    path = local_path(request.form.get("next"))
    pages = here.site.pages
    try:
        personal = pages.somebody_is_logged_in(here.request)
    except Exception as error:  # the site's own callable must not undo a visitor's decision
        here.site.failed(error)
        return
    here.page = pages.name_of(path.partition("?")[0], request.root_path, personal) if path else ""
    if here.page:
        here.pending.append(("page_view", "{}"))


def _keep_choices(here: Exchange, decision: Decision, chosen: dict[str, Any]) -> None:
    """What was chosen until now is kept under a grant of customisation, else for the session; a withdrawal forgets it."""
    if "customisation" in decision.withdrawn:
        here.choices_out = ""
    elif chosen:
        with suppress(EventError):  # bound to the grant they would outgrow their cookie: they stay for the session
            here.choices_out = here.site.cookies.seal_choices(here.choices_check, chosen)


def _delete_cookies(here: Exchange, decision: Decision) -> None:
    left = left_behind(here.site.policy, decision.withdrawn, decision.withdrawn_services)
    here.deletions = deletions(of_the_site(left), request.cookies, request.host)


def _needs_new_page(here: Exchange, decision: Decision) -> bool:
    """Whether the page at hand cannot show what was granted: it was served without it, and with its host refused."""
    return decision.kind == "grant" and bool(decision.services)


def _tell(here: Exchange, decision: Decision) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        if decision.kind == "grant":
            receipt = decision.record.receipt
            consent_granted.send(app, granted=decision.granted, services=decision.services, receipt=receipt)
        if decision.kind == "refusal":
            consent_refused.send(app)
        if decision.takes_back:
            consent_withdrawn.send(app, withdrawn=decision.withdrawn, services=decision.withdrawn_services)
    except Exception as error:  # a listener's fault must not undo a visitor's decision
        here.site.failed(error)


def _answer(here: Exchange, decision: Decision) -> AnyResponse:
    back = local_path(request.form.get("next"))
    settled = _what_was_removed(decision, back) if decision.takes_back else back
    if not wants_json():
        return no_store(redirect(settled or url_for("mixamo_privacy.settings", saved=1), 303))
    left = left_behind(here.site.policy, decision.withdrawn, decision.withdrawn_services)
    answer = state_of(here) | {"message": here.language(SAVED).text, "removed": by_kind(left)} | _tracker(here)
    if settled and (decision.takes_back or _needs_new_page(here, decision)):
        answer["go"] = settled
    return no_store(jsonify(answer))


def _tracker(here: Exchange) -> dict[str, str]:
    """What a page that stays open may run from now on, where it may."""
    granted = "statistics" in here.consent.granted
    return {"tracker": here.site.tracker_address(here.environ.get("SCRIPT_NAME", ""), here.mark)} if granted else {}


def _what_was_removed(decision: Decision, back: str | None) -> str:
    """The address of the page that removes what no header can remove, and says what is gone."""
    values: dict[str, Any] = {"saved": 1, "next": back, **gone(decision)}
    return url_for("mixamo_privacy.settings", **values)
