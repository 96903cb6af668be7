"""A raw day -> the requests that count.

NEEDS  {raw_logs}/{year}/{month}/{day}.log, .log.gz, .log.zst or a folder of delivered files; from an
       object store the job fetches its day itself
MAKES  reduced/{year}/{month}/{day}.parquet, .json, .malformed if there are any   (private)
"""


rule reduce:
    input:
        raw=raw_day,
    output:
        requests=f"{RESULTS}/reduced/{{year}}/{{month}}/{{day}}.parquet",
        counts=f"{RESULTS}/reduced/{{year}}/{{month}}/{{day}}.json",
    log:
        f"{RESULTS}/logs/reduce/{{year}}-{{month}}-{{day}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reduce/{{year}}-{{month}}-{{day}}.tsv"
    group:
        in_group("days", f"{RESULTS}/logs/reduce/{{year}}-{{month}}-{{day}}.log")
    conda:
        CONDA
    resources:
        mem_mb=by_size(2000, 0),
        # Of an object in a bucket there is no file that could be asked for its size.
        runtime=lambda wildcards, attempt: round((3 + raw_bytes(wildcards) / 500e6) * attempt),
    params:
        state_of_raw=raw_state,
        stored=raw_stored if LISTING else None,
        operation=config["operation"],
        exclusions=excluded_addresses if config["exclude"]["ips"] else "none",
    script:
        "../scripts/reduce.py"


rule reduce_all:
    input:
        [
            of_days(f"{RESULTS}/reduced/{{year}}/{{month}}/{{day}}.parquet", days)
            for days in MONTHS.values()
        ],
