"""Brings what a client needs: Debian packages, the Python environment, node modules, upstream sources.

Each thing is brought once and only if it is not there. `Missing` says in one sentence why a client cannot run on this machine.
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from .manifest import ROOT, Client

WORK = ROOT / "work"
VENV = ROOT / ".venv"


class Missing(Exception):
    """Something that this machine does not have and cannot get."""


def run(command: list[str], what: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs an installer; its last lines become the reason when it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise Missing(f"{what}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-2:]
        raise Missing(f"{what}: {' / '.join(lines) or f'exit {done.returncode}'}")
    return done.stdout


def on_debian_as_root() -> bool:
    """CI's case: here nothing may be missing."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def absent(packages: list[str]) -> list[str]:
    """Those that dpkg does not list as installed."""
    if not shutil.which("dpkg-query"):
        return packages
    form = "${db:Status-Status} ${Package}\n"
    shown = subprocess.run(["dpkg-query", "-W", "-f", form, *packages], text=True, capture_output=True, check=False).stdout
    there = {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}
    return [package for package in packages if package not in there]


@functools.cache
def apt_lists() -> None:
    run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "update", "-q"], "apt-get update")


def apt(clients: list[Client]) -> None:
    """All packages of all clients in one go; a client whose packages cannot be had finds out by itself later."""
    wanted = absent(sorted({package for client in clients for package in client.apt}))
    if not wanted or not on_debian_as_root():
        return
    try:
        apt_lists()
        apt_install(wanted)
    except Missing as reason:
        print(f"compat: {reason}", file=sys.stderr)


def apt_install(packages: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "-q", "--no-install-recommends", *packages]
    run(command, f"apt-get install {' '.join(packages)}", env=env)


def stamp(path: Path, mark: Path) -> bool:
    """True when `mark` was not yet made from this content of `path`."""
    return not mark.exists() or mark.read_text() != hashlib.sha256(path.read_bytes()).hexdigest()


def seal(path: Path, mark: Path) -> None:
    mark.write_text(hashlib.sha256(path.read_bytes()).hexdigest())


@functools.cache
def python_environment() -> None:
    """One virtual environment for all Python clients, with the exact versions of requirements.txt."""
    lock, mark = ROOT / "requirements.txt", VENV / "made-from"
    if not stamp(lock, mark):
        return
    run([sys.executable, "-m", "venv", str(VENV)], "python3 -m venv")
    run([str(VENV / "bin/pip"), "install", "-q", "--no-deps", "-r", str(lock)], "pip install")
    seal(lock, mark)


def node_modules(folder: Path) -> None:
    lock, mark = folder / "package-lock.json", folder / "node_modules/.made-from"
    if stamp(lock, mark):
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], "npm ci", cwd=folder)
        seal(lock, mark)


def unpack_sdist(requirement: str) -> Path:
    """The source package of an exact version, unpacked below work/, with the tests that it ships."""
    python_environment()
    name = requirement.split("==")[0]
    target = WORK / "sdist" / requirement.replace("==", "-")
    if not target.exists():
        downloads = WORK / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        command = [str(VENV / "bin/pip"), "download", "-q", "--no-deps", "--no-binary", name, "-d", str(downloads), requirement]
        run(command, f"pip download {requirement}")
        stem = requirement.replace("==", "-").replace("-", "_").lower()
        found = [p for p in downloads.glob("*.tar.gz") if p.name[:-7].replace("-", "_").lower() == stem]
        if not found:
            raise Missing(f"{requirement} has no source package")
        with tarfile.open(found[0]) as archive:
            archive.extractall(target.with_suffix(".part"), filter="data")
        (inner,) = target.with_suffix(".part").iterdir()
        inner.rename(target)
        target.with_suffix(".part").rmdir()
    return target


def unpack_crate(requirement: str) -> Path:
    """A crate's source as cargo's registry gives it, copied below work/ so that it builds in a folder of its own."""
    name, version = requirement.split("==")
    target = WORK / "crate" / f"{name}-{version}"
    if not target.exists():
        seat = WORK / "crate" / f"{name}-fetch"
        (seat / "src").mkdir(parents=True, exist_ok=True)
        (seat / "src/lib.rs").write_text("")
        (seat / "Cargo.toml").write_text(
            f'[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n'
            f'{name} = {{ version = "={version}", default-features = false }}\n'
        )
        graph = json.loads(run(["cargo", "metadata", "-q", "--format-version", "1"], f"cargo metadata for {name}", cwd=seat))
        (manifest,) = [p["manifest_path"] for p in graph["packages"] if p["name"] == name and p["version"] == version]
        shutil.copytree(Path(manifest).parent, target)
        # Below another workspace a crate must say that it is a workspace of its own.
        copy = target / "Cargo.toml"
        if "\n[workspace]" not in copy.read_text():
            copy.write_text(copy.read_text() + "\n[workspace]\n")
        shutil.rmtree(seat)
    return target


def source_of(client: Client) -> Path:
    """The folder that the client's command runs in."""
    if client.sdist:
        return unpack_sdist(client.sdist)
    if client.crate:
        return unpack_crate(client.crate)
    if client.checkout:
        suites = os.environ.get("HAREFOOT_SUITES", "")
        if not suites:
            raise Missing("only in git: set HAREFOOT_SUITES to a folder with checkouts (compat/README.md)")
        checkout = Path(suites) / client.checkout
        if not checkout.is_dir():
            raise Missing(f"no checkout {checkout}")
        return checkout
    return client.folder


def bring(client: Client) -> Path:
    """Everything for one client; returns the folder that its command runs in."""
    still = absent(client.apt) if client.apt else []
    if still:
        if not on_debian_as_root():
            raise Missing(f"needs the Debian packages {' '.join(still)}")
        apt_lists()
        apt_install(still)
    for tool in client.tools:
        if not shutil.which(tool):
            raise Missing(f"no {tool} on this machine")
    if client.python:
        python_environment()
    if client.npm:
        node_modules(client.folder)
    return source_of(client)
