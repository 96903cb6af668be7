"""Exact figures -> what can be shared: rounded, in the form that the public usage page reads.

NEEDS  mapped/, reconciled.json, provenance.json, activity/{dandiset}.assets.parquet
MAKES  published/, published.json

Snakemake deletes the declared output of a job before the job begins. Others read published/ at any
time, so what is declared is a note of its content beside it, and the folder itself is only ever
exchanged for another as a whole.
"""


rule publish:
    input:
        totals=f"{RESULTS}/mapped/all_dandiset_totals.json",
        archive=f"{RESULTS}/mapped/archive_totals.json",
        by_day=f"{RESULTS}/mapped/archive_summary_by_day.tsv",
        by_region=f"{RESULTS}/mapped/archive_summary_by_region.tsv",
        by_type=f"{RESULTS}/mapped/archive_summary_by_asset_type_per_week.tsv",
        coordinates=f"{RESULTS}/mapped/region_codes_to_coordinates.yaml",
        # It differs when the totals of any Dandiset do, so that these need not be named here as well.
        reconciled=f"{RESULTS}/reconciled.json",
        provenance=f"{RESULTS}/provenance.json",
        # It names where objects stand, beside it. When that changes for a Dandiset, so does its map.
        gathered=ancient(f"{RESULTS}/activity/gathered.json"),
    output:
        note=f"{RESULTS}/published.json",
    log:
        f"{RESULTS}/logs/publish.log",
    benchmark:
        f"{RESULTS}/benchmarks/publish.tsv"
    conda:
        CONDA
    params:
        minimum=config["privacy"]["minimum"],
        round_to=config["privacy"]["round_to"],
        after=config["publish"].get("after"),
        lost=LOSS_TO_SHOW,
    script:
        "../scripts/publish.py"
