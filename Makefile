# Each target sets up what it needs, in .venv. "make help" says more.

# Lab and tests use one Python, the first of these that runs, is 3.11 to 3.13 and can make a venv.
PYTHONS = python3.11 python3.12 python3.13 python3
USABLE = import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
EDITION ?= $(if $(filter zh%,$(or $(LC_ALL),$(LANG))),zh,en)

# Some machines forbid Python to keep what it has compiled: every kernel and every worker would compile TensorFlow anew.
unexport PYTHONDONTWRITEBYTECODE

# In a container one is root; Jupyter would refuse to start and ask for this flag.
AS_ROOT = $(if $(filter 0,$(shell id -u 2>/dev/null)),--allow-root)

.PHONY: lab student quick test notebooks studies results results-quick fuzz mutants tff test-tff flower-env flower flower-deploy test-flower site test-site check-binder test-apps bench update help

# The reader works in copies, in my/: updating the book never meets her changes.
lab: .venv/.installed
	@.venv/bin/python -m fedlab_utils.book.bookshelf $(EDITION)
	.venv/bin/python -m jupyterlab $(AS_ROOT) --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/my/$(EDITION)/00_start.ipynb $(LAB_ARGS)

# Chapters to hand out, without solutions and answers.
student: .venv/.installed
	.venv/bin/python -m fedlab_utils.book.student $(EDITION) student/$(EDITION)

# What needs no TensorFlow, for between two thoughts. Which tests these are stands in tests/quick.txt, for all systems.
quick: .venv/.dev
	.venv/bin/python -m ruff check
	.venv/bin/python -m mypy
	.venv/bin/python -m pytest @tests/quick.txt

# --nbval compares every output; the weekly workflow, with other versions of everything, runs the cells only: --nbval-lax.
# Of a picture it compares the words that stand for it, not the pixels, which differ by machine.
NBVAL = --nbval --nbval-sanitize-with tests/nbval.ini
# Two workers on two cores: one thread of TensorFlow each.
test: export TF_NUM_INTRAOP_THREADS = 1
test: export TF_NUM_INTEROP_THREADS = 1
test: .venv/.dev
	.venv/bin/python -m ruff check
	.venv/bin/python -m mypy
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not browser and not site and not binder and not tff and not flower" \
	    $(NBVAL) --ignore-glob="*_tff.ipynb" --ignore-glob="*_flower.ipynb" notebooks/en notebooks/zh tests

notebooks: .venv/.dev
	.venv/bin/python notebooks/build.py

# Long runs whose tables stand in data/results. make test trains one seed of each setting of trainings.csv again.
studies: .venv/.dev
	.venv/bin/python data/results/trainings.py
	.venv/bin/python data/results/pruning.py

# Classic results of the field beside ours, and the fewest bytes to 97 %: data/results/classics.csv, bytes_to_97.csv. From the
# beginning; the first, when stopped, goes on where it was.
results: .venv/.dev
	.venv/bin/python data/results/classics.py
	.venv/bin/python data/results/bytes_to_97.py

# A part of it, with one seed, against the table: fails where a value lies outside the spread. make test holds the same slice.
results-quick: .venv/.dev
	.venv/bin/python data/results/classics.py --quick

# What decodes bytes, against 100,000 payloads that no encoder wrote: two minutes. quick and test take 5,000 of them.
fuzz: .venv/.dev
	FEDLAB_FUZZ=100000 .venv/bin/python -m pytest -q -p no:nbval -n 2 tests/codecs/test_fuzzing.py

# Faults that a tool plants, and whether a test notices: half a day; a run that was stopped goes on where it was.
mutants: .venv/.dev
	@test -x .venv-mutants/bin/python || .venv/bin/python -m venv .venv-mutants
	.venv-mutants/bin/python -m pip install -qq --disable-pip-version-check cosmic-ray==8.7.0
	.venv-mutants/bin/python tests/mutation.py mutants.jsonl

# TensorFlow Federated needs a Python and a TensorFlow of its own. The kernel "fedlab-tff" is installed with the book.
tff: .venv/.installed .venv-tff/.installed

test-tff: tff .venv/.dev
	.venv/bin/python -m pytest -m tff tests
	.venv/bin/python -m pytest $(NBVAL) notebooks/*/*_tff.ipynb

# Flower has an environment of its own as well: its packages do not resolve beside JupyterLab's. So does its kernel, "fedlab-flower".
flower-env: .venv-flower/.installed

flower: flower-env
	.venv-flower/bin/python -m fedlab_utils.engines.flower_run simulation $(FLOWER_ARGS)

flower-deploy: flower-env
	.venv-flower/bin/python -m fedlab_utils.engines.flower_run deployment $(FLOWER_ARGS)

test-flower: flower-env .venv/.dev
	.venv-flower/bin/python -m pytest -m flower $(addprefix tests/engines/test_,kernels.py flower.py flower_runs.py flower_deploy.py) \
	    tests/book/test_flower_chapter.py
	.venv/bin/python -m pytest $(NBVAL) notebooks/*/*_flower.ipynb

