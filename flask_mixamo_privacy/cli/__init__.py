"""``flask privacy ...``"""

from .group import privacy

__all__ = ["privacy"]
