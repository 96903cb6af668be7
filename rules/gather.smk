"""What every month has of every Dandiset -> one small file per Dandiset.

NEEDS  assigned/{year}-{month}.objects.parquet, binned/{year}-{month}.requesters.parquet,
       binned/{year}-{month}.hashes.parquet, dandisets/assets.parquet, dandisets/objects.parquet
MAKES  activity/{dandiset}.parquet, activity/{dandiset}.assets.parquet

A checkpoint, as route is: a Dandiset's files change when its requests, their regions or the part of
the listing that concerns them do, and only then is it mapped again.
"""


checkpoint gather:
    input:
        objects=of_months(f"{RESULTS}/assigned/{{year}}-{{month}}.objects.parquet"),
        requesters=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.requesters.parquet"),
        hashes=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.hashes.parquet"),
        dandiset_assets=f"{RESULTS}/dandisets/assets.parquet",
        dandiset_objects=f"{RESULTS}/dandisets/objects.parquet",
    output:
        gathered=f"{RESULTS}/activity/gathered.json",
    log:
        f"{RESULTS}/logs/gather.log",
    benchmark:
        f"{RESULTS}/benchmarks/gather.tsv"
    conda:
        CONDA
    resources:
        mem_mb=by_size(1000, 5, most=16000),
        runtime=by_size(5, 0.05),
    params:
        months=of_months("{year}-{month}"),
        missing=missing_activity,
        mapped=f"{RESULTS}/mapped",
    script:
        "../scripts/gather.py"
