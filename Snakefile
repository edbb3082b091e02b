# Every result as a run of papermill, and what waits for what. `make reproduce` calls it; by hand:
#
#     snakemake --cores 2 quick                           the main job and the quickest ablations
#     snakemake --cores 2 all                             everything, as committed in figures/
#     snakemake --cores 2 all --config profile=smoke      everything at the smallest size: proves that it runs
#     snakemake --cores 2 runs/cpu/ablation_noise_heads.ipynb
#     snakemake -n all                                    what would be run, and why
#
# On a cluster, with one of Snakemake's executor plugins: snakemake --executor slurm --jobs 20 all --config profile=gpu
#
# A job is a notebook. What it finishes it keeps in runs/PROFILE/kept, run by run, so a killed job goes on where it was. First every seed of an
# ablation is measured by itself, the first one before the others, which then need not detect; then the same notebook, given all seeds, finds them finished and draws.
# A comparison of methods is one job on each set of pictures; its figures take up what the table has trained.

configfile: "sweep.yaml"

PROFILE, ABLATIONS, COMPARISONS, AFTER = config["profile"], config["ablations"], config.get("comparisons", {}), config.get("after", {})
if PROFILE not in config["seeds"]: raise WorkflowError(f"there is no profile '{PROFILE}'; there are {', '.join(config['seeds'])}")
SEEDS, RUNS = config["seeds"][PROFILE], f"runs/{PROFILE}"
FIGURES = "figures" if PROFILE == "cpu" else f"{RUNS}/figures"

def told(parameters):
    "Parameters as papermill takes them."
    return " ".join(f"-p {name} {value}" for name, value in parameters.items())

def here(dataset):
    "Packed sets are other people's pictures; where they are missing, so are their results. Profile smoke does without them."
    from lmdisc.datasets.packed import data_root
    return dataset in ("heads", "bodies") or PROFILE != "smoke" and (data_root() / f"{dataset}.npz").is_file()

def drawn(experiments):
    "The notebooks that draw these experiments, on all the pictures that are here."
    return [f"{RUNS}/{name}_{dataset}.ipynb" for name, sets in experiments.items() for dataset in sets if here(dataset)]

def earlier(w):
    "The first seed finds the keypoints for the others; an ablation that shares runs with others waits for them."
    return [f"{RUNS}/{name}_{w.dataset}_{seed}.ipynb" for name, seed in ((w.experiment, str(SEEDS[0])), *((other, w.seed) for other in AFTER.get(w.experiment, [])))
            if (name, seed) != (w.experiment, w.seed) and w.dataset in ABLATIONS.get(name, {})]

def before(w):
    "What a comparison shares runs with."
    return [f"{RUNS}/{name}_{w.dataset}.ipynb" for name in AFTER.get(w.experiment, []) if w.dataset in (ABLATIONS | COMPARISONS).get(name, {})]

def beside(w):
    "Parameters of a comparison; heads go without saying."
    return told(({} if w.dataset == "heads" else {"dataset": w.dataset}) | {"out_dir": FIGURES} | ({} if PROFILE == "smoke" else COMPARISONS[w.experiment][w.dataset]))

PAPERMILL = "OMP_NUM_THREADS={threads} papermill {input.notebook} {output} -p profile " + PROFILE + " -p runs " + RUNS + "/kept --no-progress-bar {params} "
QUIET = "> {output}.log 2>&1 || {{ tail -n 15 {output}.log; exit 1; }}"

wildcard_constraints: dataset="|".join({d for a in (ABLATIONS | COMPARISONS).values() for d in a}), seed="[0-9]+"

rule quick:
    input: f"{RUNS}/discover.ipynb", drawn({name: ABLATIONS[name] for name in config["quick"]}),

rule all:
    input: rules.quick.input, drawn(ABLATIONS), drawn(COMPARISONS), [f"{RUNS}/{page}.ipynb" for page in (*config["pages"], "benchmarks", "claims")],

rule discover:
    input: notebook="nbs/discover.ipynb",
    output: RUNS + "/discover.ipynb",
    params: told({"seed": config["seed"], "out_dir": FIGURES}),
    threads: 2
    priority: 1
    shell: PAPERMILL + "--stdout-file - --stderr-file -"

rule measure:
    input: notebook="nbs/{experiment}.ipynb", earlier=earlier,
    output: RUNS + "/{experiment}_{dataset}_{seed}.ipynb",
    wildcard_constraints: experiment="|".join(ABLATIONS)
    params: lambda w: told({"dataset": w.dataset, "seeds": w.seed} | ABLATIONS[w.experiment][w.dataset]),
    shell: PAPERMILL + QUIET

rule draw:
    input: seeds=[RUNS + "/{experiment}_{dataset}_" + f"{seed}.ipynb" for seed in SEEDS], notebook="nbs/{experiment}.ipynb",
    output: RUNS + "/{experiment}_{dataset}.ipynb",
    wildcard_constraints: experiment="|".join(ABLATIONS)
    params: lambda w: told({"dataset": w.dataset, "seeds": ",".join(map(str, SEEDS)), "out_dir": FIGURES} | ABLATIONS[w.experiment][w.dataset]),
    shell: PAPERMILL + QUIET

rule compare:
    input: before, notebook="nbs/{experiment}.ipynb",
    output: RUNS + "/{experiment}_{dataset}.ipynb",
    wildcard_constraints: experiment="|".join(COMPARISONS) or "none"
    params: beside
    shell: PAPERMILL + QUIET

rule page:
    input: notebook="nbs/{page}.ipynb",
    output: RUNS + "/{page}.ipynb",
    wildcard_constraints: page="|".join(config["pages"]),
    params: lambda w: told({"out_dir": FIGURES} | ({} if PROFILE == "smoke" else config["pages"][w.page])),
    shell: PAPERMILL + QUIET

rule benchmarks:
    input: notebook="nbs/benchmarks.ipynb",
    output: RUNS + "/benchmarks.ipynb",
    params: told({"profile": "smoke" if PROFILE == "smoke" else "full", "out_dir": FIGURES}),
    threads: 2
    shell: "papermill {input.notebook} {output} --no-progress-bar {params} " + QUIET

rule claims:
    input: drawn(ABLATIONS), drawn(COMPARISONS), notebook="nbs/claims.ipynb",
    output: RUNS + "/claims.ipynb",
    params: told({"results": FIGURES, "out_dir": FIGURES}),
    shell: "papermill {input.notebook} {output} -p profile " + PROFILE + " --no-progress-bar {params} " + QUIET
