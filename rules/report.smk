"""What is published -> pages and figures to look at; how the runs went -> a page for the maintainer.

NEEDS  published/; for run.html also accounting.tsv, mapped/, benchmarks/, logs/ and Snakemake's logs
MAKES  report/usage.html, report/figures/{figure}.png, .svg   (public: from published/ alone)
       report/run.html                                        (private)
"""


report: "../resources/report/workflow.rst"


localrules:
    report,
    report_usage,
    report_figures,
    report_run,


rule report_usage:
    input:
        published=f"{RESULTS}/published.json",
        template=report_source("usage.html.jinja"),
        parts=[report_source(name) for name in USAGE_PAGE_PARTS],
        world=report_source("world.json"),
    output:
        page=f"{RESULTS}/report/usage.html",
    log:
        f"{RESULTS}/logs/report_usage.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_usage.tsv"
    conda:
        CONDA
    script:
        "../scripts/report_usage.py"


rule report_figures:
    input:
        published=f"{RESULTS}/published.json",
        world=report_source("world.json"),
    output:
        svg=[
            report(
                f"{RESULTS}/report/figures/{name}.svg",
                caption=f"../resources/report/captions/{name}.rst",
                category="Usage",
                labels={"figure": label},
            )
            for name, label in FIGURES.items()
        ],
        png=[f"{RESULTS}/report/figures/{name}.png" for name in FIGURES],
    log:
        f"{RESULTS}/logs/report_figures.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_figures.tsv"
    conda:
        CONDA
    script:
        "../scripts/report_figures.py"


# Its inputs say when: after all else. It reads whatever the results hold.
rule report_run:
    input:
        accounting=f"{RESULTS}/accounting.tsv",
        published=f"{RESULTS}/published.json",
        usage=f"{RESULTS}/report/usage.html",
        figures=rules.report_figures.output.svg,
        template=report_source("run.html.jinja"),
        parts=[report_source(name) for name in RUN_PAGE_PARTS],
    output:
        page=f"{RESULTS}/report/run.html",
    log:
        f"{RESULTS}/logs/report_run.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_run.tsv"
    conda:
        CONDA
    params:
        snakemake_logs=SNAKEMAKE_LOGS,
        excluded_years=sorted(excluded_years(config)),
    script:
        "../scripts/report_run.py"


rule report:
    input:
        usage=f"{RESULTS}/report/usage.html",
        run=f"{RESULTS}/report/run.html",
        figures=rules.report_figures.output,
