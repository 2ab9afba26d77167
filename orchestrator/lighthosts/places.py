"""Where does everything of the light hosts stand on this machine?

<state>/secret  ports.json  *.lock            the machine's own
<state>/sites/<site>/site.json  …             one folder per site, its hosts inside it, so that
<state>/sites/<site>/hosts/<host>/host.json   removing a site cannot forget a host
<cgroup2>/lighthosts-<hash of state>/<site>/  {site,forward,<host>/{holder,init}}: every process
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from .errors import MachineCannot


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The state folder and the cgroup folder of one user's light hosts."""

    state: Path
    cgroups: Path

    def site(self, site: str) -> Path:
        """The folder of a site, whether it exists or not."""
        return self.state / "sites" / site

    def host(self, site: str, host: str) -> Path:
        """The folder of a host, whether it exists or not."""
        return self.site(site) / "hosts" / host

    def site_of(self, host: str) -> str | None:
        """The site that has this host, made or half-made."""
        found = sorted(self.state.glob(f"sites/*/hosts/{host}"))
        return found[0].parent.parent.name if found else None

    def lock(self, name: str) -> Path:
        """The lock file of a site, a host or a registry."""
        return self.state / f"{name}.lock"

    def site_cgroup(self, site: str) -> Path:
        """The cgroup that holds every process of a site."""
        return self.cgroups / site

    def host_cgroup(self, site: str, host: str) -> Path:
        """The cgroup that holds every process of a host."""
        return self.cgroups / site / host


def places() -> Places:
    """This user's places, below LIGHTHOSTS_DIR, else XDG_STATE_HOME, else ~/.local/state.

    Makes the folder. Raises MachineCannot where no cgroup2 is mounted.
    """
    return places_at(state_folder())


def places_at(state: Path) -> Places:
    """The places that belong to a state folder, which is made."""
    (state / "sites").mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(str(state).encode()).hexdigest()[:8]
    return Places(state=state, cgroups=_cgroup2() / f"lighthosts-{mark}")


def state_folder() -> Path:
    """Where the state folder is or would be."""
    given = os.environ.get("LIGHTHOSTS_DIR")
    if given:
        return Path(given).absolute()
    home = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    return home / "orchestrator" / "lighthosts"


def _cgroup2() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(folder)
    raise MachineCannot(
        "light hosts need cgroup v2, and none is mounted",
        then="mount it: `mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified`",
    )
