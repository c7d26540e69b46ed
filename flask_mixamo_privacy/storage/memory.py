"""What a process remembers of requests: caches bounded by number and by size, and allowances of networks.

A client chooses the paths, hosts and headers that it sends. So a cache of results for them holds neither many nor long ones.
No client may use up what is meant for all.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache, update_wrapper
from typing import Generic, TypeVar

T = TypeVar("T")

#: Characters of the texts in one key of a cache. Nearly all paths, hosts and headers of browsers are shorter.
LONGEST_KEY = 512


class BoundedCache(Generic[T]):
    """A function of texts whose results are cached, unless its texts together have more than ``LONGEST_KEY`` characters.

    A caller that has cut its texts to that length may call ``cached``, which is faster.
    """

    def __init__(self, function: Callable[..., T], most: int) -> None:
        self._function = function
        self.cached: Callable[..., T] = lru_cache(maxsize=most)(function)
        self.cache_info = self.cached.cache_info
        update_wrapper(self, function)

    def __call__(self, text: str, *others: str | None) -> T:
        size = len(text)
        for other in others:
            size += len(other or "")
        return (self._function if size > LONGEST_KEY else self.cached)(text, *others)


def bounded_cache(most: int) -> Callable[[Callable[..., T]], BoundedCache[T]]:
    """Cache the results of a function whose arguments come from outside, ``most`` at a time."""
    return lambda function: BoundedCache(function, most)


class TokenBuckets:
    """Token buckets by key, at most ``most``. The least recently used one is evicted, that is, refilled.

    The caller holds a lock. ``now`` is in seconds.
    """

    def __init__(self, burst: float, per_second: float, most: int) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._most = most
        self._by_key: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def wait(self, key: Hashable, now: float) -> float:
        """Return the seconds until the bucket has a token, 0 if it has one."""
        return max(1.0 - self._tokens(key, now), 0.0) / self._per_second

    def take_one(self, key: Hashable, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        tokens = self._tokens(key, now)
        if tokens < 1.0:
            return (1.0 - tokens) / self._per_second
        self._keep(key, tokens - 1, now)
        return 0.0

    def take(self, key: Hashable, tokens: int, now: float) -> None:
        """Take tokens, also more than there are."""
        self._keep(key, self._tokens(key, now) - tokens, now)

    def _keep(self, key: Hashable, rest: float, now: float) -> None:
        self._by_key[key] = rest, now
        self._by_key.move_to_end(key)
        if len(self._by_key) > self._most:
            self._by_key.popitem(last=False)

    def _tokens(self, key: Hashable, now: float) -> float:
        known = self._by_key.get(key)
        if known is None:
            return self._burst
        tokens, since = known
        if now < since:  # the clock was set back; a bucket that waited for its old time would refuse for as long
            self._by_key[key] = tokens, now
            return tokens
        tokens += (now - since) * self._per_second
        return tokens if tokens < self._burst else self._burst


class NetworkAllowance:
    """How much each network, or each user, may add in one day: counted in memory alone.

    A network is the /24 of an IPv4 address or the /48 of an IPv6 address. Beyond :data:`MOST_NETWORKS`, all others share
    one allowance, so a client with many addresses gains little.
    """

    MOST_NETWORKS = 1024

    def __init__(self, most: int) -> None:
        self._most = most
        self._day = ""
        self._used: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, network: str, day: str) -> bool:
        """Use one unit of the network's allowance, and return whether there was one left."""
        with self._lock:
            if day != self._day:
                self._day, self._used = day, Counter()
            if network not in self._used and len(self._used) >= self.MOST_NETWORKS:
                network = ""
            if self._used[network] >= self._most:
                return False
            self._used[network] += 1
            return True
