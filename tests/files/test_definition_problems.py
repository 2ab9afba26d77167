"""Is every mistake in a definition told, at its place, with what would be right?"""
# ruff: noqa: E501  what is told stands in one line, as it is shown

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.files.definitions import load_project, validate
from orchestrator.files.problems import rendered_all
from orchestrator.model.errors import DefinitionError
from tests.files.projects import (
    DEV,
    FILES,
    GATE,
    HEADER,
    ORCHESTRATOR,
    changed,
    pipeline,
    told,
    write,
)

TRUE = 'command: ["true"]'
A = f"stages:\n  a:\n    {TRUE}\n"  # the stage's own keys begin on line 11, column 5
MAIN, PRODUCTION = "orchestrator.yaml", "policies/production.yaml"


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (
            A + "    tiemout: 20m\n",
            ["11:5 unknown key 'tiemout' in stages.a | did you mean 'timeout'?"],
        ),
        (
            A + "stagse: {}\n",
            ["11:1 unknown key 'stagse' in Pipeline | did you mean 'stages'?"],
        ),
        (
            A + "    timeout: soon\n",
            [
                "11:14 'timeout' in stages.a must be a duration such as 20m, not text 'soon'"
                " | write d, h, m and s in this order, such as 1h30m"
            ],
        ),
        (
            A + "    timeout: ${{ vars.x }}\n",
            [
                "11:14 'timeout' in stages.a must be a duration such as 20m, "
                "not the reference 'vars.x' | write d, h, m and s in this order, such as 1h30m"
            ],
        ),
        (
            A + "    when: sucess\n",
            [
                "11:11 'when' in stages.a must be success, failure or always, not text 'sucess'"
                " | did you mean 'success'?"
            ],
        ),
        (
            A + "    irreversible: 'true'\n",
            [
                "11:19 'irreversible' in stages.a must be true or false, not text 'true'"
                " | write it without quotes"
            ],
        ),
        (
            A + "    once: always\n",
            ["11:11 'once' in stages.a must be release, not text 'always'"],
        ),
        (
            A + "    retry: { attempts: 0, on: [unreachabel] }\n",
            [
                "11:24 'attempts' in stages.a.retry must be at least 1, not 0",
                "11:32 'on[0]' in stages.a.retry must be failed, unreachable or timeout, "
                "not text 'unreachabel' | did you mean 'unreachable'?",
            ],
        ),
        (
            A + "    outputs: { x: strng, 1a: int, l: list }\n",
            [
                "11:19 'x' in stages.a.outputs must be a type, not text 'strng'"
                " | did you mean 'string'?",
                "11:26 '1a' in stages.a.outputs must be a word that a reference can name, "
                "not text '1a' | letters, digits, '_' and '-', no digit first",
                "11:38 'l' in stages.a.outputs must be a type: type 'list' must be written list(T)",
            ],
        ),
        (
            "stages:\n  a: {}\n",
            [
                "9:3 stage 'a' has no kind | give it one of pulumi, ansible, command, check, approval"
            ],
        ),
        (
            A + "    approval:\n",
            ["11:5 stage 'a' is both command and approval | make them two stages"],
        ),
        (
            "stages:\n  a: { command: make all }\n",
            [
                "9:17 'command' in stages.a must be a list of words; there is no shell"
                " | write [make, all]"
            ],
        ),
        (
            "stages:\n  a: { command: [] }\n",
            ["9:8 'run' in stages.a.command must not be empty"],
        ),
        (
            "stages:\n  a: { command: [sleep, 5] }\n",
            [
                "9:25 'run[1]' in stages.a.command must be text or a reference, not the number 5"
                ' | quote it: "5"'
            ],
        ),
        (
            "stages:\n  A_b: { approval: }\n",
            [
                "9:3 'A_b' in stages must be a name, not text 'A_b'"
                " | small letters, digits and '-', a letter first, at most 63"
            ],
        ),
        ("stages: {}\n", ["8:1 'stages' in Pipeline must not be empty"]),
        ("vars: {}\n", ["5:1 key 'stages' is missing in Pipeline"]),
        (
            "stages:\n  a: { pulumi: { stack: x } }\n",
            ["9:8 key 'project' is missing in stages.a.pulumi"],
        ),
        (
            "stages:\n  a: { check: { url: 5, status: '200' } }\n",
            [
                "9:22 'url' in stages.a.check must be text or a reference, not the number 5"
                ' | quote it: "5"',
                "9:33 'status' in stages.a.check must be a whole number, not text '200'"
                " | write it without quotes",
            ],
        ),
        (
            "stages:\n  a: { check: { url: 'http://x.y', contains: '${{ vars.x | default }}' } }\n",
            [
                "9:47 'vars.x | default' is no reference: it must be a plain path of names and "
                "dots | defaults are given where a variable is declared: { type: string, "
                "default: … }"
            ],
        ),
        (
            "stages:\n  a: { check: { url: 'http://x.y' }, outputs: { x: int } }\n",
            ["9:38 a stage of kind check has no outputs | take them away"],
        ),
        (
            "stages:\n  a: { approval: , destroy: { command: [x] } }\n",
            ["9:20 a stage of kind approval needs no 'destroy' | take it away"],
        ),
        (
            A + "    destroy: {}\n",
            ["11:5 'destroy' in stages.a names neither a playbook nor a command"],
        ),
        (
            A + "    destroy: { command: [x], limit: y }\n",
            ["11:30 'limit' cannot stand beside a command in stages.a.destroy"],
        ),
        (
            A + "    needs: [b]\n",
            ["11:13 stage 'a' needs 'b', which pipeline 'p' does not define | defined: a"],
        ),
        (
            f"stages:\n  one: {{ {TRUE}, needs: [two] }}\n  two: {{ {TRUE}, needs: [one, x] }}\n",
            [
                "9:37 stages need each other in a circle: 'one' needs 'two' (orchestrator.yaml:9),"
                " 'two' needs 'one' (orchestrator.yaml:10) | take one of these edges away",
                "10:42 stage 'two' needs 'x', which pipeline 'p' does not define"
                " | defined: one, two",
            ],
        ),
        (
            "vars: { a: { type: string, min: 1 }, b: { type: int, min: 3, max: 2 },"
            " c: { type: int, default: x }, d: { type: int, one_of: [1, y] } }\n" + A,
            [
                "8:28 'min' is for int and number, and 'a' is string",
                "8:59 'min' is greater than 'max'",
                "8:97 the default of 'c' must be an int, not text 'x'",
                "8:130 an item of 'one_of' must be an int, not text 'y'",
            ],
        ),
        (
            "vars: { a: { type: secret(string), default: x }, b: { type: int, default: '${{ vars.a }}' } }\n"
            + A,
            [
                "8:45 the default of 'a' is a secret in clear | use a reference to secrets.NAME",
                "8:80 a variable cannot refer to 'vars.a'"
                " | only to env.name, secrets.NAME and release.*",
            ],
        ),
    ],
)
def test_pipelines(tmp_path: Path, body: str, problems: list[str]) -> None:
    """A mistake in a pipeline is told where it stands, in words that say what is right."""
    assert told(pipeline(tmp_path, body)) == problems


