"""Whose a host is: this site's, or another's, by the Public Suffix List."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

from ...policy.policy import without_port


def is_third(host: str, *own: str) -> bool:
    """Whether a host belongs to another site than all of ``own`` do. Ports make no other site."""
    return bool(host) and _site_of(_name(host)) not in {_site_of(_name(one)) for one in own}


def is_listed(name: str) -> bool:
    """Whether a name ends like one of the Internet, or like one that is kept for examples (RFC 2606): not ``3.4.min.js``."""
    return name.rpartition(".")[2].lower() in ("example", "test", "invalid") or bool(_list(False).privatesuffix(name))


def _name(host: str) -> str:
    return without_port(host).strip("[]")


@lru_cache(maxsize=1024)
def _site_of(name: str) -> str:
    """The domain that somebody registered; an address, a lone word or a public suffix stands for itself."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _list().privatesuffix(name) or name
    return name


@lru_cache(maxsize=2)
def _list(accept_unknown: bool = True) -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=accept_unknown)
