"""The accounts of all days -> one table: every line of every raw log, by class, and its share.

Warns of days with many malformed lines, and fails where there are too many.

NEEDS  reduced/{year}/{month}/{day}.json
MAKES  accounting.tsv
"""


rule accounting:
    input:
        counts=[
            of_days(f"{RESULTS}/reduced/{{year}}/{{month}}/{{day}}.json", days)
            for days in MONTHS.values()
        ],
    output:
        accounting=f"{RESULTS}/accounting.tsv",
    log:
        f"{RESULTS}/logs/accounting.log",
    benchmark:
        f"{RESULTS}/benchmarks/accounting.tsv"
    conda:
        CONDA
    params:
        warn_share=config["accounting"]["warn_malformed_share"],
        fail_share=config["accounting"]["fail_malformed_share"],
    script:
        "../scripts/accounting.py"