USES = """\
vars: { n: int, pw: secret(string), items: list(string), s: string }
stages:
  src: { command: ["true"], outputs: { inv: inventory, n: int, t: string, url: url } }
  a: { %s }
"""


@pytest.mark.parametrize(
    ("stage", "problems"),
    [
        (
            'pulumi: { project: s, config: { a: "${{ vars.n }}", b: "${{ vars.pw }}", '
            'c: ["${{ vars.items }}", { d: "${{ stages.src.outputs.inv }}" }] } }',
            [],
        ),
        (
            'pulumi: { project: s, stack: "a-${{ vars.pw }}" }',
            ["'vars.pw' is a secret, which a stack's name would show"],
        ),
        (
            'pulumi: { project: s, config: { x: "n=${{ vars.n }}" } }',
            [],
        ),
        (
            'pulumi: { project: s, config: { x: "n=${{ vars.items }}" } }',
            ["'vars.items' is a list(string); inside text a reference must be a string or an int"],
        ),
        (
            'ansible: { playbook: p, inventory: "${{ stages.src.outputs.inv }}", '
            'ssh_key: "${{ vars.pw }}", vault: { v: "${{ secrets.v }}" }, '
            'vars: { a: "${{ vars.items }}" }, limit: "${{ vars.s }}" }',
            [],
        ),
        (
            'ansible: { playbook: p, inventory: "${{ vars.n }}" }',
            ["'vars.n' is an int, but an inventory or a path is wanted here"],
        ),
        (
            'ansible: { playbook: p, ssh_key: "${{ vars.s }}", vault: { v: hunter2 } }',
            ["'vars.s' is no secret, but one is wanted here", "a secret stands here in clear"],
        ),
        (
            'ansible: { playbook: p, ssh_key: "${{ vars.n }}", limit: "${{ secrets.x }}" }',
            [
                "'vars.n' is an int, but a secret text is wanted here",
                "'secrets.x' is a secret, which a limit would show",
            ],
        ),
        (
            'command: [x, "${{ vars.pw }}", "${{ vars.items }}"]',
            [
                "'vars.pw' is a secret, and everybody on a machine can read its command lines",
            ],
        ),
        ('command: { run: [x], env: { A: "${{ vars.pw }}", B: "a${{ secrets.b }}" } }', []),
        ('check: { url: "${{ stages.src.outputs.url }}/x", headers: { A: "${{ vars.pw }}" } }', []),
        (
            'check: { url: "http://${{ vars.pw }}/", contains: "${{ vars.items }}" }',
            [
                "'vars.pw' is a secret, which a URL would show",
                "'vars.items' is a list(string), but text is wanted here",
            ],
        ),
        (
            'approval: { message: "${{ secrets.x }}?" }',
            ["'secrets.x' is a secret, which a message would show"],
        ),
        (
            'check: { url: "${{ stages.scr.outputs.url }}" }',
            ["undeclared reference to 'stages.scr.outputs.url'"],
        ),
        (
            'command: [x], destroy: { playbook: p, limit: "${{ vars.nope }}" }',
            ["undeclared reference to 'vars.nope'"],
        ),
    ],
)
def test_uses(tmp_path: Path, stage: str, problems: list[str]) -> None:
    """A reference must fit where it stands, and a secret goes only where nothing shows it."""
    files = {"s/Pulumi.yaml": "name: s\n", "p": ""}
    assert [p.message for p in pipeline(tmp_path, USES % stage, **files)] == problems


