"""The background threads of a serving process: they load the log, process requests, and delete what has expired."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask

from ..errors import LoaderBusy, PrivacyError
from ..storage.clock import today
from ..storage.failures import log_failure

if TYPE_CHECKING:
    from .runtime import Runtime

_PAUSE = 2.0  # seconds between two passes over the log
_LONGEST_REST = 30.0  # seconds between two passes, because a data subject may be waiting for a link
_MAILS_A_PASS = 50  # of each kind
_DAILY_PAUSE = 60.0  # seconds until daily work looks whether a day has begun
_HOURLY_PAUSE = 3600.0  # seconds until the weekly mail looks whether a week has closed
_RETRY = 3600.0  # seconds until daily work that failed is tried again


class Background:
    """A daemon thread that calls ``work`` repeatedly.

    The thread works at most a tenth of the time, so that requests come first. It rests half a minute at most, also after
    long work such as pruning a large store, unless ``pause`` is longer.
    """

    def __init__(self, work: Callable[[], object], pause: float = _PAUSE, name: str = "loader") -> None:
        self._work = work
        self._pause = pause
        self._name = f"privacy-{name}"
        self._process = 0

    def start(self) -> None:
        """Start the thread, unless this process has one already."""
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        used = 0.0  # seconds of CPU time
        while True:
            time.sleep(max(self._pause, min(9 * used, _LONGEST_REST)))
            started = time.thread_time()
            try:
                self._work()
            except LoaderBusy:
                pass  # another process of the site is loading
            except Exception as error:  # a thread that ended would never work again
                level = logging.WARNING if isinstance(error, PrivacyError | OSError) else logging.ERROR
                log_failure(f"The work of {self._name} failed and will be tried again", error, level=level)
            used = time.thread_time() - started


class RegularWork:
    """What a serving process does between requests, in one thread for each kind of work.

    A mail server that does not answer must not keep events waiting, and neither must the deletion of old ones. The first
    event or decision starts the threads.
    """

    def __init__(self, app: Flask, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._threads = (
            Background(self.load),
            Background(self.process_requests, name="requests"),
            Background(_Daily(self.prune), _DAILY_PAUSE, "pruning"),
            Background(_Daily(self.expire), _DAILY_PAUSE, "expiry"),
            Background(self.send_weekly_report, _HOURLY_PAUSE, "reports"),
        )
        self._process = 0

    def start(self) -> None:
        """Start the threads, unless this process has them already."""
        if self._process != os.getpid():
            self._process = os.getpid()
            for thread in self._threads:
                thread.start()

    def load(self) -> None:
        """Load one batch of the log."""
        self._runtime.load(most=1)

    def process_requests(self) -> None:
        """Send the e-mails of data subject requests."""
        with self._app.app_context():  # the site's own mailer may need one
            self._runtime.rights.requests.process(_MAILS_A_PASS)

    def prune(self) -> None:
        """Delete the events, entries, counts and mails whose retention ended, also on a site without events."""
        self._runtime.prune()

    def expire(self) -> None:
        """Delete the rows whose retention ended, in the site's own stores too."""
        with self._app.app_context():  # the site's own stores may need one
            self._runtime.rights.replay.expire()

    def send_weekly_report(self) -> None:
        """Mail the last closed week to the staff who asked for it."""
        if not self._runtime.settings.weekly_report:
            return
        from .weekly_report import send_weekly_report

        with self._app.app_context():  # the site's own mailer may need one
            send_weekly_report(self._runtime)


class _Daily:
    """Work that is done once a day, and again after an hour if it fails."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._done_on = ""
        self._next_try = 0.0

    def __call__(self) -> None:
        if self._done_on == today() or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + _RETRY
        self._work()
        self._done_on = today()
        self._next_try = 0.0
