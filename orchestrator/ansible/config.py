"""What of a project's ansible.cfg holds, and what do we set ourselves?

Kept is what says how the project's own code is found and how hosts are reached; never what runs
code from outside the project, asks a person, writes secrets somewhere, or is ours to say
(inventory, host keys, output). Paths are relative to the file, as in Ansible.
"""

from __future__ import annotations

import configparser
import io
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Problem

FORKS = 50  # Ansible starts no more workers than a batch has hosts
FACTS_SECONDS = 3600  # then they are gathered again

_ANSIBLES_OWN = ("~/.ansible", "/usr/share/ansible", "/etc/ansible")  # what is installed, as pip's
_CODE = {  # option -> folders of the project that are looked at besides
    "roles_path": ("roles", "playbooks/roles"),
    "collections_path": ("collections", "playbooks/collections"),
    "collections_paths": (),
    "library": (),
    "module_utils": (),
    "action_plugins": (),
    "become_plugins": (),
    "connection_plugins": (),
    "filter_plugins": (),
    "inventory_plugins": (),
    "lookup_plugins": (),
    "shell_plugins": (),
    "strategy_plugins": (),
    "test_plugins": (),
    "vars_plugins": (),
}
_KEPT_TEXT = {
    "defaults": """
        action_warnings allow_world_readable_tmpfiles ansible_managed any_errors_fatal
        become become_method become_user deprecation_warnings devel_warning
        duplicate_dict_key error_on_undefined_vars executable
        fact_caching_timeout force_handlers forks gather_subset gather_timeout gathering
        hash_behaviour inject_facts_as_vars interpreter_python jinja2_extensions
        jinja2_native localhost_warning max_file_size_for_diff module_lang module_set_locale
        no_log poll_interval precedence private_key_file private_role_vars remote_port
        remote_tmp remote_user strategy system_warnings task_timeout timeout transport
        vars_plugins_enabled
    """,
    "privilege_escalation": """
        agnostic_become_prompt become become_exe become_flags become_method become_user
    """,
    "ssh_connection": """
        pipelining reconnection_retries retries scp_extra_args sftp_batch_mode
        sftp_extra_args ssh_args ssh_common_args ssh_extra_args ssh_transfer_method timeout
        transfer_method use_tty usetty
    """,
    "connection": """
        pipelining
    """,
    "persistent_connection": """
        command_timeout connect_retry_timeout connect_timeout
    """,
    "inventory": """
        any_unparsed_is_failed enable_plugins host_pattern_mismatch ignore_extensions
        ignore_patterns unparsed_is_failed unparsed_warning
    """,
    "diff": """
        always context
    """,
    "tags": """
        run skip
    """,
    "galaxy": """
        disable_gpg_verify ignore_certs required_valid_signature_count role_skeleton server
        server_list server_timeout
    """,
}
_KEPT = {section: frozenset(words.split()) for section, words in _KEPT_TEXT.items()}
_WHY_NOT = {
    "inventory": "the stage says which inventory it gets",
    "vault_password_file": "vault secrets come from the stage's `vault`",
    "vault_identity_list": "vault secrets come from the stage's `vault`",
    "ask_vault_pass": "nobody is there to answer",
    "ask_pass": "nobody is there to answer",
    "become_ask_pass": "nobody is there to answer",
    "host_key_checking": "the stage's `host_keys` says how hosts are recognised",
    "log_path": "a log file would hold secrets in clear; `orchestrator logs` has it all",
    "stdout_callback": "results are read by our own callback",
    "callback_plugins": "results are read by our own callback",
    "callbacks_enabled": "results are read by our own callback",
    "callback_whitelist": "results are read by our own callback",
    "verbosity": "from -vvv on, results would show secrets",
    "retry_files_enabled": "a retry knows the failed hosts itself",
    "retry_files_save_path": "a retry knows the failed hosts itself",
    "fact_caching": "facts are cached per environment",
    "fact_caching_connection": "facts are cached per environment",
    "fact_caching_prefix": "facts are cached per environment",
    "local_tmp": "each attempt has a temporary folder of its own",
    "control_path": "each attempt has connections of its own",
    "control_path_dir": "each attempt has connections of its own",
    "ssh_executable": "it would run a program from outside the project",
    "sftp_executable": "it would run a program from outside the project",
    "scp_executable": "it would run a program from outside the project",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What an attempt itself puts into its configuration."""

    facts: Path  # folder of the fact cache
    temporary: Path
    control: Path  # short: the path of a socket has at most 107 bytes
    ssh: Sequence[str] = ()  # options that come before the project's, so that they win
    key: Path | None = None  # private key of the stage
    forks: int = 0  # 0: the project's, else ours
    roles: Sequence[Path] = ()  # installed requirements, looked at first
    collections: Sequence[Path] = ()


def project_config(project: Path, name: str) -> Path | None:
    """The stage's ansible.cfg, else the project root's if there is one.

    Raises DefinitionError where the stage names one that is not in the project.
    """
    path = (project / (name or "ansible.cfg")).absolute()
    if not name:
        return path if path.is_file() else None
    if not _inside(path, project) or not path.is_file():
        raise DefinitionError(
            [
                Problem(
                    message=f"config '{name}' is no file of the project", help="name an ansible.cfg"
                )
            ]
        )
    return path


def kept(cfg: Path, project: Path) -> dict[str, dict[str, str]]:
    """section -> option -> value of what holds, its paths absolute."""
    result: dict[str, dict[str, str]] = {}
    for section, option, value in _options(cfg):
        if not _why_ignored(section, option, value, cfg, project):
            result.setdefault(section, {})[option] = _absolute(option, value, cfg)
    return result


def ignored_keys(cfg: Path, project: Path | None = None) -> list[tuple[str, str, str]]:
    """(section, option, why) of everything in an ansible.cfg that does not hold, in its order.

    project: the project's root; else the folder of the file.
    """
    root = project or cfg.parent
    return [
        (section, option, why)
        for section, option, value in _options(cfg)
        if (why := _why_ignored(section, option, value, cfg, root))
    ]


def attempt_config(project: Path, cfg: Path | None, own: Own) -> str:
    """The text of the attempt's ansible.cfg: the project's as far as it holds, then ours."""
    sections = kept(cfg, project) if cfg else {}
    for section, options in _ours(project, sections, own).items():
        sections.setdefault(section, {}).update(options)
    parser = configparser.RawConfigParser()
    parser.read_dict(sections)
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _ours(
    project: Path, theirs: Mapping[str, Mapping[str, str]], own: Own
) -> dict[str, dict[str, str]]:
    defaults, ssh = theirs.get("defaults", {}), theirs.get("ssh_connection", {})
    roles = defaults.get("roles_path", "")
    theirs_first = shlex.split(ssh.get("ssh_args", "-C")) + list(_MASTER)
    collections = defaults.get("collections_path") or defaults.get("collections_paths", "")
    result = {
        "defaults": {
            "roles_path": _path_list(project, "roles_path", roles, own.roles),
            "collections_path": _path_list(
                project, "collections_path", collections, own.collections
            ),
            "forks": str(own.forks or defaults.get("forks") or FORKS),
            "gathering": defaults.get("gathering", "smart"),
            "fact_caching": "jsonfile",
            "fact_caching_connection": str(own.facts),
            "fact_caching_timeout": defaults.get("fact_caching_timeout", str(FACTS_SECONDS)),
            "host_key_checking": "True",
            "interpreter_python": defaults.get("interpreter_python", "auto_silent"),
            "local_tmp": str(own.temporary),
            "retry_files_enabled": "False",
            "nocows": "True",
        },
        "ssh_connection": {
            "pipelining": ssh.get("pipelining")
            or theirs.get("connection", {}).get("pipelining", "True"),
            "control_path_dir": str(own.control),
            "ssh_args": shlex.join([*own.ssh, *theirs_first]),
        },
    }
    inventory = theirs.get("inventory", {})
    name = "any_unparsed_is_failed"  # Ansible itself would warn, and go on without those hosts
    result["inventory"] = {name: inventory.get(name, "True")}
    if own.key:
        result["defaults"]["private_key_file"] = str(own.key)
    return result


_MASTER = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60s")  # Ansible's own default


def _path_list(project: Path, option: str, theirs: str, installed: Sequence[Path]) -> str:
    """Installed requirements, the project's list, its usual folders, what the machine has."""
    name = option.removesuffix("_path")
    folders = [str(path) for path in installed] + [part for part in theirs.split(":") if part]
    folders += [str(project / folder) for folder in _CODE[option]]
    folders += [f"~/.ansible/{name}", f"/usr/share/ansible/{name}"]
    return ":".join(dict.fromkeys(folders))


def _options(cfg: Path) -> Iterator[tuple[str, str, str]]:
    """Read as Ansible reads it. Raises DefinitionError where it is no INI file."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    try:
        parser.read_string(cfg.read_text("utf-8"), source=cfg.name)
    except (configparser.Error, UnicodeDecodeError) as error:
        message = f"{cfg.name} cannot be read: {' '.join(str(error).split())}"
        raise DefinitionError([Problem(message=message)]) from error
    for section in parser.sections():
        for option, value in parser.items(section):
            yield section, option, value or ""


def _why_ignored(section: str, option: str, value: str, cfg: Path, project: Path) -> str:
    if section == "defaults" and option in _CODE:
        outside = [part for part in _parts(value) if not _allowed(_placed(part, cfg), project)]
        return f"{', '.join(outside)} lies outside the project" if outside else ""
    if section.startswith("galaxy_server.") or option in _KEPT.get(section, ()):
        return "" if option != "strategy" else _why_not_strategy(value)
    return _WHY_NOT.get(option, "it is not among the options that are kept")


def _why_not_strategy(value: str) -> str:
    return "a debugger would wait for a person" if value.endswith("debug") else ""


def _absolute(option: str, value: str, cfg: Path) -> str:
    if option in _CODE:
        return ":".join(str(_placed(part, cfg)) for part in _parts(value))
    if option == "private_key_file":
        return str(_placed(value, cfg))
    return value


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(":") if part.strip()]


def _placed(text: str, cfg: Path) -> Path:
    expanded = os.path.expanduser(text.replace("{{CWD}}", str(cfg.parent)))
    return Path(os.path.normpath(cfg.parent.absolute() / expanded))


def _allowed(path: Path, project: Path) -> bool:
    own = (Path(os.path.expanduser(folder)) for folder in _ANSIBLES_OWN)
    return _inside(path, project) or any(path.is_relative_to(folder) for folder in own)


def _inside(path: Path, project: Path) -> bool:
    """Links are followed: one that leaves the project does not count as inside."""
    return path.resolve().is_relative_to(project.resolve())
