"""All months, the regions and the listing -> for each month only what it needs of them.

NEEDS  binned/{year}-{month}.parquet, binned/{year}-{month}.hashes.parquet, lookup/regions.parquet,
       dandisets/objects.parquet
MAKES  lookup/{year}-{month}.parquet, lookup/{year}-{month}.regions.parquet   (private)

A checkpoint: a file whose content would be the same is left as it is, so that Snakemake itself sees
which months are out of date. The output it declares only says that it ran.
"""


checkpoint route:
    input:
        binned=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.parquet"),
        hashes=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.hashes.parquet"),
        regions=f"{RESULTS}/lookup/regions.parquet",
        objects=f"{RESULTS}/dandisets/objects.parquet",
    output:
        routed=f"{RESULTS}/lookup/routed.json",
    log:
        f"{RESULTS}/logs/route.log",
    benchmark:
        f"{RESULTS}/benchmarks/route.tsv"
    conda:
        CONDA
    resources:
        mem_mb=by_size(1000, 1, most=8000),
        runtime=by_size(5, 0.002),
    params:
        months=of_months("{year}-{month}"),
        missing=missing_routes,
    script:
        "../scripts/route.py"
