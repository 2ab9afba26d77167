"""What do light hosts boot from, and where do their packages come from?

A base root file system and a flat apt repository, both built by mmdebstrap from the machine's own
apt sources and cached outside any checkout under a key of their content. Whole or absent: built in
a `.partial` folder under a lock and renamed. Recipe: reference light-hosts 1.1 and 1.5.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import ImageMissing, MachineCannot
from .locks import locked

RECIPE = 1
BASE_PACKAGES = [
    "openssh-server",
    "python3",
    "python3-apt",
    "iproute2",
    "sudo",
    "mount",
    "procps",
    "iputils-ping",
    "netbase",
    "curl",
    "ca-certificates",
    "systemd",
    "systemd-sysv",
    "dbus",
]
MIRROR_PACKAGES = [
    "nginx-light",
    "haproxy",
    "postgresql",
    "python3-flask",
    "gunicorn",
    "python3-psycopg2",
]
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "apt-ftparchive": "apt-utils",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
}
"""Programs that must be there, and the Debian package of each."""

# They wait for devices, other machines or the network's time, which a light host does not have.
_MASKED = [
    "systemd-udevd.service",
    "systemd-udevd-kernel.socket",
    "systemd-udevd-control.socket",
    "systemd-udev-trigger.service",
    "systemd-timesyncd.service",
    "systemd-resolved.service",
    "systemd-networkd.service",
    "systemd-logind.service",
    "getty.target",
    "console-getty.service",
    "systemd-journald-audit.socket",
    "systemd-remount-fs.service",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-kernel-config.mount",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "dpkg-db-backup.timer",
    "systemd-update-utmp.service",
    "systemd-sysctl.service",
    "systemd-modules-load.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-sysusers.service",
    "modprobe@.service",
    "sys-fs-fuse-connections.mount",
]
# Programs that look at every boot for disks, consoles and updates; none of them are there.
_MASKED_GENERATORS = [
    "systemd-bless-boot-generator",
    "systemd-cryptsetup-generator",
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-system-update-generator",
    "systemd-veritysetup-generator",
]

_CUSTOMIZE = f"""set -e
root=$1
install -d "$root/usr/sbin" "$root/etc/systemd/system" "$root/etc/dpkg/dpkg.cfg.d"
printf '#!/bin/sh\\nexit 0\\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/resolv.conf"
: > "$root/etc/machine-id"
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
for unit in {" ".join(_MASKED)}; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
install -d "$root/etc/systemd/system-generators"
for name in {" ".join(_MASKED_GENERATORS)}; do
  ln -sf /dev/null "$root/etc/systemd/system-generators/$name"
done
echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/lighthosts"
printf 'APT::Install-Recommends "false";\\nAcquire::Languages "none";\\n' \\
  > "$root/etc/apt/apt.conf.d/99lighthosts"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes --quiet --download-only --no-install-recommends \\
  install {" ".join(MIRROR_PACKAGES)}
