"""The background thread of a serving process, and its regular work."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask

from ..errors import LoaderBusy, PrivacyError
from ..storage.clock import DAY, today

if TYPE_CHECKING:
    from .runtime import Runtime

logger = logging.getLogger("flask_mixamo_privacy")

_PAUSE = 2.0  # seconds between two passes over the log
_LONGEST_REST = 30.0  # seconds between two passes, because a data subject may be waiting for a link


class Background:
    """A daemon thread that calls ``work`` repeatedly. The first event starts it.

    The thread works at most a tenth of the time, so that requests come first. It rests half a minute at most, also after
    long work such as pruning a large store.
    """

    def __init__(self, work: Callable[[], object], pause: float = _PAUSE) -> None:
        self._work = work
        self._pause = pause
        self._process = 0

    def start(self) -> None:
        """Start the thread, unless this process has one already."""
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._run, name="privacy-loader", daemon=True).start()

    def _run(self) -> None:
        used = 0.0  # seconds of CPU time
        while True:
            time.sleep(max(self._pause, min(9 * used, _LONGEST_REST)))
            started = time.thread_time()
            try:
                self._work()
            except LoaderBusy:
                pass  # another process of the site is loading
            except (PrivacyError, OSError) as error:
                logger.warning("The log could not be loaded and will be tried again: %s", error)
            used = time.thread_time() - started


class RegularWork:
    """What a serving process does between requests: load the log, process requests, delete what has expired."""

    def __init__(self, app: Flask, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._pruned_on = 0
        self._expired_on = ""

    def run(self) -> None:
        """Do one pass. Prune once a day, but not before the first event."""
        self._process_requests()
        self._runtime.load(most=1)
        day = int(time.time()) // DAY
        if day != self._pruned_on and self._runtime.store.database.exists:
            self._pruned_on = day
            self._runtime.prune()

    def _process_requests(self) -> None:
        """Send the e-mails of data subject requests, and once a day delete rows whose retention ended.

        Errors are logged, so that the log is loaded nevertheless.
        """
        try:
            with self._app.app_context():  # the site's own stores and mailer may need one
                self._runtime.rights.requests.process()
                if self._expired_on != today():
                    self._runtime.rights.replay.expire()
                    self._expired_on = today()
        except Exception as error:
            logger.error("Data subject requests could not be processed and will be tried again: %s", error, exc_info=error)