def test_what_follows_is_not_told(tmp_path: Path) -> None:
    """A stage whose outputs are misspelt has one problem, not one for each of its readers."""
    body = (
        f"stages:\n  a: {{ {TRUE}, outptus: {{ x: string }} }}\n"
        '  b: { command: [x, "${{ stages.a.outputs.x }}"], needs: [c] }\n'
        "  c: { outputs: { y: string } }\n"
        '  d: { command: [x, "${{ stages.c.outputs.y }}", "${{ vars.y }}"] }\n'
    )
    assert told(pipeline(tmp_path, body)) == [
        "9:27 unknown key 'outptus' in stages.a | did you mean 'outputs'?",
        "11:3 stage 'c' has no kind | give it one of pulumi, ansible, command, check, approval",
        "12:55 undeclared reference to 'vars.y' | it is written vars.NAME; no vars are declared",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        (
            "10.66.10.0/24",
            "10.66.10.5/24",
            ["4:15 'cidr' must be a cidr such as 10.0.0.0/24: 10.66.10.5/24 has host bits set"],
        ),
        ("web_count: 2", "web_count: 21", ["4:41 'web_count' must be at most 20, not 21"]),
        ("web_count: 2", 'web_count: "2"', ["4:41 'web_count' must be an int, not text '2'"]),
        ("web_count: 2", "web_cuont: 2", [
            "4:1 environment 'dev' does not fill 'web_count' (int), which pipeline 'guestbook' "
            "declares (orchestrator.yaml:11)",
            "4:30 no pipeline declares the variable 'web_cuont'",
        ]),
        ("web_count: 2", "web_count: yes", [
            "4:41 'yes' is text in YAML 1.2 and true or false in 1.1",
        ]),
        ("web_count: 2", "web_count: '${{ env.name }}'", [
            "4:46 'env.name' is a string, but the variable is an int",
        ]),
        ("web_count: 2", "web_count: 2, batch: '${{ secrets.x }}'", [
            "4:56 undeclared reference to 'secrets.x'",
        ]),
        ("vars:", "varz:", ["4:1 unknown key 'varz' in Environment"]),
        ("name: dev", "name: development", [
            "3:7 'name' must be dev, like its folder, not 'development'",
        ]),
        ("kind: Environment", "kind: Enviroment", [
            "2:7 'kind' must be Environment here, not text 'Enviroment'",
        ]),
        ("kind: Environment\n", "", ["1:1 key 'kind' is missing"]),
        ("orchestrator/v1", "orchestrator/v2", [
            "1:13 'apiVersion' in Environment must be orchestrator/v1, not text 'orchestrator/v2'",
        ]),
        ("kind: Environment", "kind: Environment\ngate: prodution", [
            "3:7 environment 'dev' names the gate 'prodution', which does not exist",
        ]),
        ("kind: Environment", "kind: Environment\npromote_from: stging", [
            "3:15 environment 'dev' is promoted from 'stging', which does not exist",
        ]),
        ("kind: Environment", "kind: Environment\npromote_from: { any: [prod] }", [
            "3:23 environments are promoted from each other in a circle: 'dev' from 'prod' "
            "(inventories/dev/environment.yaml:3), 'prod' from 'dev' "
            "(inventories/prod/environment.yaml:4)",
        ]),
        ("kind: Environment", "kind: Environment\npromote_from: { any: [dev], all: [dev] }", [
            "3:17 'promote_from' has either all or any, not both",
            "3:35 environments are promoted from each other in a circle: 'dev' from 'dev' "
            "(inventories/dev/environment.yaml:3)",
        ]),
        ("kind: Environment", "kind: Environment\nsecrets: { a: 'vault://x', b: X, c: 'env://A B' }", [
            "3:15 'a' in secrets is a vault:// secret, which cannot be read yet",
            "3:31 'b' in secrets must say where the secret is found, such as env://NAME",
            "3:37 'c' in secrets must name an environment variable after env://",
        ]),
        ("kind: Environment", "kind: Environment\ncredentials: { pulumi: ['A=1'], helm: [] }", [
            "3:25 'pulumi[0]' in credentials must be the name of an environment variable such as "
            "AWS_PROFILE",
            "3:33 unknown key 'helm' in credentials",
        ]),
        ("kind: Environment", "kind: Environment\nstate: s3", [
            "3:8 'state' must be builtin or the URL of a Pulumi backend, not 's3'",
        ]),
        ("kind: Environment", "kind: Environment\nlimits: { run: -1 }", [
            "3:16 'run' in limits must be at least 0, not -1",
        ]),
    ],
)  # fmt: skip
def test_environments(tmp_path: Path, old: str, new: str, problems: list[str]) -> None:
    """A mistake in an environment is told where it stands."""
    root = changed(tmp_path, "inventories/dev/environment.yaml", old, new)
    assert [line.split(" | ")[0] for line in told(validate(root))] == problems


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ("soak: 24h", "soak: 24", ["7:13 'soak' in promote.require[1] must be a duration such as 20m, not the number 24"]),
        ("status: succeeded", "status: ok", ["6:27 'status' in promote.require[0].upstream must be succeeded, not text 'ok'"]),
        ("none_since: 6h", "since: 6h", [
            "8:7 key 'none_since' is missing in promote.require[2].drift",
            "8:30 unknown key 'since' in promote.require[2].drift",
        ]),
        ("[replace, delete]", "[destroy]", [
            "9:27 'deny[0]' in promote.require[3].rehearsed must be create, update, replace or delete, not text 'destroy'",
        ]),
        ("Mon-Thu 08:00", "Mo-Thu 08:00", ["11:16 'open[0]' in promote.require[4].window has an unknown day 'Mo'"]),
        ("Mon-Thu 08:00", "Mon-Thu 18:00", ["11:16 'open[0]' in promote.require[4].window must open before it closes, within one day"]),
        ("Europe/Berlin", "Europe/Berln", ["11:16 'open[0]' in promote.require[4].window has an unknown time zone 'Europe/Berln'"]),
        ("Mon-Thu 08:00-16:00 Europe/Berlin", "always", ["11:16 'open[0]' in promote.require[4].window must be days, hours and a time zone, not text 'always'"]),
        ("2026-12-18", "2026-02-30", ["12:26 'from' in promote.require[4].window.closed[0] must be a day such as 2026-12-18, not text '2026-02-30'"]),
        ("2026-12-18", "2028-12-18", ["12:18 'from' is after 'to'"]),
        ("package: gate.keeps_data", "package: gate keeps", ["14:24 'package' in promote.require[5].rego must be a Rego package such as gate.keeps_data, not text 'gate keeps'"]),
        ("package: gate.keeps_data", "package: gate.keeps_dta", ["14:24 no policies/*.rego holds the package 'gate.keeps_dta'; the rule would refuse"]),
        ("max: 24h", "min: 24h", [
            "14:41 key 'max' is missing in promote.require[5].rego.waive",
            "14:72 unknown key 'min' in promote.require[5].rego.waive",
        ]),
        ("    - soak: 24h", "    - soak: 24h\n      was_live: true", ["7:7 promote.require[1] must be one rule, not 2"]),
        ("need: 2", "need: 0", ["17:13 'need' in promote.approvals[0] must be at least 1, not 0"]),
        ("release.authors", "release.author", [
            "19:13 'not[0]' in promote.approvals[0] must be release.authors or run.requester, not text 'release.author'",
        ]),
        ('["group:oncall"] }]\nemergency', '["group:oncal"] }]\nemergency', ["23:45 access.yaml has no group 'oncal'"]),
        ("was_live: true", "was_live: false", ["22:25 'was_live' in rollback.require[0] must be true, not false"]),
        ("ticket: required", "ticket: maybe", ["25:11 'ticket' in emergency must be required or optional, not text 'maybe'"]),
        ("review:", "reviews:", ["24:1 key 'review' is missing in emergency", "27:3 unknown key 'reviews' in emergency"]),
        ("name: production", "name: prod", [
            "6:7 environment 'prod' names the gate 'production', which does not exist",
        ]),
        ("kind: Gate", "kind: Pipeline", [
            "2:7 'kind' must be Gate or Access here, not text 'Pipeline'",
        ]),
    ],
)  # fmt: skip
def test_gates(tmp_path: Path, old: str, new: str, problems: list[str]) -> None:
    """A mistake in a gate's rules is told where it stands."""
    root = changed(tmp_path, PRODUCTION, old, new)
    assert [line.split(" | ")[0] for line in told(validate(root))] == problems


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ("[bo] }", "[bob] }", ["6:49 no one is called 'bob' | did you mean 'bo'?"]),
        ("ana@example.com", "ana", ["4:19 'emails[0]' in people.ana must be an e-mail address, not text 'ana'"]),
        ("ssh-ed25519 AAAA", "AAAA", ["4:44 'keys[0]' in people.ana must be a public SSH key such as 'ssh-ed25519 AAAA…'"]),
        ("[view, plan", "[veiw, plan", [
            "9:11 'may[0]' in roles[0] must be view, plan, apply, promote, approve, waive, cancel, destroy or admin,"
            " not text 'veiw' | did you mean 'view'?",
        ]),
        ('who: ["group:release-managers"]', 'who: ["group:managers"]', [
            "8:11 access.yaml has no group 'managers' | did you mean 'group:release-managers'?",
        ]),
    ],
)  # fmt: skip
def test_access(tmp_path: Path, old: str, new: str, problems: list[str]) -> None:
    """A mistake in access.yaml is told where it stands."""
    assert told(validate(changed(tmp_path, "policies/access.yaml", old, new))) == problems


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ("id: guestbook-7f3c", "id: Guest book", [
            "3:5 'id' in Project must be a name, not text 'Guest book'"
            " | small letters, digits and '-', a letter first, at most 63",
        ]),
        ("protected: main", "store: mysql://x\nprotected: main", [
            "4:8 'store' in Project must be local or a postgresql:// URL, not text 'mysql://x'",
        ]),
        ("protected: main\n", "", [
            "6:7 a gate needs 'protected:' in the Project: the git ref it is read from"
            " | write protected: main in orchestrator.yaml",
        ]),
        ("kind: Project", "kind: Projekt", [
            "2:7 'kind' must be Project or Pipeline here, not text 'Projekt' | did you mean 'Project'?",
        ]),
        ("stacks/network", "stacks/netwrk", [
            "17:24 the stack's folder 'stacks/netwrk' does not exist | did you mean 'stacks/network'?",
        ]),
        ("stacks/network", "playbooks", ["17:24 there is no Pulumi.yaml in 'playbooks'"]),
        ("playbooks/base.yml", "playbooks/bsae.yml", [
            "28:26 the playbook 'playbooks/bsae.yml' does not exist | did you mean 'playbooks/base.yml'?",
        ]),
        ("playbooks/base.yml", "../base.yml", [
            "28:26 the playbook '../base.yml' is outside the project | name it relative to the project root",
        ]),
        ("path: app", "path: application", ["14:16 the artifact 'application' does not exist"]),
        ("playbook: playbooks/app.yml", "playbook: playbooks/app.yml\n      config: ansible.cfg\n      requirements: r.yml", [
            "35:15 the Ansible configuration 'ansible.cfg' does not exist",
            "36:21 the requirements file 'r.yml' does not exist",
        ]),
        ("${{ stages.network.outputs.network }}", "${{ stages.netwrk.outputs.network }}", [
            "23:22 undeclared reference to 'stages.netwrk.outputs.network'"
            " | did you mean 'stages.network.outputs.network'?",
        ]),
        ("${{ vars.batch }}", "${{ secrets.smtp }}", [
            "1:1 environment 'dev' has no secret 'smtp', which stage 'app' uses (orchestrator.yaml:39)"
            " | write secrets: { smtp: env://… }",
        ]),
    ],
)  # fmt: skip
def test_projects(tmp_path: Path, old: str, new: str, problems: list[str]) -> None:
    """A mistake between definitions and folders is told where it stands."""
    assert told(validate(changed(tmp_path, MAIN, old, new))) == problems


