"""`make screenshots`: the pictures in docs/images, taken of the demo clusters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.run import ROOT, free_port
from tests.browser import open_browser

FOLDER = ROOT / "docs" / "images"
PICTURES = {
    "overview": ("/", 1440, "light"),
    "cluster": ("/cluster/certainty", 1440, "light"),
    "cluster-dark": ("/cluster/certainty", 1440, "dark"),
    "jobs": ("/jobs", 1440, "light"),
    "overview-phone": ("/", 360, "light"),
    "history": ("/history?range=7d&step=hour", 1440, "light"),
}
"""File -> (address, width in pixels, theme)."""
REPORT = ("--group", "physics", "--last", "week", "--zone", "Europe/Berlin")
REPORT_SIZE = {"width": 1020, "height": 1300}


def main() -> int:
    """Start the demo, take the pictures, stop it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    port = free_port(0)
    command = [sys.executable, "-m", "scripts.run", "--demo", "--port", str(port)]
    folder = Path(tempfile.mkdtemp())
    environment = {**os.environ, "TMPDIR": str(folder)}
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        # Only then does its collector run, too.
        if not any("simulated past stored" in line for line in running.stdout):
            print("the demo did not start", file=sys.stderr)
            return 1
        for name, (path, width, theme) in PICTURES.items():
            take(f"http://127.0.0.1:{port}{path}", FOLDER / f"{name}.png", width, theme)
            print(FOLDER / f"{name}.png")
        take_report(next(folder.glob("webstat-*/webstat.toml")), FOLDER / "report.png")
        print(FOLDER / "report.png")
    finally:
        running.terminate()
        running.wait()
        running.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def take(address: str, file: Path, width: int, theme: str) -> None:
    """One whole page, of a phone its first screen, when its data and charts are there."""
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme)  # type: ignore[arg-type]
        page.goto(address)
        page.locator("main h1").wait_for(timeout=60_000)
        page.locator("text=live ·").or_(page.locator("#history-details")).first.wait_for(timeout=90_000)
        page.locator("text=The collector does not run.").wait_for(state="detached", timeout=90_000)
        page.wait_for_timeout(1500)  # fonts and charts settle
        page.screenshot(path=file, full_page=width > 768)


def take_report(config: Path, file: Path) -> None:
    """The beginning of a report from the store of these settings."""
    page_file = config.parent / "report.html"
    command = [sys.executable, "-m", "webstat", "--config", str(config), "report", *REPORT, "--quiet"]
    subprocess.run([*command, "--out", str(page_file)], cwd=ROOT, check=True)
    with open_browser() as browser:
        page = browser.new_page(viewport=REPORT_SIZE)  # type: ignore[arg-type]
        page.goto(page_file.as_uri())
        page.screenshot(path=file)


if __name__ == "__main__":
    sys.exit(main())
