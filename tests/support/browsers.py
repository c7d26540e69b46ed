"""Browsers whose user has chosen another size of text."""

from __future__ import annotations

from typing import Any

from conftest import executable
from flask_mixamo_privacy.audit.browser.launch import chromium_arguments


def with_text_size(chromium: Any, percent: int) -> Any:
    """Launch a second browser. Its text has this size; the sizes of windows and pixels stay."""
    switches = [*chromium_arguments(), f"--blink-settings=defaultFontSize={16 * percent // 100}"]
    return chromium.browser_type.launch(executable_path=executable(), args=switches)
