# Snakemake's rule graph, in a form that reads on light and on dark pages. `make rulegraph` runs this.
#
# Before the checkpoint `gather` has run, Snakemake knows of no job of `map`, and draws an edge from
# `gather` to `reconcile` where `map` belongs.

/label = / {
    split($0, quoted, "\"")
    split($1, number, "[")
    rule[number[1]] = quoted[2]
}

/ -> / {
    from[++edges] = $1
    to[edges] = $3
}

END {
    print "digraph rules {"
    print "  graph [bgcolor=transparent, margin=0, nodesep=0.3, ranksep=0.35]"
    print "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#dbe7f3\", color=\"#5b7fa6\","
    print "        fontcolor=\"#1b2733\", fontname=\"Helvetica,Arial,sans-serif\", fontsize=12, height=0.35]"
    print "  edge [color=\"#808890\", arrowsize=0.7]"
    fflush()
    for (i = 1; i <= edges; i++) {
        if (rule[from[i]] == "gather" && rule[to[i]] == "reconcile") {
            print "  gather -> map" | "sort"
            print "  map -> reconcile" | "sort"
        } else {
            print "  " rule[from[i]] " -> " rule[to[i]] | "sort"
        }
    }
    close("sort")
    print "}"
}
