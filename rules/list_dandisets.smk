"""The Dandiset snapshot -> which asset of which version is which object, and whose it is.

NEEDS  {dandi.snapshot}
MAKES  dandisets/assets.parquet, dandisets/objects.parquet
"""


rule list_dandisets:
    input:
        snapshot=found_input(config["dandi"].get("snapshot", "")),
    output:
        assets=f"{RESULTS}/dandisets/assets.parquet",
        objects=f"{RESULTS}/dandisets/objects.parquet",
    log:
        f"{RESULTS}/logs/list_dandisets.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_dandisets.tsv"
    conda:
        CONDA
    script:
        "../scripts/list_dandisets.py"
