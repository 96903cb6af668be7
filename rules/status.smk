"""How the results stand: a few lines on the terminal, and the same for programs.

NEEDS  whatever is there of reduced/, lookup/, mapped/, published/ and the listing
MAKES  status.json

It starts no other job, asks no network, and does not hold the results: it may be asked at any time.
Its log is not among the results, so that those are told of that cannot be written to.
"""


localrules:
    status,


# No input and no output: what is there is looked at, each time it is asked for.
rule status:
    log:
        f"{SNAKEMAKE_LOGS}/status.log",
    conda:
        CONDA
    params:
        results=RESULTS,
        cache=CACHE,
        raw_days=lambda wildcards: ["-".join(day) for day in counted_days(RAW_DAYS)],
        reduced_days=lambda wildcards: ["-".join(day) for day in counted_days(reduced_days())],
        source=config["dandi"]["source"],
        max_lag_days=config["status"].get("max_lag_days"),
        at_work=HELD_BEFORE == AT_WORK,
    script:
        "../scripts/status.py"
