"""What do tests of the Ansible room start from?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ansible.projects import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty project with an environment of its own, and folders for attempts."""
    return Site(tmp_path)