def test_all_files_at_once(tmp_path: Path) -> None:
    """One look tells every problem of every file, by file and line."""
    root = write(tmp_path, {
        **FILES,
        MAIN: ORCHESTRATOR.replace("timeout: 20m", "timeout: soon").replace("id: guest", "id: Guest"),
        "inventories/dev/environment.yaml": DEV.replace("web_count: 2", "web_count: 99"),
        PRODUCTION: GATE.replace("soak: 24h", "soak: 1"),
        "pipelines/broken.yaml": "a: [\n",
    })  # fmt: skip
    with pytest.raises(DefinitionError) as caught:
        load_project(root)
    assert [str(problem.position) for problem in caught.value.problems] == [
        "inventories/dev/environment.yaml:4",
        "orchestrator.yaml:3",
        "orchestrator.yaml:26",
        "pipelines/broken.yaml:2",
        "policies/production.yaml:7",
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (MAIN, "a: ["),
        (MAIN, ORCHESTRATOR.replace("kind: Pipeline", "kind: Pipelin")),
        (PRODUCTION, GATE + "a: b: c\n"),
        ("policies/access.yaml", "a: ["),
        ("inventories/common.yaml", "secrts: {}\n"),
        ("inventories/common.yaml", "a: ["),
    ],
)
def test_a_broken_file_is_one_problem(tmp_path: Path, file: str, text: str) -> None:
    """What only follows from a file that cannot be read is not told."""
    prod = FILES["inventories/prod/environment.yaml"].replace("web_count: 3, ", "")
    project = {**FILES, "inventories/prod/environment.yaml": prod} if "common" in file else FILES
    assert len(validate(write(tmp_path, {**project, file: text}))) == 1


