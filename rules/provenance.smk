"""What the figures were made of and with.

NEEDS  dandisets/listing.json, accounting.tsv
MAKES  provenance.json, exact; publish rounds its counts of lines
"""


rule provenance:
    input:
        listing=f"{RESULTS}/dandisets/listing.json",
        accounting=f"{RESULTS}/accounting.tsv",
    output:
        provenance=f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/provenance.log",
    benchmark:
        f"{RESULTS}/benchmarks/provenance.tsv"
    conda:
        CONDA
    params:
        version=VERSION,
        commit=lambda wildcards: git_commit(Path(workflow.basedir)),
        config=config_digest(config),
    script:
        "../scripts/provenance.py"
