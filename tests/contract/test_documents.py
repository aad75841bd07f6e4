"""Documents that repeat what the code says must say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alterd_contracts.errors import by_code
from alterd_contracts.states import diagram
from alterd_runtime.failpoints import FAILPOINTS
from alterd_runtime.mysql import grants

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


def test_every_test_that_the_invariants_name_exists() -> None:
    text = (ROOT / "docs/reference/invariants.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert named
    for file, test in named:
        path = ROOT / file
        assert path.exists(), file
        assert not test or test in path.read_text(), test


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