# The book as pages, both languages, into build/site: nothing is fetched but what .venv-site and node_modules are made of.
# FEDLAB_SITE_REPOSITORY=https://github.com/owner/name adds launch buttons.
site: .venv-site/.installed node_modules/.package-lock.json
	.venv-site/bin/python site/build.py

test-site: site .venv/.dev
	.venv/bin/python -m pytest -m site tests/site

# What Binder makes of the last commit: repo2docker says what it would build, the steps are followed without Docker.
check-binder: .venv/.dev
	@test -x .venv-binder/bin/jupyter-repo2docker || .venv/bin/python -m venv .venv-binder
	.venv-binder/bin/python -m pip install -qq --disable-pip-version-check jupyter-repo2docker==2026.4.0
	.venv/bin/python -m pytest -m binder -s tests/test_binder.py

# Every control of every app by keyboard and by mouse, storms of moves, latencies: a quarter of an hour in Chromium, weekly in CI.
test-apps: .venv/.dev node_modules/.package-lock.json
	.venv/bin/python -m pytest -m "browser and slow" tests

bench: .venv/.dev
	.venv/bin/python benchmarks/codecs.py
	.venv/bin/python benchmarks/scaling.py
	.venv/bin/python benchmarks/simulation.py --install

# The locks from the ranges in pyproject.toml; UPGRADE=--upgrade takes newer versions of everything. No index is named in them.
LOCK = uv pip compile --universal --python-version 3.11 --fork-strategy fewest --annotation-style line --no-emit-index-url --quiet $(UPGRADE)
# What decides numbers, what draws and asks, and what runs the tests, is in .venv-flower what it is in the book.
SAME = numpy|keras|tensorflow|tensorflow-cpu|constriction|ipykernel|ipywidgets|anywidget|matplotlib|pillow|tqdm|pytest|hypothesis
update:
	@command -v uv >/dev/null || { echo 'uv is needed for this: pip install uv, in an environment of its own.' >&2; exit 1; }
	$(LOCK) --group check --output-file requirements.txt pyproject.toml
	$(LOCK) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(LOCK) --group site --output-file requirements-site.txt
	grep -hE '^($(SAME))==' requirements.txt requirements-dev.txt | \
	    $(LOCK) --group flower --constraint /dev/stdin --output-file requirements-flower.txt

help:
	@echo 'make lab                open your copy of the book, in my/, in JupyterLab; EDITION=zh or en (now: $(EDITION)),'
	@echo '                        LAB_ARGS for more flags, such as LAB_ARGS="--no-browser --port 8899"'
	@echo 'make student            chapters to hand out, without solutions, in student/; EDITION=zh or en'
	@echo 'make quick              lint, types, and what needs no TensorFlow'
	@echo 'make test               lint, types, all tests, and every notebook against its outputs'
	@echo 'make notebooks          build both editions from notebooks/source and execute them'
	@echo 'make studies            the long runs behind data/results, an hour; git diff shows what moved'
	@echo 'make results            classic results re-measured, data/results/classics.csv and bytes_to_97.csv: three hours; goes on where it was stopped'
	@echo 'make results-quick      a part of them with one seed, against the table: a minute or two'
	@echo 'make fuzz               100,000 payloads that no encoder wrote, against decode: two minutes'
	@echo 'make mutants            plant faults and see whether the tests notice: half a day'
	@echo 'make tff                what chapter 5 on TensorFlow Federated runs on, in .venv-tff: Python 3.11, Linux x86-64, 2 GB'
	@echo 'make test-tff           the tests and notebooks that need it'
	@echo 'make flower-env         what chapter 5 on Flower and the app in flower/ run on, in .venv-flower: a minute, 2 GB'
	@echo 'make flower             the app in flower/ in its simulation; FLOWER_ARGS="rounds=5 clients=20" changes its configuration'
	@echo 'make flower-deploy      the same as a deployment here: a SuperLink and three SuperNodes, TLS, keys; bytes at the sockets'
	@echo 'make test-flower        the tests and notebooks that need it'
	@echo 'make site               the book as pages in both languages, in build/site, in .venv-site (250 MB); needs npm'
	@echo 'make test-site          its links, sizes and search, and its pages in Chromium'
	@echo 'make check-binder       what Binder would build of the last commit, followed without Docker: size, and each chapter with its memory'
	@echo 'make test-apps          each control of each app by keyboard and by mouse, storms of moves, latencies, in Chromium'
	@echo 'make bench              codecs and simulation, with peers in environments of their own: half an hour, 6 GB'
	@echo 'make update             compile requirements*.txt but that of TFF from pyproject.toml (UPGRADE=--upgrade), with uv'
	@echo 'The first call makes .venv; PYTHONS=/path/to/python3.12 chooses its Python.'

