"""Installed, not cloned: what a wheel in an empty folder does, and what the distributions hold."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging_files import ROOT, Installed, build_and_install

pytestmark = pytest.mark.program

DEPLOYED = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "deploy").rglob("*")) if path.suffix != ".pyc"
            and path.is_file()]  # fmt: skip
MOST_MB = 150
"""Of everything that `pip install wps-load` brings, unpacked."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return build_and_install(tmp_path_factory.mktemp("packaging"))


def test_the_first_command_of_an_empty_folder(installed: Installed) -> None:
    done = installed.program("run", "echo", "-u", "10", "-t", "3s", "--wps-slo", "loss = 0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verdict: pass (EMULATOR)" in done.stderr
    (report,) = installed.folder.glob("reports/*-echo/report.html")
    assert str(report.relative_to(installed.folder)) in done.stderr
    assert "Response time percentiles" not in done.stdout + done.stderr  # no table of Locust's


def test_init_writes_the_files_of_the_checkout_and_locust_runs_them(installed: Installed) -> None:
    folder = installed.folder / "mine"
    done = installed.program("init", str(folder))
    assert done.returncode == 0, done.stderr
    assert (folder / "locustfile.py").read_text() == (ROOT / "locustfile.py").read_text()
    written = {path.name: path.read_text() for path in (folder / "configs").iterdir()}
    assert written == {path.name: path.read_text() for path in (ROOT / "configs").iterdir()}
    run = installed.python("-m", "locust", "-f", str(folder / "locustfile.py"), "--list")
    assert "WebPubSubLoad" in run.stdout, run.stderr
    # the package that it runs is the wheel's
    where = installed.python("-c", "import wps_load; print(wps_load.__file__)").stdout
    assert Path(where.strip()).is_relative_to(installed.packages)


def test_what_is_wrong_is_one_sentence(installed: Installed) -> None:
    done = installed.program("run", "ecoh")
    assert done.returncode == 2
    assert done.stderr.startswith("wps-load run: SCENARIO 'ecoh': did you mean echo? One of big-group, ")
    assert done.stderr.count("\n") == 1
    bad = installed.program("run", "echo", "--nonsense=AccessKey=hunter2;")
    assert bad.returncode == 2
    assert bad.stderr.startswith("wps-load run: error: unrecognized arguments: --nonsense")
    assert "hunter2" not in bad.stderr


def test_an_index_takes_the_distributions(installed: Installed) -> None:
    done = installed.python("-m", "twine", "check", "--strict", str(installed.wheel), str(installed.sdist))
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_of_the_readme_hold_on_an_index(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        text = wheel.read(name).decode()
        assert not any(name.startswith(("tests/", "benchmarks/")) for name in wheel.namelist())
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    assert [link for _, link in links if not link.startswith(("https://", "#"))] == []
    (picture,) = (link for mark, link in links if mark)
    home, _, path = picture.partition("/raw/main/")
    assert f"Project-URL: Repository, {home}\n" in text
    assert (ROOT / path).is_file()
    for _, link in links:
        if link.startswith(f"{home}/blob/main/"):
            assert (ROOT / link.removeprefix(f"{home}/blob/main/").partition("#")[0]).exists(), link


def test_the_source_distribution_can_test_itself(installed: Installed, tmp_path: Path) -> None:
    with tarfile.open(installed.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    lacking = [name for name in (".dockerignore", *DEPLOYED) if not (source / name).is_file()]
    assert lacking == [], "an image can be built from it"
    quick = ("tests/test_config.py", "tests/test_ready_files.py", "tests/measure/test_stamp.py")
    done = installed.python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(source / name) for name in quick), PYTHONPATH=str(source)
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_user_installs_is_light() -> None:
    needed: dict[str, Distribution] = {}
    waiting = ["wps-load"]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        try:
            needed[name] = distribution(name)
        except PackageNotFoundError:
            continue  # of another system, or another Python
        for text in needed[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name.lower())
    sizes = {name: sum(_size(file.locate()) for file in found.files or ()) for name, found in needed.items()}
    heaviest = sorted(sizes.items(), key=lambda each: -each[1])[:5]
    assert {"locust", "orjson", "aiohttp"} <= set(needed)
    assert sum(sizes.values()) < MOST_MB * 1e6, heaviest


def _size(path: object) -> int:
    file = Path(str(path))
    return file.stat().st_size if file.is_file() and file.suffix != ".pyc" else 0


def test_python_versions_are_those_of_the_workflow() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = [line.rpartition(" :: ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert [f'"{version}"' in workflow for version in told] == [True] * len(told)
    assert project["requires-python"] == f">={told[0]}"
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in told
