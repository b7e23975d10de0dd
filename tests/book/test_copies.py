"""No exercise asks for what the chapter has just printed: its solution is no copy, whatever the names.

A solution is code. Of its parts (expressions, assignments, calls), the largest that stand in a cell above with other names are
taken away; the share of the code that goes with them is what is copied.
"""

import ast
import copy
import re
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "source").glob("0*.md"))
KEPT = {"np", "fl", "tf", "tff"}  # modules; all other names are renamed
SMALLEST = 7  # nodes: anything smaller, x.max() - x.min(), is a word and no sentence
COPIED = 0.5  # of a solution; what only begins with a formula of the text copies less


def cells(text):
    """(tags, code) of every code cell of a source."""
    for cell in re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        options = re.match(r"(?::.*\n)*", cell)[0]
        yield re.findall(r"[\w-]+", " ".join(re.findall(r":tags: \[(.*?)\]", options))), cell[len(options) :]


class _Renamed(ast.NodeTransformer):
    def __init__(self):
        self.names = {}

    def _new(self, name):
        return name if name in KEPT or name in dir(__builtins__) else self.names.setdefault(name, f"v{len(self.names)}")

    def visit_Name(self, node):
        return ast.Name(self._new(node.id), ast.Load())

    def visit_arg(self, node):
        return ast.arg(self._new(node.arg))

    def visit_Attribute(self, node):
        """What a variable holds is as good as a variable: `line.messages`, `payloads`. A method or a function keeps its name."""
        if isinstance(node.value, ast.Name) and node.value.id not in KEPT and not getattr(node, "called", False):
            return ast.Name(self._new(ast.unparse(node)), ast.Load())
        return self.generic_visit(node)

    def visit_Call(self, node):
        node.func.called = True
        return self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.name, node.returns, node.decorator_list = "f", None, []
        return node


def renamed(node):
    """A part of a program as text in which only the order tells its names apart."""
    return ast.dump(_Renamed().visit(copy.deepcopy(node)))


def size(node):
    return sum(1 for part in ast.walk(node) if isinstance(part, (ast.expr, ast.stmt)))


def pieces(tree):
    """Every part of a program that is large enough to be a copy."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.expr, ast.stmt)) and size(node) >= SMALLEST:
            yield node


def inlined(body):
    """Statements without the names that only hold a value once: t = x / 2; return floor(t) is return floor(x / 2)."""
    body, place = [copy.deepcopy(statement) for statement in body], 0
    while place < len(body):
        statement = body[place]
        if isinstance(statement, ast.Assign) and isinstance(name := statement.targets[0], ast.Name):
            uses = [n for later in body[place + 1 :] for n in ast.walk(later) if isinstance(n, ast.Name) and n.id == name.id]
            if len(uses) == 1 and isinstance(uses[0].ctx, ast.Load):
                put = _Put(name.id, statement.value)
                body[place:] = [put.visit(later) for later in body[place + 1 :]]
                continue
        place += 1
    return body


class _Put(ast.NodeTransformer):
    def __init__(self, name, value):
        self.name, self.value = name, value

    def visit_Name(self, node):
        return self.value if node.id == self.name else node


def essential(tree, within=list):
    """What a solution does: the statements of its functions, its classes and its assignments, no assertions."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield from within(node.body)
        elif isinstance(node, (ast.Assign, ast.ClassDef)):
            yield node


def covered(node, printed):
    """Nodes of the largest parts that stand in `printed`."""
    if isinstance(node, (ast.expr, ast.stmt)) and size(node) >= SMALLEST and renamed(node) in printed:
        return size(node)
    return sum(covered(child, printed) for child in ast.iter_child_nodes(node))


def stands(tree):
    """What a reader has before her once she has read a cell: its parts, also with the names in between put in."""
    return {renamed(node) for form in (tree, ast.Module(inlined(tree.body), [])) for node in pieces(form)}


