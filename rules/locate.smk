"""The addresses of all months -> hashed, and each hash with its region, looked up once.

NEEDS  binned/{year}-{month}.ips.parquet, the services' range documents, the provider's database
MAKES  binned/{year}-{month}.hashes.parquet, lookup/regions.parquet, and in the cache regions.parquet,
       regions.json, services/   (all private)

`locate` runs again when addresses wait for an answer, and in the first run of a day, to check the
regions that were looked up longest ago: its param `attempt` tells Snakemake so.
"""


rule hash_addresses:
    input:
        ips=f"{RESULTS}/binned/{{year}}-{{month}}.ips.parquet",
    output:
        hashes=f"{RESULTS}/binned/{{year}}-{{month}}.hashes.parquet",
    log:
        f"{RESULTS}/logs/hash_addresses/{{year}}-{{month}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/hash_addresses/{{year}}-{{month}}.tsv"
    group:
        in_group("months", f"{RESULTS}/logs/hash_addresses/{{year}}-{{month}}.log")
    conda:
        CONDA
    resources:
        mem_mb=by_size(1000, 10),
        runtime=by_size(2, 0.1),
    params:
        cache=CACHE,
    script:
        "../scripts/hash_addresses.py"


rule locate:
    input:
        ips=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.ips.parquet"),
        hashes=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.hashes.parquet"),
        services=[source for source in service_sources().values() if not is_url(source)],
        mmdb=mmdb_input(),
    output:
        regions=f"{RESULTS}/lookup/regions.parquet",
    log:
        f"{RESULTS}/logs/locate.log",
    benchmark:
        f"{RESULTS}/benchmarks/locate.tsv"
    conda:
        CONDA
    params:
        cache=CACHE,
        services=service_sources(),
        provider=config["regions"]["provider"],
        max_lookups=config["regions"].get("max_lookups"),
        ipinfo_url=config["regions"].get("ipinfo_url"),
        recheck_days=config["regions"]["recheck_days"],
        attempt=attempt_of_locate(),
    script:
        "../scripts/locate.py"
