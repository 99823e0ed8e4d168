"""What a client folder says about itself: one `client.toml` per folder, read into `Client`.

A folder is a client when it holds a `client.toml`; a new client needs no change here. Invariant: a manifest with an unknown key
is refused, so that a misspelt key cannot switch a check off in silence.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIERS = ("ci", "all")
READERS = ("checks", "junit", "go", "cargo", "tap")


class ManifestError(Exception):
    """A `client.toml` that cannot be used as it stands."""


@dataclass(frozen=True)
class Client:
    """One client or suite: where it lives, what it needs, how it runs and how its output is read."""

    name: str
    folder: Path
    tier: str
    reader: str
    command: list[str]
    version: list[str]
    seconds: int
    apt: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    python: bool = False
    npm: bool = False
    prepare: list[list[str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    # Upstream code is never kept here: `sdist` is asked of the package index, `crate` of cargo's registry, and `checkout` names
    # a folder below $HAREFOOT_SUITES.
    sdist: str = ""
    crate: str = ""
    checkout: str = ""
    # Suites that cannot be told a port.
    port: int = 0
    # Where the HTTP API is, for suites that want it (0: nowhere).
    http: int = 0
    # A folder below the source where certificates are put for a node that speaks TLS too, on {amqps_port}.
    certificates: str = ""
    # Whether that node lets in only who shows one, and where it has to be (0: anywhere).
    certificate_wanted: bool = True
    tls_port: int = 0
    # The program starts and stops brokers itself (it is given the path of the binary).
    own_broker: bool = False
    # The common list of check names that this client must report, one by one.
    required: bool = True


def load(folder: Path) -> Client:
    """Reads one manifest."""
    path = folder / "client.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    known = set(Client.__dataclass_fields__) - {"name", "folder"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ManifestError(f"{path}: unknown key {unknown[0]!r}")
    try:
        client = Client(name=folder.name, folder=folder, **values)
    except TypeError as error:
        raise ManifestError(f"{path}: {error}") from error
    if client.tier not in TIERS or client.reader not in READERS:
        raise ManifestError(f"{path}: tier is one of {TIERS}, reader one of {READERS}")
    return client


def all_clients() -> list[Client]:
    """Every client, those of CI first, each group by name."""
    folders = [path.parent for path in (*ROOT.glob("*/client.toml"), *ROOT.glob("suites/*/client.toml"))]
    return sorted((load(folder) for folder in folders), key=lambda client: (client.tier != "ci", client.name))
