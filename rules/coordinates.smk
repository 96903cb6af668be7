"""The regions that occur -> where they are.

NEEDS  mapped/archive_summary_by_region.tsv, config/coordinates.yaml (the user's own; optional)
MAKES  mapped/region_codes_to_coordinates.yaml, gaps_in_coordinates.txt, and in the cache
       coordinates.json if OpenCage was asked
"""


rule coordinates:
    input:
        regions=f"{RESULTS}/mapped/archive_summary_by_region.tsv",
        # Not read. Snakemake looks anew at what depends on a checkpoint once that has run; without
        # it, this would run though `totals` did not have to.
        gathered=ancient(f"{RESULTS}/activity/gathered.json"),
        override=[path for path in ["config/coordinates.yaml"] if Path(path).exists()],
        tables=[
            workflow.source_path("../resources/places.tsv"),
            workflow.source_path("../resources/region_aliases.tsv"),
            workflow.source_path("../resources/cloud_regions.tsv"),
        ],
    output:
        coordinates=f"{RESULTS}/mapped/region_codes_to_coordinates.yaml",
        told=f"{RESULTS}/gaps_in_coordinates.txt",
    log:
        f"{RESULTS}/logs/coordinates.log",
    benchmark:
        f"{RESULTS}/benchmarks/coordinates.tsv"
    conda:
        CONDA
    params:
        cache=CACHE,
        opencage_url=config["regions"]["opencage_url"],
        asks_opencage="OPENCAGE_API_KEY" in os.environ,
    script:
        "../scripts/coordinates.py"
