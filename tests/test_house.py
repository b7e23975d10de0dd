"""The house is as CONTRIBUTING.md draws it: who imports whom, how long a module is, what `import fedlab_utils` costs."""

import ast
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fedlab_utils"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
LINES = 300

# By wing: the wings beside itself that it may import, and the libraries. Modules that are in no folder count to a wing as well.
# Of engines, those that are made of classes of the engine: they are themselves imported at first use.
AT_ONCE = {"engines/flower_grid.py", "engines/flower_strategy.py"}
GROUND = {"layout", "streams", "theory", "validation", "language", "quantization", "sparsification", "waiting", "counting"}
METHODS = {"pruning", "distillation"}
ALLOWED = {
    "ground": (set(), {"numpy", "tqdm"}),
    "codecs": ({"ground"}, {"numpy", "constriction"}),
    "data": ({"ground"}, {"numpy", "PIL"}),
    "measuring": ({"ground", "codecs"}, {"numpy", "h5py", "tqdm"}),
    "__main__": ({"measuring", "book"}, set()),
    "training": ({"ground"}, {"numpy", "tensorflow", "keras"}),
    "federation": ({"ground", "codecs", "measuring", "training", "data"}, {"numpy", "tqdm"}),
    "methods": ({"ground", "codecs", "training", "data"}, {"numpy"}),
    "engines": (
        {"ground", "codecs", "measuring", "training", "data", "federation"},
        {"numpy", "tensorflow", "tensorflow_federated", "psutil", "flwr", "cryptography"},
    ),
    "book": (
        {"ground", "codecs", "measuring", "training", "data", "federation", "methods", "engines"},
        {"numpy", "matplotlib", "PIL", "ipywidgets", "IPython", "tqdm"},
    ),
}


def wing(module: str) -> str:
    """The wing of a module, given by its path in the package, "codecs/wire.py", or by its name, "codecs.wire"."""
    first = module.removesuffix(".py").replace("/", ".").split(".")[0]
    return "ground" if first in GROUND else "methods" if first in METHODS else first


