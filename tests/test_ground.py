"""Promises of the ground: what is installed, imported and run is what this checkout says."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ["app", "schema", "resolvers", "subscriptions", "models"]
LOCKS = ["requirements.lock", "requirements-dev.lock"]
FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 70


def requirements(lock: str) -> dict[str, str]:
    """Name to the whole requirement: version, marker, hashes."""
    stanzas = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    return {stanza.split("==")[0]: stanza for stanza in stanzas}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_a_generic_name_is_this_repositorys(name: str) -> None:
    origin = importlib.import_module(name).__file__
    assert origin == str(ROOT / name / "__init__.py")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_held_by_version_and_hash_and_by_no_host(lock: str) -> None:
    locked = requirements(lock)
    assert len(locked) > 30
    for name, stanza in locked.items():
        assert re.match(
            rf"{re.escape(name)}==\S+ .*--hash=sha256:[0-9a-f]{{64}}", stanza, re.DOTALL
        )
    assert "://" not in (ROOT / lock).read_text()


def test_the_tests_run_on_the_versions_that_the_image_runs() -> None:
    runtime, development = (requirements(lock) for lock in LOCKS)
    assert {name: development.get(name) for name in runtime} == runtime


def test_every_dependency_of_the_project_file_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    for lock, wanted in (
        ("requirements.lock", project["project"]["dependencies"]),
        ("requirements-dev.lock", [*groups["dev"], *groups["embedded"]]),
    ):
        names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted}
        assert names - requirements(lock).keys() == set()


def test_the_web_lock_holds_every_package_by_hash_and_by_no_host() -> None:
    lock = json.loads((ROOT / "web/package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages)


def test_every_command_of_the_script_is_in_its_help() -> None:
    arms = (ROOT / "dev").read_text().rpartition("case $command in")[2]
    names = re.findall(r"^    ([a-z |-]+)\)$", arms, re.MULTILINE)
    commands = {name for arm in names for name in arm.split(" | ")}
    help_text = subprocess.run(
        ["./dev", "--help"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    told = set(re.findall(r"^  ([a-z-]+) ", help_text.decode(), re.MULTILINE))
    assert commands == told
    assert len(commands) >= 10


@pytest.mark.parametrize("command", ["lint", "lock", "bench"])
def test_a_command_without_a_help_of_its_own_shows_the_scripts(command: str) -> None:
    help_text = subprocess.check_output(["./dev", "--help"], cwd=ROOT)
    assert subprocess.check_output(["./dev", command, "--help"], cwd=ROOT) == help_text


def test_an_unknown_command_is_an_error_that_names_it_and_leaves_standard_output_alone() -> None:
    done = subprocess.run(["./dev", "fly"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"there is no command 'fly'" in done.stderr


def test_files_and_functions_stay_small_enough_to_be_read_whole() -> None:
    too_long: list[str] = []
    for path in (file for name in [*PACKAGES, "tests"] for file in (ROOT / name).rglob("*.py")):
        text = path.read_text()
        if text.count("\n") > FILE_LINES_MAX:
            too_long.append(str(path.relative_to(ROOT)))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    too_long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert too_long == []
