"""Raw S3 access logs of an archive -> usage per Dandiset.

    raw day -> reduce -> bin (a month) -> route, assign -> gather -> map (a Dandiset) -> totals -> publish

Each stage is a file below rules/; docs/architecture.md tells the whole.
"""

import gc

from snakemake.utils import min_version, validate

min_version("9.27")

# A plan has millions of objects that all stay; Python would look through them again and again for
# what can go, for a sixth of the time.
gc.set_threshold(500_000, 20, 20)


include: "rules/errors.smk"
include: "rules/config.smk"
include: "rules/groups.smk"


if not workflow.overwrite_configfiles:

    configfile: default_config_file()


validate(config, workflow.source_path("config/config.schema.yaml"))


include: "rules/common.smk"


wildcard_constraints:
    year="[0-9]{4}",
    month="[0-9]{2}",
    day="[0-9]{2}",
    dandiset="[0-9]{6}|undetermined",


# On a cluster these run where Snakemake does: they need the network, or seconds.
localrules:
    all,
    reduce_all,
    bin_all,
    map_all,
    yearly_accounts,
    accounting,
    locate,
    list_dandisets,
    totals,
    coordinates,
    provenance,
    reconcile,
    publish,


rule all:
    default_target: True
    input:
        results_of_run(),
        mapped_dandisets,
        listing_check(),
        made_figures(),


include: "rules/reduce.smk"
include: "rules/accounting.smk"
include: "rules/bin.smk"
include: "rules/locate.smk"
include: "rules/list_dandisets.smk"
include: "rules/route.smk"
include: "rules/assign.smk"
include: "rules/gather.smk"
include: "rules/map.smk"
include: "rules/totals.smk"
include: "rules/reconcile.smk"
include: "rules/coordinates.smk"
include: "rules/provenance.smk"
include: "rules/publish.smk"
include: "rules/report.smk"
include: "rules/status.smk"
include: "rules/plan.smk"


onstart:
    answer_beside_work()
    take_folders()


onsuccess:
    tell_faults_of_listing()
    forget_jobs_of_run()
    tell_gaps_in_coordinates()


onerror:
    tell_faults_of_listing()
    tell_gaps_in_coordinates()
    tell_failed_run()
