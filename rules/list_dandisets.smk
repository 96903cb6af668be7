"""The archive's API, or a snapshot -> which asset of which version is which object, and whose it is.

NEEDS  {dandi.snapshot}, or the API and what the cache has of it
MAKES  dandisets/fetched.json, dandisets/listing.parquet          only from the API
       dandisets/assets.parquet, dandisets/objects.parquet, dandisets/listing.json
       dandisets/snapshot.tsv                                     on request

It is fetch_dandisets alone that needs the network, so it runs where Snakemake does. When its
parameter `due` differs from that of the last time, Snakemake runs it; what it learns is kept in the
cache. A listing that did not change changes nothing below route and gather.
"""


localrules:
    fetch_dandisets,
    snapshot,
    check_dandisets,


rule fetch_dandisets:
    output:
        fetched=f"{RESULTS}/dandisets/fetched.json",
        listing=f"{RESULTS}/dandisets/listing.parquet",
    log:
        f"{RESULTS}/logs/fetch_dandisets.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch_dandisets.tsv"
    conda:
        CONDA
    params:
        due=LISTING_TOKEN,
        api_url=config["dandi"]["api_url"],
        refresh=config["dandi"]["refresh"],
        only=config["restrict_to_dandisets"],
        without=config["exclude"]["dandisets"],
        limits={
            name: config["dandi"][name]
            for name in ("connections", "timeout", "tries", "wait", "give_up_after")
        },
        cache=CACHE,
    script:
        "../scripts/fetch_dandisets.py"


rule list_dandisets:
    input:
        snapshot=listing_input,
    output:
        assets=f"{RESULTS}/dandisets/assets.parquet",
        objects=f"{RESULTS}/dandisets/objects.parquet",
        listing=f"{RESULTS}/dandisets/listing.json",
    log:
        f"{RESULTS}/logs/list_dandisets.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_dandisets.tsv"
    conda:
        CONDA
    script:
        "../scripts/list_dandisets.py"


# No output: it writes the listing of the last run whenever it is asked to, and asks the API only if
# there was none.
rule snapshot:
    input:
        missing_listing_input,
    log:
        f"{RESULTS}/logs/snapshot.log",
    conda:
        CONDA
    params:
        listing=listing_input,
        snapshot=f"{RESULTS}/dandisets/snapshot.tsv",
    script:
        "../scripts/snapshot.py"


rule check_dandisets:
    input:
        fetched=f"{RESULTS}/dandisets/fetched.json",
        published=f"{RESULTS}/published.json",
    output:
        checked=touch(f"{RESULTS}/dandisets/checked"),
    log:
        f"{RESULTS}/logs/check_dandisets.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_dandisets.tsv"
    conda:
        CONDA
    script:
        "../scripts/check_dandisets.py"