def test_a_key_in_two_places_is_a_warning(tmp_path: Path) -> None:
    """What the stack's own file says too is told, and stops nobody."""
    stack = "config:\n  network:cidr: 10.0.0.0/8\n  other: 1\n"
    root = write(tmp_path, {**FILES, "stacks/network/Pulumi.dev.yaml": stack})
    (problem,) = validate(root)
    assert problem.severity == "warning"
    assert (
        problem.message == "'cidr' is set here and in stacks/network/Pulumi.dev.yaml; this one wins"
    )
    assert load_project(root).id == "guestbook-7f3c"


def test_no_project_document(tmp_path: Path) -> None:
    """A file without a Project is told what it lacks."""
    write(tmp_path, {MAIN: HEADER + A})
    assert [p.message for p in validate(tmp_path)] == ["there is no Project in this file"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "a", "[1]", "a: 1", "kind: [x]"])
def test_files_that_say_nothing(tmp_path: Path, text: str) -> None:
    """Whatever stands in a file, the answer is a DefinitionError with a place."""
    write(tmp_path, {MAIN: text})
    with pytest.raises(DefinitionError) as caught:
        load_project(tmp_path)
    assert all(problem.position for problem in caught.value.problems)


_WORDS = st.sampled_from(
    [
        "kind",
        "Pipeline",
        "Project",
        "stages",
        "a",
        "command",
        "vars",
        "x:",
        "[",
        "]",
        "{",
        "}",
        "-",
        "${{",
        "vars.x",
        "}}",
        "needs:",
        "1",
        "null",
        "yes",
        "apiVersion",
        "orchestrator/v1",
        "name",
        "id",
        "pulumi:",
        "ansible:",
        "check:",
        "approval:",
        "destroy:",
        "retry:",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_WORDS | st.sampled_from(["\n", "\n  ", ": "]), max_size=30).map(" ".join))
