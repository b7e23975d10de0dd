"""Mutation check: of the faults that cosmic-ray can make in the package, a random sample; how many do the tests notice?

By hand, from the repository's root, in an environment of its own for the tool; the tests run in the package's:

    python3.11 -m venv .venv-mutants
    .venv-mutants/bin/python -m pip install cosmic-ray==8.7.0
    .venv-mutants/bin/python tests/mutation.py mutants.jsonl

A line of mutants.jsonl is a mutant and what became of it. A run that was interrupted goes on where it was; `--survivors` tries
those again that no test noticed, after new ones have been written. Where the package has changed since, the sample is another
one: results are taken for those mutants only whose line reads as it did. Mutants are made in a copy, never in this tree. All
of cosmic-ray's operators are used; left out are only mutants that are no Python, or that differ in nothing but annotations,
which nobody evaluates.
"""

import argparse
import ast
import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from cosmic_ray.commands.init import _all_work_items
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.testing import run_tests

ROOT = Path(__file__).resolve().parents[1]
SEED = 11
# Of each part: its modules, how many mutants, and the seconds of CPU that the tests may take.
PARTS = {
    "codecs": ("fedlab_utils/codecs", 90, 200),
    "exercises": ("fedlab_utils/book/exercises", 50, 200),
    "federation": ("fedlab_utils/federation", 60, 700),
}
# The tests that are to notice a mutant, of its module or else of its part: calls of pytest, the likeliest and cheapest
# first, {own} those that the module has alone. Apps, figures and studies over seeds are left out: slow, and not about it.
CHECKERS = '-k "checker or stub or wrong or right or question or both_ways or image_from or average" tests/book/'
ALL_BUT_STUDIES = '-k "not percent and not seeds and not gains and not teachers" '
ACCOUNT = '-k "answer or divergence or frozen or held_out or history or seconds or server" tests/training/test_training.py'
TESTS = {
    "codecs": ["tests/codecs/test_golden.py", "tests/codecs/test_table.py {own} tests/codecs"],
    "exercises": ["tests/book/test_exercises.py", CHECKERS + "test_practice.py"],
    "exercises/algorithms": [CHECKERS + "test_algorithms.py", "tests/book/test_exercises.py"],
    "exercises/background": [CHECKERS + "test_background.py", "tests/book/test_exercises.py"],
    "exercises/concepts": [CHECKERS + "test_concepts.py", "tests/book/test_exercises.py"],
    "exercises/flower": ["tests/book/test_flower_chapter.py", "tests/book/test_exercises.py"],
    "exercises/tff": ["tests/engines/test_tff.py", "tests/book/test_exercises.py"],
    "federation": [ALL_BUT_STUDIES + "tests/federation", ACCOUNT],
    "federation/baselines": ["-k alone tests/book/test_concepts.py"],
    "federation/privacy": [
        '-k "gradient or training or image or candidates or similarity or input" tests/book/test_background.py'
    ],
    "federation/account": [ALL_BUT_STUDIES + "tests/federation", ACCOUNT, "-k federation tests/test_pruning.py"],
    "federation/history": [ACCOUNT, ALL_BUT_STUDIES + "tests/federation"],
    "federation/vertical": [
        '-k "gradients or bytes_both or learnt or joined or vertical or constant_column" tests/book/test_concepts.py'
    ],
}
# Appended to the copy's conftest.py: an example that fails is enough, hypothesis need not look for the smallest one.
NO_SHRINKING = """
from hypothesis import Phase
settings.register_profile("mutants", settings.get_profile("fedlab"), phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile("mutants")
"""


class _WithoutAnnotations(ast.NodeTransformer):
    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def meaning(source):
    """The syntax tree without annotations, as text; None of what is no Python (of `*args` cosmic-ray makes `&args`)."""
    try:
        return ast.dump(_WithoutAnnotations().visit(ast.parse(source)))
    except SyntaxError:
        return None