def share_copied(solution, printed):
    """Share of a solution's code that stands printed, under whatever names: 0 to 1."""
    shares = [0.0]
    for within in (list, inlined):  # as it stands, and without the names in between
        statements = [node for node in essential(solution, within) if not isinstance(node, (ast.Import, ast.ImportFrom))]
        if whole := sum(map(size, statements)):
            shares.append(sum(covered(node, printed) for node in statements) / whole)
    return max(shares)


def split(solution):
    """Each function of a solution cell by itself, then all that is assigned: a cell may hold two exercises."""
    functions = [node for node in solution.body if isinstance(node, ast.FunctionDef)]
    rest = [node for node in solution.body if isinstance(node, (ast.Assign, ast.ClassDef))]
    for part in [*([node] for node in functions), rest]:
        if part:
            yield ast.Module(part, [])


def copies(text):
    """(name, share) of every solution of a source that is a copy."""
    return [(name, share) for name, share in shares(text) if share > COPIED]


def shares(text):
    printed = set()
    for tags, code in cells(text):
        tree = ast.parse(code)
        if "solution" in tags:
            for part in split(tree):
                yield getattr(part.body[0], "name", ast.unparse(part)[:40]), share_copied(part, printed)
        else:  # the book's own solutions are folded; a reader who has not opened them has not seen them
            printed |= stands(tree)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_solution_stands_above_its_exercise(source):
    assert copies(source.read_text("utf8")) == []


def test_there_are_solutions_to_look_at():
    assert sum("solution" in tags for source in SOURCES for tags, _ in cells(source.read_text("utf8"))) > 15


# The test can fail

PRINTED = """
def Q(x, low, high, b):
    return np.floor((x - low) / (high - low) * (2**b - 1)).astype(int)


unit = np.argmax(np.abs(db))
image = dW[:, unit] / db[unit]
mean = w + np.mean([fl.decode(message) for message in messages], axis=0)
bits = {r: int(np.sum((gaps >> r) + 1 + r)) for r in (0, 1, 2)}
"""
COPIES = {
    "another function's body": "def mine(v, a, z, n):\n    return np.floor((v - a) / (z - a) * (2**n - 1)).astype(int)",
    "two statements as a function": (
        "def mine(kernel, bias):\n    best = np.argmax(np.abs(bias))\n    return kernel[:, best] / bias[best]"
    ),
    "one of a comprehension": "def mine(numbers, r):\n    return int(np.sum((numbers >> r) + 1 + r))",
    "in a wrapper": "def mine(numbers, r):\n    return float(np.sum((numbers >> r) + 1 + r))",
    "assigned first": "def mine(v, a, z, n):\n    t = (v - a) / (z - a) * (2**n - 1)\n    return np.floor(t).astype(int)",
    "what a variable holds": "def mine(all_of, n):\n    return n + np.mean([fl.decode(one) for one in all_of.parts], axis=0)",
    "no function": "answer = np.floor((y - p) / (q - p) * (2**k - 1)).astype(int)",
}
OWN = {
    "another function of it": "def mine(v, n):\n    if v.max() == v.min():\n        return np.zeros(v.shape)\n    return "
    "np.rint(v * n)",
    "a search": "def mine(g):\n    return min(range(32), key=lambda r: sum(v // 2**r + 1 + r for v in g.tolist()))",
    "another formula of the same letters": "def mine(x, low, high, b):\n    return np.ceil(x * (2**b - 1) / (low - high))",
}


def source(*cells):
    return "".join(f"```{{code-cell}} ipython3\n{cell}\n```\n\n" for cell in cells)


@pytest.mark.parametrize("name", COPIES)
def test_a_planted_copy_is_found(name):
    ((_, share),) = copies(source(PRINTED, f":tags: [solution]\n\n{COPIES[name]}"))
    assert share > COPIED
    assert copies(source(f":tags: [solution]\n\n{COPIES[name]}", PRINTED)) == [], "printed below it, it is no copy"


@pytest.mark.parametrize("name", OWN)
def test_what_takes_a_thought_of_its_own_is_no_copy(name):
    assert copies(source(PRINTED, f":tags: [solution]\n\n{OWN[name]}")) == []
