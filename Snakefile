# Every result as a run of papermill, and what waits for what. `make reproduce` calls it; by hand:
#
#     snakemake --cores 2 quick                           the main job, and what `quick` in sweep.yaml names
#     snakemake --cores 2 all                             everything, as committed in figures/
#     snakemake --cores 2 all --config profile=smoke      everything at the smallest size: proves that it runs
#     snakemake --cores 2 runs/cpu/ablation_noise_heads.ipynb
#     snakemake -n all                                    what would be run, and why
#
# On a cluster, with one of Snakemake's executor plugins: snakemake --executor slurm --jobs 20 all --config profile=gpu
#
# A job is a notebook. What it finishes it keeps in runs/PROFILE/kept, run by run, under the source, the configuration and the data that
# made it, so a killed job goes on where it was. First every seed of an ablation is measured by itself, the first one before the others,
# which then need not detect; then the same notebook, given all seeds, finds them finished and draws. A comparison of methods is one job
# on each set of pictures; its figures take up what the table has trained.

configfile: "sweep.yaml"

import os, shlex, sys

PROFILE, ABLATIONS = config["profile"], config["ablations"]
COMPARISONS, AFTER = config.get("comparisons", {}), config.get("after", {})
if PROFILE not in config["seeds"]: raise WorkflowError(f"there is no profile '{PROFILE}'; there are {', '.join(config['seeds'])}")
SEEDS, RUNS = config["seeds"][PROFILE], f"runs/{PROFILE}"
ALL_SEEDS = ",".join(map(str, SEEDS))
APART = config.get("apart", []) if PROFILE == "cpu" else []
PAGES = *config["pages"], "benchmarks", "claims"
FIGURES = "figures" if PROFILE == "cpu" else f"{RUNS}/figures"

def papermill_arguments(parameters):
    "Parameters as papermill takes them."
    return " ".join(f"-p {name} {shlex.quote(str(value))}" for name, value in parameters.items())

def superpoint():
    "Are SuperPoint's weights at hand? Looked for once, by the first process of a run; if not, that is said."
    if "LMDISC_SUPERPOINT" not in os.environ:
        from lmdisc.nets.detectors import at_hand
        os.environ["LMDISC_SUPERPOINT"] = "here" if at_hand("superpoint") else ""
        if not os.environ["LMDISC_SUPERPOINT"]:
            print("Left out: ablation_init on photographs; SuperPoint's weights are not in the cache and could not be fetched.", file=sys.stderr)
    return bool(os.environ["LMDISC_SUPERPOINT"])

def here(dataset, experiment=""):
    "Packed sets are other people's pictures; where they are missing, so are their results. Profile smoke does without them."
    from lmdisc.datasets import MODULES
    from lmdisc.datasets.packed import data_root
    there = ".rendered." in MODULES.get(dataset, "") or PROFILE != "smoke" and (data_root() / f"{dataset}.npz").is_file()
    return there and (dataset == "heads" or experiment != "ablation_init" or superpoint())

def drawn(experiments):
    "The notebooks that draw these experiments, on all the pictures that are here."
    return [f"{RUNS}/{name}_{dataset}.ipynb" for name, sets in experiments.items() if name not in APART for dataset in sets if here(dataset, name)]

def earlier(w):
    "The first seed finds the keypoints for the others; an ablation that shares runs with others waits for them."
    first, others = (w.experiment, str(SEEDS[0])), [(other, w.seed) for other in AFTER.get(w.experiment, [])]
    return [f"{RUNS}/{name}_{w.dataset}_{seed}.ipynb" for name, seed in (first, *others)
            if (name, seed) != (w.experiment, w.seed) and w.dataset in ABLATIONS.get(name, {})]

def before(w):
    "What a comparison shares runs with."
    return gate(w) + [f"{RUNS}/{name}_{w.dataset}.ipynb" for name in AFTER.get(w.experiment, [])
                      if name not in APART and w.dataset in (ABLATIONS | COMPARISONS).get(name, {}) and here(w.dataset, name)]

def gate(w):
    "The gate's number stands in every caption; the quick ones take it as committed."
    waits = w.experiment not in ("gate", *config["quick"]) and w.dataset in COMPARISONS.get("gate", {})
    return [f"{RUNS}/gate_{w.dataset}.ipynb"] if waits else []

def beside(w):
    "Parameters of a comparison; heads go without saying."
    own = {} if PROFILE == "smoke" else COMPARISONS[w.experiment][w.dataset]
    return papermill_arguments(({} if w.dataset == "heads" else {"dataset": w.dataset}) | {"out_dir": FIGURES} | own)

PAPERMILL = (f"TQDM_MININTERVAL=30 OMP_NUM_THREADS={{threads}} papermill {{input.notebook}} {{output}} -p profile {PROFILE} -p runs {RUNS}/kept "
             "--no-progress-bar {params} ")
QUIET = "> {output}.log 2>&1 || {{ tail -n 15 {output}.log; exit 1; }}"

wildcard_constraints: dataset="|".join({d for a in (ABLATIONS | COMPARISONS).values() for d in a}), seed="[0-9]+"

rule quick:
    input: f"{RUNS}/discover.ipynb", drawn({name: ABLATIONS[name] for name in config["quick"]}),

rule all:
    input: rules.quick.input, drawn(ABLATIONS), drawn(COMPARISONS), [f"{RUNS}/{page}.ipynb" for page in PAGES if page not in APART],

rule discover:
    input: notebook="nbs/discover.ipynb",
    output: RUNS + "/discover.ipynb",
    params: papermill_arguments({"seed": config["seed"], "out_dir": FIGURES}),
    threads: 2
    priority: 1
    shell: PAPERMILL + "--stdout-file - --stderr-file -"

rule measure:
    input: notebook="nbs/{experiment}.ipynb", earlier=earlier,
    output: RUNS + "/{experiment}_{dataset}_{seed}.ipynb",
    wildcard_constraints: experiment="|".join(ABLATIONS)
    params: lambda w: papermill_arguments({"dataset": w.dataset, "seeds": w.seed} | ABLATIONS[w.experiment][w.dataset]),
    shell: PAPERMILL + QUIET

rule draw:
    input: seeds=[RUNS + "/{experiment}_{dataset}_" + f"{seed}.ipynb" for seed in SEEDS], gate=gate, notebook="nbs/{experiment}.ipynb",
    output: RUNS + "/{experiment}_{dataset}.ipynb",
    wildcard_constraints: experiment="|".join(ABLATIONS)
    params: lambda w: papermill_arguments({"dataset": w.dataset, "seeds": ALL_SEEDS, "out_dir": FIGURES} | ABLATIONS[w.experiment][w.dataset]),
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
    params: lambda w: papermill_arguments({"out_dir": FIGURES} | ({} if PROFILE == "smoke" else config["pages"][w.page])),
    shell: PAPERMILL + QUIET

rule benchmarks:
    input: notebook="nbs/benchmarks.ipynb",
    output: RUNS + "/benchmarks.ipynb",
    params: papermill_arguments({"profile": "smoke" if PROFILE == "smoke" else "full", "out_dir": FIGURES}),
    threads: 2
    shell: "papermill {input.notebook} {output} --no-progress-bar {params} " + QUIET

rule claims:
    input: drawn(ABLATIONS), drawn(COMPARISONS), notebook="nbs/claims.ipynb",
    output: RUNS + "/claims.ipynb",
    params: papermill_arguments({"results": FIGURES, "out_dir": FIGURES}),
    shell: "papermill {input.notebook} {output} -p profile " + PROFILE + " --no-progress-bar {params} " + QUIET