def sample(part):
    """The mutants of a part, drawn with SEED: a dict and the mutated source each."""
    folder, count, _ = PARTS[part]
    modules = sorted(path for path in (ROOT / folder).rglob("*.py"))
    mutants = [item.mutations[0] for item in _all_work_items(modules, {})]
    mutants.sort(key=lambda m: (str(m.module_path), m.operator_name, m.occurrence))
    random.Random(f"{part} {SEED}").shuffle(mutants)
    drawn = []
    for mutant in mutants:
        source = Path(mutant.module_path).read_text(encoding="utf-8")
        mutated = mutate_code(source, get_operator(mutant.operator_name)(), mutant.occurrence)
        if meaning(mutated) in (None, meaning(source)):
            continue
        name = {
            "part": part,
            "module": Path(mutant.module_path).relative_to(ROOT).as_posix(),
            "line": mutant.start_pos[0],
            "operator": mutant.operator_name.removeprefix("core/"),
            "occurrence": mutant.occurrence,
        }
        drawn.append((name, mutated))
        if len(drawn) == count:
            break
    print(f"{part}: {len(drawn)} of {len(mutants)} mutants")
    return drawn


def copy_of_the_tree(folder):
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    with (folder / "tests/conftest.py").open("a", encoding="utf-8") as file:
        file.write(NO_SHRINKING)


def tried(mutant, mutated, copy, python):
    """What became of a mutant: "caught", "timeout" or "survived"; its own tests run first, all until the first failure."""
    part, module, seconds = mutant["part"], Path(mutant["module"]), PARTS[mutant["part"]][2]
    own = f"tests/{part}/test_{module.stem}.py"
    own = own if (copy / own).exists() else ""
    pytest = f'{python} -m pytest -xq -p no:cacheprovider -m "not browser and not site and not tff and not flower" '
    tests = " && ".join(pytest + tests.format(own=own) for tests in TESTS.get(f"{part}/{module.stem}", TESTS[part]))
    command = f"sh -c 'ulimit -t {seconds}; cd {copy}; export PYTHONPATH={copy}; {tests}'"
    file = copy / mutant["module"]
    original = file.read_text(encoding="utf-8")
    file.write_text(mutated, encoding="utf-8")
    try:
        outcome, output = run_tests(command, 20 * seconds)
    finally:
        file.write_text(original, encoding="utf-8")
    if outcome.name == "INCOMPETENT":
        raise RuntimeError(output)
    if outcome.name == "SURVIVED":
        return "survived", ""
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return ("caught", failed[0]) if failed else ("timeout", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--survivors", action="store_true", help="try those again that survived")
    parser.add_argument("--python", default=str(ROOT / ".venv/bin/python"), help="of the package's environment")
    arguments = parser.parse_args()
    known = {}
    if arguments.results.exists():
        for line in arguments.results.read_text(encoding="utf-8").splitlines():
            result = json.loads(line)
            known[result["module"], result["operator"], result["occurrence"], result["was"], *result["is"]] = result
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_of_the_tree(copy)
        for part in arguments.parts:
            results = []
            for mutant, mutated in sample(part):
                line = slice(mutant["line"] - 1, mutant["line"])
                (was,) = (copy / mutant["module"]).read_text(encoding="utf-8").splitlines()[line]
                changed = mutated.splitlines()[line]
                result = known.get((mutant["module"], mutant["operator"], mutant["occurrence"], was, *changed))
                if result is None or (arguments.survivors and result["outcome"] == "survived"):
                    outcome, by = tried(mutant, mutated, copy, arguments.python)
                    result = {**mutant, "was": was, "is": changed, "outcome": outcome, "by": by}
                    with arguments.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(result, ensure_ascii=False) + "\n")
                    print(outcome, result["module"], result["line"], result["operator"], *result["is"], flush=True)
                results.append(result["outcome"])
            caught = len(results) - results.count("survived")
            print(f"{part}: {caught} of {len(results)} caught, {caught / len(results):.0%}", flush=True)


if __name__ == "__main__":
    main()
