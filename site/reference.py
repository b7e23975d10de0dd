"""The reference of the public names, `fl.…`, as pages: signatures and docstrings are read from the source, nothing is run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
TITLES = {
    "en": ("The package", "Every public name of `import fedlab_utils as fl`, with its signature and what its docstring says: "
           "shapes, units, and what is raised.", "Modules", "Back to [the package](api.md)."),
    "zh": ("工具包参考",
           "`import fedlab_utils as fl` 的全部公开名称：签名和文档字符串（英文）写明形状、单位，以及什么情况下报错。",
           "模块", "回到[工具包参考](api.md)。"),
}  # fmt: skip
GROUPS = (  # the wings that hold the names that stand in `fl` itself
    ("codecs", ("Codecs", "编解码器")),
    ("quantization", ("Formula 4.1", "公式 4.1")),
    ("sparsification", ("Formula 4.2", "公式 4.2")),
    ("theory", ("Error and cost", "误差与成本")),
    ("data", ("Data", "数据")),
    ("federation", ("Federated training", "联邦训练")),
    ("measuring", ("Bytes for a model of your own", "你自己的模型要多少字节")),
    ("book", ("The book", "书")),
)


def names() -> tuple[dict[str, str], dict[str, str]]:
    """Where each public name lives, and each public module: by name, its path in the package, as `__init__` says."""
    tree = ast.parse((ROOT / "fedlab_utils" / "__init__.py").read_text("utf-8"))
    told: dict[str, dict[str, str]] = {}
    at_once: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id in ("_NAMES", "_MODULES"):  # type: ignore[attr-defined]
            told[node.targets[0].id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
        elif isinstance(node, ast.ImportFrom) and node.level:
            at_once |= {alias.name: node.module for alias in node.names}  # type: ignore[misc]
    return at_once | told["_NAMES"], told["_MODULES"]


def prose(docstring: str) -> str:
    """A docstring as Markdown: what is no code in it means nothing but itself."""
    lines = []
    for line in docstring.split("\n"):
        parts = line.split("`")
        if not line.startswith("    "):
            parts[::2] = [re.sub(r"([\\*_$<\[\]{}])", r"\\\1", part) for part in parts[::2]]
        lines.append("`".join(parts))
    return "\n".join(lines)


def entry(name: str, found: griffe.Object, depth: int = 0) -> str:
    """One function or class, with its public methods, as directives of Sphinx's Python domain."""
    fence = ":" * (6 - depth)
    kind = {"class": "class", "function": "method" if depth else "function"}.get(found.kind.value)
    if kind is None:
        return ""
    about = prose(found.docstring.value) if found.docstring else ""
    if found.kind.value == "class":
        made = "__init__" in found.all_members or "dataclass" in found.labels
        signature = found.signature().removeprefix(found.name) if made else ""
        inner = "".join(
            entry(member.name, member, depth + 1)
            for member in found.members.values()
            if not member.is_alias and member.is_function and not member.name.startswith("_") and member.docstring
        )
    else:
        signature = found.signature().removeprefix(found.name)
        if depth:
            signature = re.sub(r"^\((?:self|cls)(?:, )?", "(", signature)
        inner = ""
    signature = " ".join(signature.split())
    return f"{fence}{{py:{kind}}} {name}{signature}\n\n{about}\n\n{inner}{fence}\n\n"


def write(language: str, source: Path) -> None:
    """Write api.md, and a page for each module that is a public name. ValueError where a name belongs to no group."""
    package = griffe.load("fedlab_utils", search_paths=[ROOT])
    title, about, modules_title, back = TITLES[language]
    flat, modules = names()

    def resolve(path: str) -> griffe.Object:
        found = package[path]
        return found.final_target if found.is_alias else found

    def described(name: str, found: griffe.Object) -> str:
        """What it is, or, where that stands already under another name, a link to it."""
        if found.path in stands:
            return f"- {{py:obj}}`{stands[found.path]}`\n"
        if text := entry(name, found):
            stands[found.path] = name
        return text

    stands: dict[str, str] = {}  # by path in the package, the public name that a thing is described under
    page, left = [f"# {title}\n\n{about}\n"], dict(flat)
    for wing, words in GROUPS:
        here = [name for name, path in flat.items() if path.split(".")[0] == wing]
        page.append(f"## {words[language == 'zh']}\n")
        page += [described(f"fl.{name}", resolve(f"{left.pop(name)}.{name}")) for name in here]
    if left:
        raise ValueError(f"{', '.join(left)}: public names of wings that GROUPS in {Path(__file__).name} does not name")
    page.append(f"## {modules_title}\n")
    for name, path in sorted(modules.items()):
        module = resolve(path)
        about_module = prose(module.docstring.value.split("\n\n")[0]).replace("\n", " ") if module.docstring else ""
        page.append(f"- [`fl.{name}`](api_{name}.md): {about_module}")
        text = [f"# `fl.{name}`\n\n{back}\n\n{prose(module.docstring.value) if module.docstring else ''}\n"]
        for member, found in module.members.items():
            own = not found.is_alias or (module.is_init_module and found.target_path.startswith("fedlab_utils."))
            if own and not member.startswith("_"):
                text.append(described(f"fl.{name}.{member}", found.final_target if found.is_alias else found))
        (source / f"api_{name}.md").write_text("\n".join(text), "utf-8")
    hidden = "\n".join(f"api_{name}" for name in sorted(modules))
    page.append(f"\n:::{{toctree}}\n:hidden:\n\n{hidden}\n:::\n")
    (source / "api.md").write_text("\n".join(page), "utf-8")
