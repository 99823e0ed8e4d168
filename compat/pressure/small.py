"""A broker in little memory: in a cgroup of its own if this machine lets one be made, else one that is told so by its configuration."""

import os
import shlex
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def own_groups() -> list[tuple[Path, str]]:
    """Where a group can be made below ours, and the file that limits it: version 2 first, then version 1."""
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            groups[2] = ROOT / path.lstrip("/"), "memory.max"
        elif "memory" in controllers.split(","):
            groups[1] = ROOT / "memory" / path.lstrip("/"), "memory.limit_in_bytes"
    return [groups[version] for version in sorted(groups, reverse=True)]


class Group:
    """A memory cgroup, for as long as the context lasts; `folder` is None where none can be made."""

    def __init__(self, limit_bytes: int):
        self.limit_bytes, self.folder = limit_bytes, None

    def __enter__(self) -> "Group":
        for parent, limit in own_groups():
            folder = parent / f"harefoot-pressure-{os.getpid()}"
            try:
                folder.mkdir()
            except OSError:
                continue
            # Where groups have no such file, memory is not theirs to limit; and what is no file system of groups has none at all.
            if (folder / limit).exists():
                (folder / limit).write_text(str(self.limit_bytes))
                self.folder = folder
                return self
            folder.rmdir()
        return self

    def __exit__(self, *_ended: object) -> None:
        # A group is empty a moment after its last program was waited for.
        deadline = time.monotonic() + 10
        while self.folder:
            try:
                self.folder.rmdir()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def around(self, binary: Path, work: Path) -> Path:
        """A program that enters the group and becomes the broker."""
        if self.folder is None:
            return binary
        wrapper = work / "in-group"
        wrapper.write_text(f'#!/bin/sh\necho $$ > {shlex.quote(str(self.folder / "cgroup.procs"))}\nexec {shlex.quote(str(binary))} "$@"\n')
        wrapper.chmod(0o755)
        return wrapper

    def settings(self) -> str:
        """What the configuration must say in the place of a group."""
        return "" if self.folder else f"total_memory_available_override_value = {self.limit_bytes}\n"

    def describe(self) -> str:
        return f"in {self.folder}" if self.folder else "no cgroup can be made here: the limit is configured, and peak memory looked at"