def test_any_definition(tmp_path: Path, text: str) -> None:
    """No text of a definition makes loading raise anything but DefinitionError."""
    write(tmp_path, {MAIN: text, "inventories/x/environment.yaml": text, "policies/x.yaml": text})
    with pytest.raises(DefinitionError):
        load_project(tmp_path)


_LINES = ORCHESTRATOR.splitlines()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.integers(0, len(_LINES) - 1),
    st.sampled_from(
        ["", "x", "- 1", "  a: [1]", "    needs: 5", "  stages:", "{}", "    x: {y: ~}"]
    ),
)
def test_any_damage(tmp_path: Path, line: int, new: str) -> None:
    """Any line of a right file replaced gives a project or a DefinitionError."""
    text = "\n".join([*_LINES[:line], new, *_LINES[line + 1 :]])
    write(tmp_path, {**FILES, MAIN: text})
    assert all(problem.position for problem in validate(tmp_path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "secrets: { ok: env://A, pw: hunter2 }\n"),
        ("", "secrets: { pw: 1234567 }\n"),
        ("", "secrets: { pw: 'env://hunter2!' }\n"),
        ("", "credentials: { pulumi: [AWS=hunter2] }\n"),
        ("", "secrets: { pw: hunter2, Pw: 1 }\nnonsense: 1\n"),
        ("cidr: cidr", "pw: { type: secret(string), default: hunter2 }\n  cidr: cidr"),
        ("needs: [app]", "needs: [app]\n    nonsense: 1"),
        ("playbook: playbooks/app.yml", "playbook: playbooks/app.yml\n      ssh_key: hunter2"),
    ],
)
def test_no_problem_shows_a_secret(tmp_path: Path, old: str, new: str) -> None:
    """What was written where a secret's place belongs is not repeated, nor is its line."""
    text = ORCHESTRATOR.replace(old, new) if old else ORCHESTRATOR
    files = {MAIN: text, "inventories/dev/environment.yaml": DEV + ("" if old else new)}
    root = write(tmp_path, {**FILES, **files})
    problems = validate(root)
    shown = rendered_all(problems)
    assert problems
    assert "hunter2" not in shown
    assert "1234567" not in shown
