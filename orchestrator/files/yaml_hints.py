"""What was probably meant where a file is not YAML?"""

from __future__ import annotations

import re

_LONGEST = 400  # the searches below are quadratic
_UNQUOTED = r"""(?:[^"'#]|"[^"]*"|'[^']*')*?"""
_FLOW_REFERENCE = re.compile(rf"^{_UNQUOTED}[{{\[,]{_UNQUOTED}\$\{{\{{\s*([^}}]*?)\s*\}}\}}")
_JINJA = re.compile(r"(:|-)\s+\{\{\s*([^}]*?)\s*\}\}")
_TWO_COLONS = re.compile(r"""^\s*(?:- )?[^\s:#"'][^:#"']*:\s+[^\s"'\[{|>&*!%@`][^"']*?:(\s|$)""")


def syntax_help(line: str) -> str:
    """Advice for a line at which the YAML parser gave up; empty where there is none."""
    line = line[:_LONGEST]
    if line.lstrip(" ").startswith("\t"):
        return "indent with spaces; YAML allows no tabs there"
    if found := _FLOW_REFERENCE.search(line):
        return f'quote a reference inside braces or brackets: "${{{{ {found[1]} }}}}"'
    if found := _JINJA.search(line):
        return braces_help(found[2])
    if _TWO_COLONS.search(line):
        return "text with ': ' in it needs quotes"
    if re.search(r":\s+[@`%]", line):
        return "text that begins with '@', '`' or '%' needs quotes"
    return ""


def braces_help(inner: str) -> str:
    """Advice for an unquoted `{{ … }}`."""
    return f"did you mean '${{{{ {inner} }}}}'? Ansible's own '{{{{ {inner} }}}}' must be quoted"
