"""What should the warm parent have imported before it forks an attempt?"""

from __future__ import annotations


def preload() -> None:
    """ansible_runner and all of ours is imported; Ansible itself is not.

    Ansible stays a program of its own: it is GPL-3+, its configuration and command line are
    singletons of a process, and its import would make the parent stale after an upgrade.
    """
    import ansible_runner.config.runner
    import ansible_runner.runner  # noqa: F401

    import orchestrator.ansible.executor  # noqa: F401
