"""How do the tests lay out a machine: a home, a PATH, and programs that answer as told?"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An empty home and an empty PATH; programs are scripts that only answer."""

    home: Path
    path: Path

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": str(self.path)}

    def program(self, name: str, says: str = "", *, folder: Path | None = None) -> Path:
        """Puts a program on PATH (or into `folder`) that prints `says` and counts its starts."""
        program = (folder or self.path) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho x >> '{program}.starts'\necho '{says}'\n")
        program.chmod(0o755)
        return program

    def pulumi_version(self, version: str, *, says: str | None = None) -> Path:
        """Puts a CLI with its YAML host into the versions folder."""
        folder = self.home / ".pulumi" / "versions" / version / "bin"
        self.program("pulumi-language-yaml", folder=folder)
        return self.program("pulumi", f"v{version}" if says is None else says, folder=folder)


def starts(program: Path) -> int:
    """How often a program of this machine was started."""
    counted = Path(f"{program}.starts")
    return len(counted.read_text().splitlines()) if counted.exists() else 0
