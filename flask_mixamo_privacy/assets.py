"""The documented place of :func:`bundle`."""

from .web.assets import bundle

__all__ = ["bundle"]
