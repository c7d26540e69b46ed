"""How much one visitor may report: a bucket of tokens, one a request, filled again as time goes by."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict

BURST = 120  # requests at once
PER_SECOND = 2.0  # and as many again
_MOST_VISITORS = 4096


class Allowance:
    """Buckets by receipt, in this process's memory alone; the longest unused is forgotten, which only fills it."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, receipt: str, now: float) -> int:
        """Take a token: 0, or the whole seconds after which there is one again."""
        with self._lock:
            tokens, since = self._buckets.pop(receipt, (float(BURST), now))
            tokens = min(tokens + max(now - since, 0.0) * PER_SECOND, float(BURST))
            taken = tokens >= 1.0
            self._buckets[receipt] = tokens - taken, now
            if len(self._buckets) > _MOST_VISITORS:
                self._buckets.popitem(last=False)
        return 0 if taken else math.ceil((1.0 - tokens) / PER_SECOND)
