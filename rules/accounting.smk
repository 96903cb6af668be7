"""The accounts of all days -> one table: every line of every raw log, by class, and its share.

Warns of days with many malformed lines, and fails where there are too many.

NEEDS  reduced/{year}/{month}/{day}.json
MAKES  accounting/{year}.tsv  the accounts of a year
       accounting.tsv

Snakemake takes each input of a job against each job that it comes from, so that one job with all days
would cost it seconds a night.
"""


rule yearly_accounts:
    input:
        counts=days_of_year(f"{RESULTS}/reduced/{{year}}/{{month}}/{{day}}.json"),
    output:
        accounts=f"{RESULTS}/accounting/{{year}}.tsv",
    log:
        f"{RESULTS}/logs/yearly_accounts/{{year}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/yearly_accounts/{{year}}.tsv"
    conda:
        CONDA
    script:
        "../scripts/yearly_accounts.py"


rule accounting:
    input:
        accounts=of_years(f"{RESULTS}/accounting/{{year}}.tsv"),
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
