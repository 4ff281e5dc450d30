"""What every process of webstat begins with: its settings, and what Python need not look through again."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from collector.settings import Settings, load_settings

CONFIG = Path("webstat.toml")


def settings_of(path: Path | None) -> Settings:
    """The settings in `path`, else in $WEBSTAT_CONFIG, else in ./webstat.toml; without any, the defaults.

    Raises SettingsError where a file that was named does not exist, or says something wrong.
    """
    named = path or (Path(os.environ["WEBSTAT_CONFIG"]) if os.environ.get("WEBSTAT_CONFIG") else None)
    if named is None and not CONFIG.exists():
        return Settings()
    return load_settings(named or CONFIG)


def keep_loaded() -> None:
    """Let Python look no more for circles among what is loaded by now: that took a third of the time of large answers."""
    gc.collect()
    gc.freeze()
