"""Time zones by name, and this host's own."""

from __future__ import annotations

import time
import zoneinfo
from datetime import datetime, timedelta, timezone

import pytest

from agent.errors import SettingsError
from agent.zones import LocalZone, local_zone_name, zone_named


@pytest.fixture
def athens(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Athens")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_local_zone_knows_summer_and_winter(athens):
    zone = zone_named(None)
    named = zoneinfo.ZoneInfo("Europe/Athens")
    for month in range(1, 13):
        naive = datetime(2026, month, 15, 12, 0)
        assert naive.replace(tzinfo=zone).timestamp() == naive.replace(tzinfo=named).timestamp()
    assert datetime(2026, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=3)
    assert isinstance(zone, LocalZone)


def test_names():
    assert zone_named("UTC") is timezone.utc
    assert zone_named("Etc/UTC") is timezone.utc
    assert str(zone_named("Europe/Athens")) == "Europe/Athens"


def test_without_a_database_the_message_says_so(monkeypatch):
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(SettingsError, match="install the package tzdata"):
        zone_named("Mars/Olympus")
    assert zone_named("UTC") is timezone.utc


def test_name_of_this_hosts_zone(monkeypatch, athens):
    assert local_zone_name() == "Europe/Athens"
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert local_zone_name() == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "EET-2EEST,M3.5.0/3,M10.5.0/4")
    assert local_zone_name() == "UTC"
