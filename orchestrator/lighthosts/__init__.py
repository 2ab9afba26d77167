"""Light hosts: real Linux hosts (systemd, sshd) without a cloud, and a Pulumi provider of them.

A site is one sandbox of namespaces without a route out; its hosts are network namespaces with an
overlay root. Stands apart: imports nothing else of orchestrator. See `python -m
orchestrator.lighthosts --help`.
"""

VERSION = "0.1.0"
