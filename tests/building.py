"""notebooks/build.py as a module, and the editions that it builds."""

import importlib.util
from pathlib import Path

from fedlab_utils.book import chapters

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SPEC = importlib.util.spec_from_file_location("notebooks_build", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

CHAPTERS = [chapter.file for chapter in chapters.BOOK]
EDITIONS = [(language, chapter) for language in build.LANGUAGES for chapter in CHAPTERS]
