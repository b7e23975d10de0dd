# Each target sets up what it needs, in .venv. "make help" says more.

# Lab and tests use one Python, the first of these that runs, is 3.11 to 3.13 and can make a venv.
PYTHONS = python3.11 python3.12 python3.13 python3
USABLE = import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
EDITION ?= $(if $(filter zh%,$(or $(LC_ALL),$(LANG))),zh,en)

# In a container one is root; Jupyter would refuse to start and ask for this flag.
AS_ROOT = $(if $(filter 0,$(shell id -u 2>/dev/null)),--allow-root)

.PHONY: lab test notebooks help

# The reader works in copies, in my/: updating the book never meets her changes.
lab: .venv/.installed
	@.venv/bin/python -m fedlab_utils.bookshelf $(EDITION)
	.venv/bin/python -m jupyterlab $(AS_ROOT) --ServerApp.root_dir="$(CURDIR)" $(LAB_ARGS) my/$(EDITION)/00_start.ipynb

test: .venv/.installed
	.venv/bin/python -m ruff check
	.venv/bin/python -m pytest -m "not browser" --nbval tests notebooks/en notebooks/zh

notebooks: .venv/.installed
	.venv/bin/python notebooks/build.py

help:
	@echo 'make lab                open your copy of the book, in my/, in JupyterLab; EDITION=zh or en (now: $(EDITION)),'
	@echo '                        LAB_ARGS for more flags, such as LAB_ARGS="--no-browser --port 8899"'
	@echo 'make test               lint, tests, and every notebook against its outputs'
	@echo 'make notebooks          build both editions from notebooks/source and execute them'
	@echo 'The first call makes .venv; PYTHONS=/path/to/python3.12 chooses its Python.'

# The stamp holds the folder that .venv was made for. A copied or moved tree, whose .venv would still run the package of
# the old place, gets a new .venv, and so does one whose Python was removed.
VENV = $(shell test -x .venv/bin/python && grep -qsxF '$(CURDIR)' .venv/.installed || echo venv)

.PHONY: venv
venv:
	@for p in $(PYTHONS); do \
	    $$p -c '$(USABLE)' 2>/dev/null || continue; \
	    echo "Making .venv with $$p ($$($$p --version))."; \
	    exec $$p -m venv --clear .venv; \
	done; \
	echo 'Python 3.11, 3.12 or 3.13 with its venv module is needed, and none of these is one: $(PYTHONS).' \
	    'On Debian and Ubuntu: apt install python3-venv. Elsewhere: make PYTHONS=/path/to/python3.12' >&2; exit 1

.venv/.installed: $(VENV) requirements.txt pyproject.toml jupyter/overrides.json
	@echo 'Installing what requirements.txt lists into .venv. The first time this takes a minute or more.'
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps -e .
	@echo '$(CURDIR)' >$@
