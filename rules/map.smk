"""A Dandiset's activity -> its logs and summaries.

NEEDS  activity/{dandiset}.parquet, activity/{dandiset}.assets.parquet, and of the months that these
       name the tables in assigned/
MAKES  mapped/{dandiset}/

It waits for gather, so that these tables are whole, but is not due because gather ran.
"""


rule map:
    input:
        activity=f"{RESULTS}/activity/{{dandiset}}.parquet",
        assets=f"{RESULTS}/activity/{{dandiset}}.assets.parquet",
        gathered=ancient(f"{RESULTS}/activity/gathered.json"),
    output:
        totals=f"{RESULTS}/mapped/{{dandiset}}/dandiset_totals.json",
    log:
        f"{RESULTS}/logs/map/{{dandiset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/map/{{dandiset}}.tsv"
    group:
        in_group("dandisets", f"{RESULTS}/logs/map/{{dandiset}}.log")
    conda:
        CONDA
    resources:
        mem_mb=by_requests(1000, 100, most=4000),
        runtime=by_requests(2, 0.1),
    params:
        assigned=f"{RESULTS}/assigned",
        asset_logs=config["mapping"]["asset_logs"],
    script:
        "../scripts/map.py"


rule map_all:
    input:
        mapped_dandisets,
