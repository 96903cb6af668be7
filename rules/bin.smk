"""Reduced days -> one row per object key and month.

NEEDS  reduced/{year}/{month}/{day}.parquet
MAKES  binned/{year}-{month}.parquet, binned/{year}-{month}.ips.parquet   (private)
"""


rule bin:
    input:
        reduced=days_of_month(f"{RESULTS}/reduced/{{year}}/{{month}}/{{day}}.parquet"),
    output:
        binned=f"{RESULTS}/binned/{{year}}-{{month}}.parquet",
        ips=f"{RESULTS}/binned/{{year}}-{{month}}.ips.parquet",
    log:
        f"{RESULTS}/logs/bin/{{year}}-{{month}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/bin/{{year}}-{{month}}.tsv"
    group:
        in_group("months", f"{RESULTS}/logs/bin/{{year}}-{{month}}.log")
    conda:
        CONDA
    resources:
        mem_mb=by_size(500, 15, most=3000),
        runtime=by_size(2, 0.02),
    script:
        "../scripts/bin.py"


rule bin_all:
    input:
        of_months(f"{RESULTS}/binned/{{year}}-{{month}}.parquet"),
