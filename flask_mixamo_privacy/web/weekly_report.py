"""The weekly mail: the headline numbers of the last closed week, for the addresses of ``PRIVACY_WEEKLY_REPORT``."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import MailError
from ..i18n.language import Language
from ..rights.emails import Email
from ..storage.files import make_private_folder

if TYPE_CHECKING:
    from ..reports.dashboard import Headline, Overview
    from ..reports.reports import Report
    from .runtime import Runtime

_MOST_ROWS = 5  # of each list
_LISTS = ("pages", "referrers")
_PREFIX = "weekly-report-"  # of the files that record what was sent


def send_weekly_report(runtime: Runtime) -> int:
    """Send the last closed week to each address that has not got it yet. Returns the number of mails.

    A file in the folder of the log records each mail before it is sent, so no address gets a week twice. If sending fails,
    the file is removed, and the next call tries again. Every other address gets its mail first. Raises :class:`MailError`
    and :class:`StoreUnavailable`.
    """
    from ..reports import formatting

    if not runtime.settings.weekly_report:
        return 0
    week = formatting.newest(runtime.reports, "week")
    due = [to for to in dict.fromkeys(runtime.settings.weekly_report) if not os.path.exists(_marker(runtime, to, str(week)))]
    overview, reports = runtime.reports.dashboard(week, _MOST_ROWS) if due else (None, ())
    if overview is None or not overview.closed:
        return 0
    subject, text = weekly_text(runtime, overview, {report.id: report for report in reports})
    sent, errors = 0, list[MailError]()
    for to in due:
        try:
            sent += _send(runtime, Email(to, subject, text, runtime.policy.language), str(week))
        except MailError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return sent


def _marker(runtime: Runtime, to: str, week: str) -> str:
    """Return the path of the file that records the mail of a week to an address."""
    return os.path.join(runtime.settings.log_dir, f"{_PREFIX}{hashlib.sha256(to.lower().encode()).hexdigest()[:16]}-{week}")


def _send(runtime: Runtime, email: Email, week: str) -> bool:
    path = _marker(runtime, email.to, week)
    make_private_folder(runtime.settings.log_dir)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    try:
        runtime.mailer.send(email)
    except Exception:
        os.remove(path)
        raise
    _forget_earlier(runtime.settings.log_dir, os.path.basename(path))
    runtime.ledger.record_or_spool("access", detail={"who": "weekly report", "need": "reports", "what": f"reports {week}"})
    return True


def _forget_earlier(folder: str, marker: str) -> None:
    """Remove the files of earlier weeks to the same address."""
    for name in os.listdir(folder):
        if name.startswith(marker[: len(_PREFIX) + 16]) and name < marker:
            with suppress(OSError):
                os.remove(os.path.join(folder, name))


def weekly_text(runtime: Runtime, overview: Overview, reports: dict[str, Report]) -> tuple[str, str]:
    """Return the subject and the text of the mail. Both have published numbers only."""
    from ..reports import formatting

    t = runtime.settings.languages(runtime.policy.language)
    name = formatting.name_of(overview.window, t)
    lines = [t("Visits to %(site)s", site=runtime.policy.site).text, name, ""]
    lines += [_headline(headline, t) for headline in overview.headlines]
    for report in (reports[each] for each in _LISTS):
        rows = [row for row in report.rows if row[0] != "other"][:_MOST_ROWS]
        if rows:
            count = next(column for column in report.columns if column.kind == "number")
            place = report.columns.index(count)
            numbers = [(formatting.row_label(report, row, t), formatting.format_cell(row[place], count, t)) for row in rows]
            lines += ["", t(report.title).text, *(f"  {label}: {number}" for label, number in numbers)]
    if base := runtime.settings.base_url:
        lines += ["", f"{base}{runtime.settings.url_prefix}/reports?window={overview.window}"]
    lines += ["", t("Only visitors who agreed to statistics are counted.").text]
    return f"{t('Visits to %(site)s', site=runtime.policy.site)}: {name}", "\n".join(lines) + "\n"


def _headline(headline: Headline, t: Language) -> str:
    from ..reports import formatting

    if headline.id == "consenting":
        value = formatting.format_share(headline.share, t)
    else:
        value = t.number(headline.cell) if isinstance(headline.cell, int | float) else headline.cell or "–"
    change = f" ({formatting.format_change(headline, t)})" if headline.change is not None else ""
    return f"{t(headline.title)}: {value}{change}"
