"""Sets webstat up in its own folder: virtual environment, packages, vendored CSS and JavaScript.

With --dev also what the tests need; as root on Debian or Ubuntu that includes Chromium, PostgreSQL, HAProxy,
memcached and a real one-host Slurm. Runs on any Python 3.9+, needs nothing but the standard library, does nothing twice.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import List, Optional

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MINIMUM = (3, 11)
TEST_PACKAGES = {
    "chromium": ["chromium", "fonts-roboto-unhinted", "fonts-noto-color-emoji"],
    "systemd-analyze": ["systemd"],
    "postgres": ["postgresql"],
    "promtool": ["prometheus"],
    "haproxy": ["haproxy"],
    "memcached": ["memcached"],
    "slurmctld": ["munge", "slurmctld", "slurmd", "slurm-client", "slurm-wlm-torque"],
}
"""Program -> Debian packages that bring it."""
_TESTED_WITH = {
    "chromium": "the page",
    "systemd-analyze": "the units",
    "postgres": "stores in PostgreSQL",
    "promtool": "alerts",
    "haproxy": "several web processes",
    "memcached": "results that web processes share",
}


def main() -> None:
    """Set up; exits with 1 and what to do if it cannot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what tests and benchmarks need")
    dev = parser.parse_args().dev
    requirements = ROOT / ("requirements-dev.txt" if dev else "requirements.txt")
    make_environment()
    install(requirements)
    run_shown([str(PYTHON), "-m", "scripts.vendor"], "CSS and JavaScript")
    if dev:
        install_test_programs()


def make_environment() -> None:
    """The virtual environment, from the newest Python that is new enough."""
    if PYTHON.exists() and version_of(str(PYTHON)) >= MINIMUM:
        return
    python = find_python()
    if subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True).returncode:
        version = ".".join(map(str, version_of(python)))
        apt_install([f"python{version}-venv"], f"Python's venv module is missing: apt-get install python{version}-venv")
    print(f"webstat: virtual environment in {VENV.relative_to(ROOT)} with {python}", flush=True)
    subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)


def find_python() -> str:
    """A Python of at least MINIMUM on the PATH."""
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.14"):
        path = shutil.which(name)
        if path and version_of(path) >= MINIMUM:
            return path
    needed = ".".join(map(str, MINIMUM))
    fail(f"webstat's collector and page need Python {needed} or newer; found {sys.version.split()[0]}")
    return ""


def version_of(python: str) -> tuple:
    """(major, minor) of an interpreter, (0, 0) if it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0, 0)


def install(requirements: Path) -> None:
    """The packages of one requirements file, unless the same ones are there already."""
    texts = [path.read_bytes() for path in sorted(ROOT.glob("**/requirements*.txt")) if VENV not in path.parents]
    digest = hashlib.sha256(b"".join(texts) + (ROOT / "constraints.txt").read_bytes()).hexdigest()
    stamps = [VENV / f"installed-{name}" for name in ("requirements-dev", requirements.stem)]
    if any(stamp.exists() and stamp.read_text() == digest for stamp in stamps):
        return
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    run_shown([*pip, "-r", str(requirements), "-c", str(ROOT / "constraints.txt")], "packages")
    stamps[-1].write_text(digest)


def install_test_programs() -> None:
    """Chromium, PostgreSQL, HAProxy, Prometheus, Slurm and others from Debian's packages, as root; else say what will be skipped."""
    for program, packages in TEST_PACKAGES.items():
        if not find_program(program):
            what = _TESTED_WITH.get(program, "a real scheduler")
            command = f"apt-get install {' '.join(packages)}"
            apt_install(packages, f"tests of {what} will be skipped; to have them: {command}", needed=False)


def find_program(name: str) -> Optional[str]:
    """Where a program is, /usr/sbin and PostgreSQL's own folder included."""
    servers = [str(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin")]
    return shutil.which(name, path=":".join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *servers]))


def apt_install(packages: List[str], otherwise: str, needed: bool = True) -> None:
    """Install Debian packages without starting their services; without root or apt say `otherwise`."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        if needed:
            fail(otherwise)
        print(f"webstat: {otherwise}", flush=True)
        return
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    get = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    try:
        run_shown([*get, "update"], "package lists", environment)
        run_shown([*get, "install", "-y", "--no-install-recommends", *packages], " ".join(packages), environment)
    except SystemExit:
        if needed:
            raise
        print(f"webstat: {otherwise}", flush=True)
    finally:
        if made:
            policy.unlink()


def run_shown(command: List[str], what: str, environment: Optional[dict] = None) -> None:
    """Run a command with one progress line; its whole output only if it fails."""
    begun = time.monotonic()
    lines: List[str] = []
    terminal = sys.stdout.isatty()
    shown = begun
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        now = time.monotonic()
        if terminal:
            print(f"\r\033[Kwebstat: {what}, {now - begun:.0f} s: {line.strip()[:60]}", end="", flush=True)
        elif now - shown > 5:
            shown = now
            print(f"webstat: {what}, {now - begun:.0f} s: {line.strip()[:60]}", flush=True)
    code = process.wait()
    if terminal and lines:
        print("\r\033[K", end="", flush=True)
    if code:
        sys.stdout.write("".join(lines[-40:]))
        fail(f"{what}: {' '.join(command[:4])} … ended with exit code {code}")
    if time.monotonic() - begun > 1:
        print(f"webstat: {what} installed in {time.monotonic() - begun:.0f} s", flush=True)


def fail(message: str) -> None:
    """Say what is wrong and what to do, and end."""
    print(f"webstat: {message}", file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