# The stamp holds the folder that .venv was made for. A copied or moved tree, whose .venv would still run the package of
# the old place, gets a new .venv, and so does one whose Python was removed.
stale = $(shell test -x $(1)/bin/python && grep -qsxF '$(CURDIR)' $(1)/.installed || echo $(2))
VENV = $(call stale,.venv,venv)
VENV_TFF = $(call stale,.venv-tff,venv-tff)
VENV_FLOWER = $(call stale,.venv-flower,venv-flower)
VENV_SITE = $(call stale,.venv-site,venv-site)

.PHONY: venv venv-tff venv-flower venv-site
venv: FOLDER = .venv
venv-flower: FOLDER = .venv-flower
venv-site: FOLDER = .venv-site
venv venv-flower venv-site:
	@for p in $(PYTHONS); do \
	    $$p -c '$(USABLE)' 2>/dev/null || continue; \
	    echo "Making $(FOLDER) with $$p ($$($$p --version))."; \
	    exec $$p -m venv --clear $(FOLDER); \
	done; \
	echo 'Python 3.11, 3.12 or 3.13 with its venv module is needed, and none of these is one: $(PYTHONS).' \
	    'On Debian and Ubuntu: apt install python3-venv. Elsewhere: make PYTHONS=/path/to/python3.12' >&2; exit 1

# uv is faster, pip is always there; the result is the same. pip leaves out compiling, which is done on the first import.
INSTALL = if command -v uv >/dev/null; then uv pip install --quiet --python .venv/bin/python "$$@"; \
    else .venv/bin/python -m pip install -qq --disable-pip-version-check --no-compile "$$@"; fi

.venv/.installed: $(VENV) requirements.txt pyproject.toml jupyter/overrides.json jupyter/fedlab-tff.json jupyter/fedlab-flower.json
	@echo 'Installing what requirements.txt lists into .venv. The first time this takes a minute or so.'
	@set -- -r requirements.txt; $(INSTALL)
	@set -- --no-deps -e .; $(INSTALL)
	@echo '$(CURDIR)' >$@

# What only those need who change the book. The reader's lab goes without.
.venv/.dev: .venv/.installed requirements-dev.txt
	@echo 'Installing what requirements-dev.txt lists as well.'
	@set -- -r requirements-dev.txt; $(INSTALL)
	@touch $@

TFF_PYTHONS = python3.11 $(filter-out python3.11,$(PYTHONS))
TFF_USABLE = import ensurepip, platform, sys; \
    sys.exit((sys.version_info[:2], sys.platform, platform.machine()) != ((3, 11), "linux", "x86_64"))

venv-tff:
	@for p in $(TFF_PYTHONS); do \
	    $$p -c '$(TFF_USABLE)' 2>/dev/null || continue; \
	    echo "Making .venv-tff with $$p ($$($$p --version))."; \
	    exec $$p -m venv --clear .venv-tff; \
	done; \
	echo 'TensorFlow Federated needs Python 3.11 with its venv module on Linux x86-64, and none of these is one:' \
	    '$(TFF_PYTHONS); install it, then: make tff PYTHONS=/path/to/python3.11 (or read the outputs saved in' \
	    'notebooks/en/05_practice_tff.ipynb, or open the book on Binder).' >&2; exit 1

.venv-tff/.installed: $(VENV_TFF) requirements-tff.txt pyproject.toml
	@echo 'Installing what requirements-tff.txt lists into .venv-tff. The first time this takes a minute or more.'
	@.venv-tff/bin/python -m pip install -qq --disable-pip-version-check --no-deps -r requirements-tff.txt
	@.venv-tff/bin/python -m pip install -qq --disable-pip-version-check --no-deps -e .
	@echo '$(CURDIR)' >$@

.venv-flower/.installed: $(VENV_FLOWER) requirements-flower.txt pyproject.toml
	@echo 'Installing what requirements-flower.txt lists into .venv-flower. The first time this takes a minute or more.'
	@.venv-flower/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps -r requirements-flower.txt
	@.venv-flower/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps -e .
	@echo '$(CURDIR)' >$@

.venv-site/.installed: $(VENV_SITE) requirements-site.txt
	@echo 'Installing what requirements-site.txt lists into .venv-site. The first time this takes half a minute.'
	@.venv-site/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps -r requirements-site.txt
	@echo '$(CURDIR)' >$@

# MathJax and Pagefind for the site, axe-core for tests: this file is npm's own note of what it has installed.
node_modules/.package-lock.json: package.json package-lock.json
	@command -v npm >/dev/null || { echo 'npm is needed for this. On Debian and Ubuntu: apt install npm' >&2; exit 1; }
	npm ci --silent --no-audit --no-fund
	@touch $@
