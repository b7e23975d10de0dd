"""What Binder makes of the repository: repo2docker's own detection, its steps followed in an environment of their own, and each
chapter run there, with the bytes and the memory that it takes.

repo2docker says what it would build (`--no-build`), and the steps are read from its Dockerfile. They are followed without Docker,
on this machine: not on Ubuntu 24.04 with conda's Python, Node.js and the libraries of `buildpack-deps`, whose bytes are not
counted either, but in a venv of the same Python version, which gets what the image's has beforehand from PyPI. Processes run as
whoever runs the tests; with the network that this machine has.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from fedlab_utils.book.chapters import BOOK

ROOT = Path(__file__).resolve().parents[1]
REPO2DOCKER = ROOT / ".venv-binder" / "bin" / "jupyter-repo2docker"
PLACE = ROOT / "build" / "binder"
REPO, ENV = PLACE / "repo", PLACE / "env"
LARGEST = 2.5e9  # bytes of the environment and the repository
# Bytes of a chapter's kernel and of what it starts: its own, which nothing can take from it, and with the pages of libraries that
# are in memory just now, 0.35 GB mostly of TensorFlow. mybinder.org gives 2 GB to all together, of which Jupyter takes 0.15.
MEMORY, RESIDENT = 1.6e9, 1.85e9
CONDA_NAMES = {"jupyterhub-singleuser": "jupyterhub"}  # PyPI's name, where it is another
pytestmark = pytest.mark.binder


def environment() -> dict[str, str]:
    """That of the image, where the repository is the home folder; what pip and certificates need here is this machine's."""
    theirs = ("PYTHON", "VIRTUAL", "JUPYTER", "FEDLAB", "TF_", "KERAS", "MPL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    path = os.pathsep.join([str(REPO / ".local" / "bin"), str(ENV / "bin"), os.environ["PATH"]])
    return kept | {"KERNEL_PYTHON_PREFIX": str(ENV), "REPO_DIR": str(REPO), "HOME": str(REPO), "PATH": path}


def run(command: str) -> None:
    done = subprocess.run(["bash", "-c", command], cwd=REPO, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def size(folder: Path) -> int:
    """Bytes on the disk, as `du` counts them: a file with several names once."""
    return 1024 * int(subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True).stdout.split()[0])


@pytest.fixture(scope="module")
def dockerfile():
    """What repo2docker would build of the last commit, and what it says on the way."""
    assert REPO2DOCKER.exists(), "make check-binder sets up repo2docker"
    shutil.rmtree(PLACE, ignore_errors=True)
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, REPO], check=True)
    command = [REPO2DOCKER, "--no-build", "--user-id", "1000", "--user-name", "jovyan", REPO]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def steps(dockerfile: str) -> list[str]:
    """What it runs once the repository is there."""
    _, after = re.split(r"^COPY .* src/ \$\{REPO_DIR\}/$", dockerfile, flags=re.M)
    return re.findall(r"^RUN (.*)$", after, re.M)


def beforehand(python: str) -> list[str]:
    """Requirements of what the image's environment has before the repository comes, where PyPI has it too."""
    (folder,) = (REPO2DOCKER.parents[1] / "lib").glob("python*/site-packages/repo2docker/buildpacks/conda")
    asked = re.findall(r"^- ([\w.-]+)", (folder / f"environment.py-{python}.yml").read_text("utf-8"), re.M)
    lock = (folder / f"environment.py-{python}-linux-64.lock").read_text("utf-8")
    versions = dict(re.findall(r"/([\w.-]+)-(\d[\w.]*)-[\w.]+\.(?:conda|tar\.bz2)\b", lock))
    other = ("conda-forge", "python", "nodejs", "pip")
    return [f"{CONDA_NAMES.get(name, name)}=={versions[name]}" for name in asked if name not in other]


@pytest.fixture(scope="module")
def built(dockerfile):
    """Both folders, made as the image is made."""
    text, said = dockerfile
    python = re.search(r"environment for python=(3\.\d+)$", said, re.M)[1]
    subprocess.run([f"python{python}", "-m", "venv", ENV], check=True)
    run(f"pip install --no-cache-dir {shlex.join(beforehand(python))}")
    for step in steps(text):
        run(step)