install -d "$POOL"; cp "$root"/var/cache/apt/archives/*.deb "$POOL/"
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A finished image: `base` is a root file system, `mirror` a flat apt repository."""

    key: str
    base: Path
    mirror: Path


def image_key() -> str:
    """The key of what this version would build: 16 hex digits."""
    text = "\n".join((str(RECIPE), _codename(), " ".join(BASE_PACKAGES), _CUSTOMIZE))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cache_root() -> Path:
    """Where images are cached, on this machine, for this user."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
        .expanduser()
        .joinpath("orchestrator", "lighthosts")
    )


def find_image() -> Image | None:
    """The image of this version if it was built already."""
    folder = cache_root() / image_key()
    if not folder.is_dir():
        return None
    return Image(key=folder.name, base=folder / "base", mirror=folder / "mirror")


def require_image() -> Image:
    """The image, already built. Raises ImageMissing with the command that builds it."""
    image = find_image()
    if image is None:
        raise ImageMissing(
            "the base image of light hosts is not built yet",
            then="run `orchestrator doctor --fix` (or `python -m orchestrator.lighthosts image"
            " --ensure`), about a minute",
        )
    return image


def ensure_image(say: Say = lambda _: None) -> Image:
    """The image, built now unless it is there. One line of progress per step goes to `say`.

    Raises MachineCannot (not root, programs missing) and ImageMissing (the build failed).
    """
    found = find_image()
    if found is not None:
        return found
    _ensure_tools(say)
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "build.lock", keep=True):
        found = find_image()  # another builder may have been faster
        if found is None:
            _build(root / image_key(), say)
    return require_image()


def missing_packages() -> list[str]:
    """Debian packages whose programs are not on PATH."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)]


def _ensure_tools(say: Say) -> None:
    missing = missing_packages()
    command = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0:
        raise MachineCannot(
            "building the base image of light hosts needs root",
            then=f"run as root{f', after `{command}`' if missing else ''}",
        )
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise MachineCannot(f"programs are missing: {', '.join(missing)}", why="no apt-get here")
    say(f"installing {', '.join(missing)}")
    for argv in (["apt-get", "update", "-q"], command.split()):
        _run(argv, say=None, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _build(folder: Path, say: Say) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # an earlier builder that was killed
    partial.mkdir()
    base, mirror = partial / "base", partial / "mirror"
    with tempfile.NamedTemporaryFile("w", suffix=".sh", dir=partial) as hook:
        hook.write(_CUSTOMIZE)
        hook.flush()
        say(f"building the base image ({_codename()}), about a minute")
        _run(
            [
                "mmdebstrap",
                "--mode=root",
                "--variant=apt",
                f"--include={','.join(BASE_PACKAGES)}",
            ]
            + [f"--aptopt={line}" for line in _apt_proxies()]
            + [f'--customize-hook=sh {hook.name} "$1"', _codename(), str(base), "-"],
            say=say,
            env={**os.environ, "POOL": str(mirror / "pool")},
            stdin=_apt_sources(),
        )
    say("indexing the package mirror")
    _index(mirror)
    partial.rename(folder)
    say(f"done: {folder}")


def _index(mirror: Path) -> None:
    packages = _run(["apt-ftparchive", "packages", "pool"], cwd=mirror)
    (mirror / "Packages").write_bytes(packages)
    (mirror / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    (mirror / "Release").write_bytes(_run(["apt-ftparchive", "release", "."], cwd=mirror))


def _run(
    argv: list[str],
    *,
    say: Say | None = None,
    env: dict[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
) -> bytes:
    """What the command printed. With say, its lines are passed on instead. Raises ImageMissing."""
    with tempfile.TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        with subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if say else subprocess.PIPE,
        ) as child:
            out, err, tail = b"", b"", [""]
            if say and child.stdout:
                for raw in child.stdout:
                    line = raw.decode(errors="replace").rstrip()
                    tail = [*tail[-8:], line]
                    if line.startswith(("I: ", "done", "E: ")):
                        say(line)
            else:
                out, err = child.communicate()
                tail = err.decode(errors="replace").splitlines()[-8:]
    if child.returncode != 0:
        raise ImageMissing(
            f"building the base image failed: {argv[0]} ended with status {child.returncode}",
            why=" | ".join(line for line in tail if line),
            then="the cache is unchanged; repeat with `python -m orchestrator.lighthosts image"
            " --ensure`",
        )
    return out


def _codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise MachineCannot("this system has no VERSION_CODENAME", why="Debian or a relative is needed")


def _apt_sources() -> str:
    """The machine's own sources of its own release, one line each; third parties are left out."""
    code = _codename()
    form = "$(SITE) $(RELEASE) $(COMPONENT)"
    listed = _run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).decode()
    lines = sorted({line for line in listed.splitlines() if _is_own(line, code)})
    if not lines:
        raise ImageMissing("apt names no source of this release", then="run `apt-get update` first")
    return "".join(f"deb {line}\n" for line in lines)


def _is_own(line: str, code: str) -> bool:
    parts = line.split()
    return len(parts) == 3 and (parts[1] == code or parts[1].startswith(code + "-"))


def _apt_proxies() -> list[str]:
    """The machine's proxy settings: mmdebstrap's apt does not read the machine's configuration."""
    wanted = ("Acquire::http::Proxy", "Acquire::https::Proxy")
    lines = _run(["apt-config", "dump"]).decode().splitlines()
    return [line for line in lines if line.startswith(wanted)]