def imports(module: str, source: str) -> list[tuple[str, str, bool]]:
    """All that a module imports: ("wing" or "library", its name, whether inside a function), however deep it stands."""
    inside = PACKAGE.name + "."
    package = [PACKAGE.name, *module.split("/")[:-1]]
    found = []

    def note(name: str, lazy: bool) -> None:
        if name.startswith(inside):
            found.append(("wing", wing(name.removeprefix(inside)), lazy))
        elif name == PACKAGE.name:
            found.append(("wing", "the package as a whole", lazy))
        elif (top := name.split(".")[0]) not in sys.stdlib_module_names:
            found.append(("library", top, lazy))

    def visit(node: ast.AST, lazy: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                note(alias.name, lazy)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from . import codecs` names a module, `from .codecs import decode` what is in it
                note(f"{start}.{alias.name}", lazy)
        for child in ast.iter_child_nodes(node):
            visit(child, lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    visit(ast.parse(source), False)
    return found


def faults(module: str, source: str) -> list[str]:
    """What a module imports and may not."""
    own = wing(module)
    wings, libraries = ALLOWED[own]
    said = []
    for kind, name, lazy in imports(module, source):
        allowed = name in (wings | {own} if kind == "wing" else libraries)
        if not allowed:
            said.append(f"{module}, of {own}, imports {name}: allowed are {', '.join(sorted(wings | libraries))}")
        elif own == "engines" and kind == "library" and name != "numpy" and not lazy and module not in AT_ONCE:
            said.append(f"{module} imports {name} at once: an engine's library is imported inside a function, at its first use")
    return said


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__init__.py"])
def test_no_arrow_runs_up(module):
    assert faults(module, (PACKAGE / module).read_text("utf-8")) == []


def test_the_package_itself_imports_only_what_is_quick():
    found = {(kind, name) for kind, name, lazy in imports("__init__.py", (PACKAGE / "__init__.py").read_text("utf-8"))}
    assert found <= {("wing", name) for name in ("ground", "codecs")}, "what trains, draws or reads is looked up by name"


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("codecs/rice.py", "from ..training.models import keras"),
        ("codecs/rice.py", "def late():\n    from ..federation import simulate"),
        ("theory.py", "from .codecs import decode"),
        ("theory.py", "from . import codecs"),
        ("data/mnist.py", "import fedlab_utils.book.plotting"),
        ("federation/privacy.py", "from fedlab_utils import book"),
        ("training/models.py", "if TYPE_CHECKING:\n    from ..data import Dataset"),
        ("data/mnist.py", "import tensorflow as tf"),
        ("engines/tff.py", "import tensorflow_federated as tff"),
        ("book/plotting.py", "import fedlab_utils as fl"),
    ],
)
def test_an_arrow_up_is_seen(module, line):
    assert len(faults(module, line)) == 1


def test_every_wing_is_in_the_table_and_every_entry_has_a_module():
    assert {wing(module) for module in MODULES if module != "__init__.py"} == set(ALLOWED)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_read_in_ten_minutes(module):
    assert len((PACKAGE / module).read_text("utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("module", [module for module in MODULES if not module.endswith("__init__.py")])
def test_no_file_only_passes_names_on(module):
    body = ast.parse((PACKAGE / module).read_text("utf-8")).body
    passing = (ast.Import, ast.ImportFrom, ast.Expr)
    own = [node for node in body if not isinstance(node, passing) and "__all__" not in ast.unparse(node).split(" = ")[0]]
    assert own, "let those who need a name import it from where it is defined"


def untyped(source: str) -> list[str]:
    """Public functions, and public methods of public classes, that leave out the type of an argument or of the result."""
    missing = []

    def visit(node: ast.AST, owner: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.ClassDef, ast.If)):
                visit(child, f"{owner}{child.name}." if isinstance(child, ast.ClassDef) else owner)
            elif isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
                given = child.args
                arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
                if child.returns is None or any(a.annotation is None and a.arg not in ("self", "cls") for a in arguments):
                    missing.append(owner + child.name)

    visit(ast.parse(source), "")
    return missing


@pytest.mark.parametrize("module", MODULES)
def test_public_functions_say_their_types(module):
    assert untyped((PACKAGE / module).read_text("utf-8")) == []


def test_a_function_without_types_is_seen():
    assert untyped("def f(x: int): ...\nclass A:\n    def g(self, y) -> int: ...\n    def _h(self, z): ...") == ["f", "A.g"]


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=PACKAGE.parent).stdout


def test_importing_the_package_takes_numpy_and_nothing_else_of_size():
    listed = "import sys, numpy; {}; print(*(name for name in sys.modules if not name.startswith(('fedlab_utils', 'numpy'))))"
    before, after = (set(in_a_new_process(listed.format(line)).split()) for line in ("pass", "import fedlab_utils"))
    assert after - before <= {"__future__", "_bisect", "bisect", "zlib"}
    assert "fedlab_utils.codecs" in in_a_new_process("import sys, fedlab_utils; print(*sys.modules)").split()


def test_flower_s_front_door_opens_without_flower_and_without_tensorflow():
    modules = in_a_new_process("import sys, fedlab_utils as fl; fl.flower.Plan(); print(*sys.modules)").split()
    assert "fedlab_utils.engines.flower" in modules and {"flwr", "tensorflow", "keras"}.isdisjoint(modules)


def test_importing_the_package_takes_little_longer_than_numpy():
    # Seconds of the processor, not of the clock, and the least of three in turns: a busy machine changes them little.
    spent = "import time; before = time.process_time(); import {}; print(time.process_time() - before)"
    seconds = {name: [] for name in ("numpy", PACKAGE.name)}
    for _ in range(3):
        for name, measured in seconds.items():
            measured.append(float(in_a_new_process(spent.format(name))))
    assert min(seconds[PACKAGE.name]) < 1.6 * min(seconds["numpy"])


# Private attributes of other libraries


NAMED_TUPLE = {"_replace", "_fields", "_asdict", "_make"}  # documented; the underscore keeps them apart from fields
TFF = {"engines/tff.py": ["_encoders_for_value_type"]}  # of a library that will have no other version; the module says why


def foreign_privates(source, own):
    """Names with a leading underscore that a module reads from objects and the package defines nowhere itself."""
    tree = ast.parse(source)
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    read |= {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr", "hasattr")
        and len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
    }  # fmt: skip
    return sorted(name for name in read - own - NAMED_TUPLE if name.startswith("_") and not name.startswith("__"))


@cache
def names_of_our_own():
    own = set()
    for module in MODULES:
        for node in ast.walk(ast.parse((PACKAGE / module).read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                own.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
                own |= {node.attr} if node.value.id in ("self", "cls") else set()
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
    return own


PRIVATE = "training/keras_private.py"  # says which, and why


@pytest.mark.parametrize("module", [module for module in MODULES if module != PRIVATE])
def test_no_private_attribute_of_another_library_is_touched(module):
    assert foreign_privates((PACKAGE / module).read_text("utf-8"), names_of_our_own()) == TFF.get(module, [])


def test_private_attributes_are_found_and_the_one_module_names_those_that_it_touches():
    text = (PACKAGE / PRIVATE).read_text("utf-8")
    touched = foreign_privates(text, names_of_our_own())
    assert touched == ["_flatten_layers", "_keras_mask"] and "_var_key" in text
    assert all(f"{name}" in ast.get_docstring(ast.parse(text)) for name in (*touched, "_var_key"))
    assert foreign_privates("model._functional\ngetattr(x, '_made_up')", names_of_our_own()) == ["_functional", "_made_up"]


def test_what_benchmarks_look_for_in_the_package_is_there():
    """A module that has moved would make an engine's environment look incomplete, and nobody runs all engines every day."""
    modules = runpy.run_path(str(PACKAGE.parent / "benchmarks" / "environments.py"))["MODULES"]
    ours = [name for names in modules.values() for name in names if name.startswith(PACKAGE.name)]
    assert ours and all((PACKAGE.parent / name.replace(".", "/")).with_suffix(".py").exists() for name in ours)
