"""All months -> the figures of the archive, and the totals of every Dandiset.

NEEDS  assigned/{year}-{month}.dandisets_by_day.parquet, .dandisets_by_region.parquet,
       .objects.parquet, activity/
MAKES  mapped/archive_summary_by_day.tsv, mapped/archive_summary_by_region.tsv,
       mapped/archive_summary_by_asset_type_per_week.tsv,
       mapped/all_dandiset_totals.json, mapped/archive_totals.json
"""


rule totals:
    input:
        by_day=of_months(f"{RESULTS}/assigned/{{year}}-{{month}}.dandisets_by_day.parquet"),
        by_region=of_months(f"{RESULTS}/assigned/{{year}}-{{month}}.dandisets_by_region.parquet"),
        objects=of_months(f"{RESULTS}/assigned/{{year}}-{{month}}.objects.parquet"),
        gathered=f"{RESULTS}/activity/gathered.json",
    output:
        by_day=f"{RESULTS}/mapped/archive_summary_by_day.tsv",
        by_region=f"{RESULTS}/mapped/archive_summary_by_region.tsv",
        by_type=f"{RESULTS}/mapped/archive_summary_by_asset_type_per_week.tsv",
        dandisets=f"{RESULTS}/mapped/all_dandiset_totals.json",
        archive=f"{RESULTS}/mapped/archive_totals.json",
    log:
        f"{RESULTS}/logs/totals.log",
    benchmark:
        f"{RESULTS}/benchmarks/totals.tsv"
    conda:
        CONDA
    resources:
        mem_mb=by_size(1000, 5, most=16000),
        runtime=by_size(5, 0.05),
    script:
        "../scripts/totals.py"
