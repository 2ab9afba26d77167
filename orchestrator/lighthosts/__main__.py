"""What can be done with light hosts by hand? python -m orchestrator.lighthosts --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .errors import LightHostError
from .image import ensure_image, require_image
from .plugin import install_plugin, plugin_installed, plugin_path


def main() -> int:
    """Run one command; the status is 0, or 1 with a message on standard error."""
    asked = _arguments().parse_args()
    try:
        if asked.command == "list":
            _list()
        elif asked.command == "image":
            _image(ensure=asked.ensure)
        elif asked.command == "install":
            return _install(asked.pulumi_home, only_check=asked.check)
        else:
            _destroy(asked.id)
    except LightHostError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.lighthosts")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="networks and hosts of this machine, as they are")
    image = commands.add_parser("image", help="print the base image's folder")
    act = image.add_mutually_exclusive_group()
    act.add_argument("--ensure", action="store_true", help="build it if it is not there")
    act.add_argument("--check", action="store_true", help="only look; status 1 if not there")
    install = commands.add_parser("install", help="put the provider where Pulumi finds it")
    install.add_argument("--check", action="store_true", help="only look; status 1 if not there")
    install.add_argument("--pulumi-home", type=Path, help="default: PULUMI_HOME, else ~/.pulumi")
    destroy = commands.add_parser("destroy", help="take networks or hosts away, whole")
    destroy.add_argument("id", nargs="+")
    return parser


def _image(*, ensure: bool) -> None:
    image = ensure_image(lambda line: print(line, file=sys.stderr)) if ensure else require_image()
    print(image.base.parent)


def _install(pulumi_home: Path | None, *, only_check: bool) -> int:
    if not only_check:
        print(install_plugin(pulumi_home))
    elif plugin_installed(pulumi_home):
        print(plugin_path(pulumi_home))
    else:
        print(f"not there: {plugin_path(pulumi_home)}", file=sys.stderr)
        return 1
    return 0


def _list() -> None:
    from .hosts import read_host  # here, since `doctor` asks the other commands often
    from .places import places
    from .records import read_host_record, read_site_record
    from .sites import site_runs

    where = places()
    for folder in sorted(where.state.glob("sites/*")):
        site = read_site_record(folder / "site.json")
        state = "running" if site and site_runs(site) else "gone"
        print(f"{folder.name}  {site.cidr if site else 'half-made'}  {state}")
        for path in sorted(folder.glob("hosts/*")):
            record, host = read_host_record(path / "host.json"), read_host(where, path.name)
            words = [record.hostname, record.address] if record else ["half-made"]
            words += [host.state.value, f"ssh 127.0.0.1:{host.ssh_port}"] if host else ["gone"]
            print("  " + "  ".join([path.name, *words]))


def _destroy(ids: list[str]) -> None:
    from .hosts import delete_host
    from .places import places
    from .sites import delete_site

    where = places()
    for id_ in ids:
        if where.site(id_).exists():
            delete_site(where, id_)
        else:
            delete_host(where, id_)
        print(f"{id_} is gone")


if __name__ == "__main__":
    sys.exit(main())
