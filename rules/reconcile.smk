"""All exact figures -> whether those that can be had in two ways are the same both ways.

NEEDS  mapped/, accounting.tsv, assigned/{year}-{month}.dandisets_by_day.parquet
MAKES  reconciled.json
"""


rule reconcile:
    input:
        dandisets=mapped_dandisets,
        totals=f"{RESULTS}/mapped/all_dandiset_totals.json",
        archive=f"{RESULTS}/mapped/archive_totals.json",
        by_day=f"{RESULTS}/mapped/archive_summary_by_day.tsv",
        by_region=f"{RESULTS}/mapped/archive_summary_by_region.tsv",
        by_type=f"{RESULTS}/mapped/archive_summary_by_asset_type_per_week.tsv",
        assigned=of_months(f"{RESULTS}/assigned/{{year}}-{{month}}.dandisets_by_day.parquet"),
        accounting=f"{RESULTS}/accounting.tsv",
    output:
        reconciled=f"{RESULTS}/reconciled.json",
    log:
        f"{RESULTS}/logs/reconcile.log",
    benchmark:
        f"{RESULTS}/benchmarks/reconcile.tsv"
    conda:
        CONDA
    params:
        months=of_months("{year}-{month}"),
    script:
        "../scripts/reconcile.py"