def test_repo2docker_finds_a_python_package_and_the_version_that_the_book_is_written_with(dockerfile):
    text, said = dockerfile
    version = (ROOT / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert f"environment for python={version}" in said and "unspecified" not in said
    assert steps(text) == [
        '${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "requirements.txt"',
        "${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir .",
        "chmod +x postBuild",
        "./postBuild",
    ]


def test_what_is_installed_agrees_with_what_the_image_had(built):
    """All but the pages of Jupyter Notebook, which wants its own, older JupyterLab: the book opens in JupyterLab."""
    done = subprocess.run([ENV / "bin" / "python", "-m", "pip", "check"], env=environment(), capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if not re.match(r"notebook \S+ has requirement jupyterlab", line)]
    assert said in ([], ["No broken requirements found."])


def test_the_package_there_is_that_of_the_repository(built):
    code = "import fedlab_utils, pathlib; assert pathlib.Path(fedlab_utils.__file__).is_relative_to(pathlib.Path.home())"
    run(f"cd / && python -c {shlex.quote(code)}")


def test_environment_and_repository_are_small_enough(built):
    sizes = {folder.name: size(folder) for folder in (ENV, REPO)}
    print({name: f"{value / 1e9:.2f} GB" for name, value in sizes.items()})
    assert 0.5e9 < sum(sizes.values()) < LARGEST


def test_jupyter_serves_the_readers_copies(built, dockerfile):
    """Started as the image starts it."""
    command = json.loads(re.search(r"^CMD (\[.*\])$", dockerfile[0], re.M)[1])
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    here = ["--ip", "127.0.0.1", f"--port={port}", "--no-browser", "--IdentityProvider.token="]
    root = ["--allow-root"] if os.getuid() == 0 else []
    with open(PLACE / "server.log", "wb") as log:
        server = subprocess.Popen([ENV / "bin" / command[0], command[1], *here, *root], cwd=REPO, env=environment(), stdout=log,
                                  stderr=log)  # fmt: skip
    try:
        address, found = f"http://127.0.0.1:{port}", {}
        for _ in range(120):
            with contextlib.suppress(OSError):
                found = json.load(urlopen(f"{address}/api/kernelspecs", timeout=5))["kernelspecs"]
                break
            time.sleep(0.5)
        assert set(found) >= {chapter.kernel for chapter in BOOK}
        for edition in ("zh", "en"):
            for chapter in BOOK:
                path = f"my/{edition}/{chapter.file}.ipynb"
                assert urlopen(f"{address}/lab/tree/{path}", timeout=30).status == 200
                assert json.load(urlopen(f"{address}/api/contents/{path}?content=0", timeout=30))["type"] == "notebook"
    finally:
        server.terminate()
        server.wait(20)


def memory_of(process: psutil.Process) -> tuple[int, int]:
    """Bytes of what a process has started: their own, and all that is resident (of one alone at its most, if that is more).

    A page that several hold is shared out among them, as Linux does in Pss: a process that has just been forked has nothing else.
    """
    own = resident = most = 0
    for child in process.children(recursive=True):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, KeyError):  # it has ended
            folder = Path(f"/proc/{child.pid}")
            said = (folder / "smaps_rollup").read_text("utf-8") + (folder / "status").read_text("utf-8")
            kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s*(\d+) kB$", said, re.M)}
            own += 1024 * (kilobytes["Pss_Anon"] + kilobytes["Pss_Shmem"])
            resident += 1024 * kilobytes["Pss"]
            most = max(most, 1024 * kilobytes["VmHWM"])
    return own, max(resident, most)


@pytest.mark.parametrize("chapter", [chapter.file for chapter in BOOK if chapter.kernel == "python3"])
def test_a_chapter_runs_there_and_fits(chapter, built):
    """Those on kernels of their own need environments that Binder has not: they say so. The kernels are tested elsewhere."""
    command = [ENV / "bin" / "jupyter", "execute", f"my/en/{chapter}.ipynb"]
    with open(PLACE / f"{chapter}.log", "wb") as log:
        process = psutil.Popen(command, cwd=REPO, env=environment(), stdout=log, stderr=log)
    own = resident = 0
    while process.poll() is None:
        now = memory_of(process)
        own, resident = max(own, now[0]), max(resident, now[1])
        time.sleep(0.05)
    assert process.returncode == 0, (PLACE / f"{chapter}.log").read_text("utf-8")[-3000:]
    print(f"{chapter}: {own / 1e9:.2f} GB of its own, {resident / 1e9:.2f} GB resident")
    assert 0.05e9 < own < MEMORY and own < resident < RESIDENT
