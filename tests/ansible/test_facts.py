"""Where are facts kept, and what must not stay there?"""

from __future__ import annotations

import os

from orchestrator.ansible.facts import facts_folder, forget_secrets
from orchestrator.ansible.inventory import Host
from tests.ansible.projects import Site


def test_a_host_made_anew_has_no_old_facts(site: Site) -> None:
    """Another key, address or set of hosts is another cache; the same hosts find theirs again."""
    first = Host(name="a", address="10.0.0.1", key="ssh-ed25519 A")
    again = Host(name="a", address="10.0.0.1", key="ssh-ed25519 B")
    work = site.work()
    assert facts_folder(work, [first]) == facts_folder(work, [first])
    assert facts_folder(work, [first]) != facts_folder(work, [again])
    assert facts_folder(work, []).stat().st_mode & 0o777 == 0o700


def test_facts_with_a_secret_are_forgotten(site: Site) -> None:
    """A known secret in a cached fact takes that host's facts away; short ones are no evidence."""
    folder = facts_folder(site.work(), [])
    (folder / "s1_a").write_text('{"x": "quo\\"ted-secret"}')
    (folder / "s1_b").write_text('{"x": "harmless"}')
    assert forget_secrets(folder, ['quo"ted-secret', "x"]) == 1
    assert [path.name for path in folder.iterdir()] == ["s1_b"]


def test_facts_of_hosts_long_gone_are_pruned(site: Site) -> None:
    """A cache that was not used for a week goes when another is."""
    old = facts_folder(site.work(), [Host(name="a", address="10.0.0.1")])
    os.utime(old, (0, 0))
    new = facts_folder(site.work(), [])
    assert list(new.parent.iterdir()) == [new]
