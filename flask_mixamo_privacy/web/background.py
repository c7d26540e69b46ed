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
    """A daemon thread that calls ``work`` repeatedly, a tenth of the time at most; started by the first event.

    Visitors are thus served first. After long work, such as pruning a large store, it rests for half a minute.
    """

    def __init__(self, work: Callable[[], object], pause: float = _PAUSE) -> None:
        self._work = work
        self._pause = pause
        self._process = 0

    def start(self) -> None:
        """Start the thread unless this process has it."""
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._run, name="privacy-loader", daemon=True).start()

    def _run(self) -> None:
        used = 0.0
        while True:
            time.sleep(max(self._pause, min(9 * used, _LONGEST_REST)))
            begun = time.thread_time()
            try:
                self._work()
            except LoaderBusy:
                pass  # another process of the site is at it
            except (PrivacyError, OSError) as error:
                logger.warning("Loading the log will be tried again: %s", error)
            used = time.thread_time() - begun


class RegularWork:
    """What a serving process does between requests: load the log, process requests, delete what has expired."""

    def __init__(self, app: Flask, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._pruned_on = 0
        self._expired_on = ""

    def run(self) -> None:
        self._attend()
        self._runtime.load(most=1)
        today = int(time.time()) // DAY
        if today != self._pruned_on and self._runtime.store.database.exists:
            self._pruned_on = today
            self._runtime.prune()

    def _attend(self) -> None:
        """Send the links that requests wait for, and once a day delete what expired.

        An error in it is logged, so that events are loaded all the same.
        """
        try:
            with self._app.app_context():  # the site's own stores and its way to send mail may need it
                self._runtime.rights.requests.process()
                if self._expired_on != today():
                    self._runtime.rights.replay.expire()
                    self._expired_on = today()
        except Exception as error:
            logger.error("Requests will be looked at again: %s", error, exc_info=error)
