"""The addresses of all months -> hashed, and each hash with its region, looked up once.

NEEDS  binned/{year}-{month}.ips.parquet, the services' range documents, the provider's database
MAKES  binned/{year}-{month}.hashes.parquet, lookup/regions.parquet, and more rows in the cache's
       regions.parquet   (all private)
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
    conda:
        CONDA
    params:
        cache=CACHE,
    script:
        "../scripts/hash_addresses.py"


rule locate:
    input:
        ips=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.ips.parquet"),
        hashes=of_months(f"{RESULTS}/binned/{{year}}-{{month}}.hashes.parquet"),
        services=[found_input(path) for path in config["regions"]["services"].values()],
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
        labels=list(config["regions"]["services"]),
        provider=config["regions"]["provider"],
    script:
        "../scripts/locate.py"
