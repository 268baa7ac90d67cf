"""What the project's own files promise a contributor: workflow, pre-commit, citation, templates, dependabot."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest

import pawsight

yaml = pytest.importorskip("yaml")
requirements = pytest.importorskip("packaging.requirements")
specifiers = pytest.importorskip("packaging.specifiers")

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
FILES = [
    *sorted((ROOT / ".github").rglob("*.yml")),
    ROOT / ".pre-commit-config.yaml",
    ROOT / "CITATION.cff",
]


def read(place):
    return yaml.safe_load((ROOT / place).read_text("utf-8"))


@pytest.fixture(scope="module")
def workflow():
    return read(".github/workflows/tests.yml")


@pytest.fixture(scope="module")
def jobs(workflow):
    return workflow["jobs"]


def pythons(job):
    """The versions of Python that a job runs on."""
    matrix = job.get("strategy", {}).get("matrix", {})
    if "python" in matrix:
        return matrix["python"]
    return [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]


def typed(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def words_after(job, start):
    """The words of the one command of a job that begins so, without those."""
    (words,) = [words for command in typed(job) if (words := shlex.split(command))[: len(start)] == start]
    return words[len(start) :]


def make_target(name):
    """The lines of a target of the Makefile."""
    recipe = re.search(rf"^{name}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert recipe, f"the Makefile has no target {name}"
    return [line.strip() for line in recipe[1].splitlines()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_is_yaml_without_a_key_twice(path):
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key) for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{path.name}: a key of {keys} stands twice"
            return super().construct_mapping(node, deep)

    assert isinstance(yaml.load(path.read_text("utf-8"), Strict), dict)


def test_the_workflow_may_read_and_nothing_else_and_a_newer_commit_cancels(workflow, jobs):
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs.items() if "permissions" in job] == []
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert "github.ref" in workflow["concurrency"]["group"]
    assert {"push", "pull_request"} <= set(workflow[True])  # YAML 1.1 reads `on` as true
    assert all(job["timeout-minutes"] for job in jobs.values())


def test_actions_are_pinned_by_their_major_version_and_keep_no_credentials(jobs):
    steps = [step for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps)
    assert len({step["uses"] for step in steps}) == len({step["uses"].partition("@")[0] for step in steps})
    checkouts = [step for step in steps if step["uses"].startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_the_default_install_is_tested_on_every_python_of_the_package_and_on_three_systems(jobs):
    job = jobs["default-install"]
    minors = [int(version.removeprefix("3.")) for version in pythons(job)]
    wanted = specifiers.SpecifierSet(PROJECT["requires-python"])
    assert all(f"3.{minor}" in wanted for minor in minors)
    assert f"3.{minors[0] - 1}" not in wanted, "requires-python allows an older one"
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert minors[-1] >= 14
    assert job["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]


def test_no_job_runs_on_another_python_and_those_with_one_run_on_the_oldest(jobs):
    tested = pythons(jobs["default-install"])
    assert all(set(pythons(job)) <= set(tested) for job in jobs.values())
    single = {name: pythons(job) for name, job in jobs.items() if "strategy" not in job}
    assert single == dict.fromkeys(single, tested[:1])


def test_the_default_install_gets_pinned_tools_that_the_developers_have_as_well(jobs):
    words = words_after(jobs["default-install"], ["python", "-m", "pip", "install"])
    assert words[:4] == ["--constraint", "constraints.txt", "--editable", ".[train]"]
    dev = {requirements.Requirement(line).name.lower() for line in PROJECT["optional-dependencies"]["dev"]}
    assert set(words[4:]) <= dev


def test_what_the_default_install_leaves_out_is_there(jobs):
    words = words_after(jobs["default-install"], ["python", "-m", "pytest"])
    left_out = [place for word, place in pairwise(words) if word == "--ignore"]
    assert left_out
    assert all((ROOT / place).exists() for place in left_out)


def test_every_target_of_make_that_the_workflow_calls_is_there(jobs):
    called = {word for job in jobs.values() for word in typed(job) if word.startswith("make ")}
    assert called >= {"make check", "make test", "make test-avx2", "make docs"}
    assert all(make_target(word.removeprefix("make ")) for word in called)


def test_one_job_computes_as_on_an_older_processor(jobs):
    assert [name for name, job in jobs.items() if job.get("env", {}).get("ONEDNN_MAX_CPU_ISA") == "AVX2"] == [
        "older-processor"
    ]


def test_the_hooks_of_pre_commit_are_the_checks_of_make_check():
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = repository["hooks"]
    lines = [line.replace("$(BIN)", ".venv/bin").replace("$(VENV)", ".venv") for line in make_target("check")]
    checks = [line for line in lines if not line.startswith("@echo ")]
    assert [hook["entry"] for hook in hooks] == checks
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in hooks)


def test_make_check_says_before_each_check_what_it_is_for():
    lines = make_target("check")
    assert [line.startswith("@echo ") for line in lines] == [True, False] * (len(lines) // 2)
    hooks = read(".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert all(hook["name"] in line for hook, line in zip(hooks, lines[::2], strict=True))


def test_the_citation_names_this_version_and_licence_and_nobody_in_particular():
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert (citation["title"], citation["version"]) == ("Pawsight", pawsight.__version__)
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert citation["authors"] == [{"name": "The Pawsight contributors"}]
    assert citation["message"]
    assert citation["abstract"]
    assert not {"doi", "identifiers"} & set(citation)


def test_the_security_policy_supports_this_version_and_names_a_private_way():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    minor = pawsight.__version__.rpartition(".")[0]
    assert re.search(rf"^\| {re.escape(minor)} +\| yes \|$", text, re.M)
    assert "Report a vulnerability" in text
    assert all((ROOT / target).exists() for target in re.findall(r"\]\(([^)#:]+)\)", text))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_every_form_asks_for_what_doctor_says_and_that_paths_may_be_removed(path):
    (doctor,) = [part for part in read(path)["body"] if part.get("id") == "doctor"]
    assert "pawsight doctor --json" in doctor["attributes"]["label"]
    assert "remove" in doctor["attributes"]["description"]
    assert doctor["validations"]["required"] is (path.stem == "bug")


def test_there_is_a_form_for_bugs_features_and_questions_and_no_blank_issue():
    assert [path.stem for path in FORMS] == ["bug", "feature", "question"]
    assert read(".github/ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"] is False


def test_a_pull_request_is_asked_for_the_same():
    text = (ROOT / ".github/pull_request_template.md").read_text("utf-8")
    assert "pawsight doctor --json" in text
    assert "remove" in text
    assert "make check" in text


def test_dependabot_watches_python_npm_and_the_actions():
    updates = read(".github/dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions", "npm"}


def test_packages_that_tests_import_are_named_in_the_project():
    named = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared = {requirements.Requirement(text).name.lower() for texts in named for text in texts}
    imported = set()
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    packages = packages_distributions()  # of what is installed; the other names are the project's own modules
    missing = {
        name
        for name in imported - set(sys.stdlib_module_names) - {"pawsight"}
        if name in packages and declared.isdisjoint(package.lower().replace("_", "-") for package in packages[name])
    }
    assert not missing
