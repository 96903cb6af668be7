"""A month's bins -> its requests by Dandiset and object, with the region in place of the address.

NEEDS  binned/{year}-{month}.parquet, lookup/{year}-{month}.parquet, .regions.parquet
MAKES  assigned/{year}-{month}.parquet          requests per Dandiset and object
       assigned/{year}-{month}.labels.parquet   what its region numbers mean
       assigned/{year}-{month}.usage.parquet, .objects.parquet
       assigned/{year}-{month}.dandisets_by_day.parquet, .dandisets_by_region.parquet
       binned/{year}-{month}.requesters.parquet   (private)
"""


rule assign:
    input:
        binned=f"{RESULTS}/binned/{{year}}-{{month}}.parquet",
        routes=routed_month(f"{RESULTS}/lookup/{{year}}-{{month}}.parquet"),
        regions=routed_month(f"{RESULTS}/lookup/{{year}}-{{month}}.regions.parquet"),
    output:
        assigned=f"{RESULTS}/assigned/{{year}}-{{month}}.parquet",
        labels=f"{RESULTS}/assigned/{{year}}-{{month}}.labels.parquet",
        usage=f"{RESULTS}/assigned/{{year}}-{{month}}.usage.parquet",
        dandisets_by_day=f"{RESULTS}/assigned/{{year}}-{{month}}.dandisets_by_day.parquet",
        dandisets_by_region=f"{RESULTS}/assigned/{{year}}-{{month}}.dandisets_by_region.parquet",
        objects=f"{RESULTS}/assigned/{{year}}-{{month}}.objects.parquet",
        requesters=f"{RESULTS}/binned/{{year}}-{{month}}.requesters.parquet",
    log:
        f"{RESULTS}/logs/assign/{{year}}-{{month}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/assign/{{year}}-{{month}}.tsv"
    group:
        in_group("assigned", f"{RESULTS}/logs/assign/{{year}}-{{month}}.log")
    conda:
        CONDA
    resources:
        mem_mb=by_size(500, 15, most=4500),
        runtime=by_size(2, 0.03),
    params:
        asset_logs=config["mapping"]["asset_logs"],
    script:
        "../scripts/assign.py"
