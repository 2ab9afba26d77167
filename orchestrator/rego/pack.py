"""Which rules are there? The *.rego files of a folder: those that judge, and their tests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_PACKAGE = re.compile(r"^\s*package\s+([A-Za-z0-9_.]+)", re.MULTILINE)
_TESTS = "_test.rego"


@dataclass(frozen=True)
class Pack:
    """Texts by file name, in the order of names."""

    rules: Mapping[str, str]
    tests: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Pack:
        ordered = {name: files[name] for name in sorted(files)}
        return cls(
            rules={n: text for n, text in ordered.items() if not n.endswith(_TESTS)},
            tests={n: text for n, text in ordered.items() if n.endswith(_TESTS)},
        )

    @classmethod
    def read(cls, folder: Path) -> Pack:
        """Of a folder and all beneath; empty where there is none."""
        paths = sorted(path for path in folder.glob("**/*.rego") if path.is_file())
        return cls.of({str(p.relative_to(folder.parent)): p.read_text("utf-8") for p in paths})

    @cached_property
    def digest(self) -> str:
        """Of what judges; tests are not part of it."""
        whole = hashlib.sha256()
        for name, text in self.rules.items():
            for part in (name, text):
                whole.update(f"{len(part.encode())}:".encode() + part.encode())
        return f"sha256:{whole.hexdigest()}"

    @property
    def packages(self) -> tuple[str, ...]:
        """Those that judge, by name."""
        return _packages(self.rules)

    @property
    def test_packages(self) -> tuple[str, ...]:
        return _packages(self.tests)


def _packages(files: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({found[1] for text in files.values() if (found := _PACKAGE.search(text))}))
