"""Documents that repeat what the code says must say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alterd_contracts.errors import by_code
from alterd_contracts.flags import FlagKind
from alterd_contracts.requests import Command
from alterd_contracts.states import diagram
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_runtime.failpoints import FAILPOINTS
from alterd_runtime.mysql import grants
from alterd_vitess.vitess import Vitess

ROOT = Path(__file__).parents[2]


def test_the_diagram_of_states_is_the_table() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    match = re.search(r"```mermaid\n(.*?)\n```", text, re.DOTALL)
    assert match
    assert match[1] == diagram()


@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_fail_point_is_placed_in_the_code(name: str) -> None:
    places = [
        path
        for folder in ("services", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        for _ in range(path.read_text().count(f'failpoint("{name}")'))
    ]
    assert places, "listed, and nowhere to be hit"


def test_every_error_is_documented_as_it_is() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text()
    own = {code: kind for code, kind in by_code().items() if kind.__module__ == "alterd_contracts.errors"}
    for code, kind in own.items():
        assert f"| `{code}` | {kind.exit_code} | {'yes' if kind.retryable else 'no'} |" in text, code


def test_the_grants_are_those_that_are_checked() -> None:
    text = (ROOT / "docs/reference/grants.md").read_text()
    assert f"<!-- grants -->\n{grants.table()}\n<!-- /grants -->" in text
    account = "'alterd'@'%'"
    parts = (grants.needs(part=grants.Part.THROTTLER), grants.needs(part=grants.Part.DOCTOR))
    for needs in (grants.needs(views=True), *parts):
        assert "\n".join(grants.statements(needs, "shop", account)) in text
    script = (ROOT / "compose/mysql/primary.sh").read_text().replace("\\`", "`")
    assert "\n".join(grants.statements(grants.needs(views=True), "shop", account)) in script


@pytest.mark.parametrize("page", ["invariants.md", "seeds.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / "docs/reference" / page).read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert named
    for file, test in named:
        path = ROOT / file
        assert path.exists(), file
        assert not test or f"def {test}(" in path.read_text(), test


def test_every_flag_is_documented_for_the_strategies_that_have_it() -> None:
    table = re.findall(
        r"^\| `--([\w-]+)(=[A-Z])?` \| ([\w, -]+) \|", (ROOT / "docs/reference/flags.md").read_text(), re.M
    )
    documented = {name: (bool(valued), set(strategies.split(", "))) for name, valued, strategies in table}
    declared: dict[str, tuple[bool, set[str]]] = {}
    for strategy in (Vitess(), Mysql(), Direct()):
        for flag in strategy.declare().flags:
            _, strategies = declared.setdefault(flag.name, (flag.kind is not FlagKind.SWITCH, set()))
            strategies.add(strategy.declare().strategy)
    assert documented == declared


def test_every_command_to_a_migration_is_documented() -> None:
    text = (ROOT / "docs/reference/commands.md").read_text()
    for command in Command:
        assert re.search(rf"^\| `{command}[ `]", text, re.M), command


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
