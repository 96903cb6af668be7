"""The regions that occur -> where they are.

NEEDS  mapped/archive_summary_by_region.tsv, config/coordinates.yaml (the user's own; optional)
MAKES  mapped/region_codes_to_coordinates.yaml
"""


rule coordinates:
    input:
        regions=f"{RESULTS}/mapped/archive_summary_by_region.tsv",
        override=[path for path in ["config/coordinates.yaml"] if Path(path).exists()],
        tables=[
            workflow.source_path("../resources/places.tsv"),
            workflow.source_path("../resources/region_aliases.tsv"),
            workflow.source_path("../resources/cloud_regions.tsv"),
        ],
    output:
        coordinates=f"{RESULTS}/mapped/region_codes_to_coordinates.yaml",
    log:
        f"{RESULTS}/logs/coordinates.log",
    benchmark:
        f"{RESULTS}/benchmarks/coordinates.tsv"
    conda:
        CONDA
    script:
        "../scripts/coordinates.py"
