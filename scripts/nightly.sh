#!/usr/bin/env bash
#
# Run the workflow as cron does every night, keep what it told, and see that the results are fresh.
#
# usage: scripts/nightly.sh [OPTION]... [-- ARGUMENT OF SNAKEMAKE...]
#
#   --directory DIR     working directory; the top of the repository if left out
#   --configfile FILE   configuration, as Snakemake takes it; may be given several times
#   --config KEY=VALUE  a single setting; may be given several times
#   --profile DIR       Snakemake profile, such as profiles/slurm
#   --env FILE          file of secrets, read by the shell, which none but its owner may read; .env
#                       in the working directory if there is one
#   --logs DIR          where the logs go, in the working directory if relative: logs
#   --keep NUMBER       how many logs are kept: 30
#   --wait SECONDS      how long to wait while another run is at work: 3
#   --on-failure CMD    what to run when the exit code is not 0. A single word is called with the
#                       path of the log and the exit code; more words go to sh, with these as $1, $2
#   --help              this
#
# Any other relative path is looked for where the script was called, then in the working directory.
#
# exit codes: 0 all is well; 1, or what Snakemake ended with, the run failed; 2 the script was called
# wrongly; 3 the run went well, but the results are stale or cannot be looked at; 75 another run was
# at work.
set -uo pipefail
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"

MISUSED=2 STALE=3 BUSY=75

# --- What it is called with ----------------------------------------------------------------------

called_in=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
directory=$root
configfiles=() settings=() profile= secrets= logs=logs keep=30 patience=3 on_failure= for_run=()

misused() {
    echo "nightly.sh: $1 See --help." >&2
    exit $MISUSED
}

found() {
    if [[ $1 = /* ]]; then
        echo "$1"
    elif [ -e "$called_in/$1" ]; then
        echo "$called_in/$1"
    else
        echo "$directory/$1"
    fi
}

while [ $# -gt 0 ]; do
    case $1 in
        --help)
            sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --)
            for_run=("${@:2}")
            break
            ;;
    esac
    [ $# -ge 2 ] || misused "$1 is no option, or lacks its value."
    case $1 in
        --directory) directory=$(cd "$2" && pwd) || misused "There is no folder $2." ;;
        --configfile) configfiles+=("$2") ;;
        --config) settings+=("$2") ;;
        --profile) profile=$2 ;;
        --env) secrets=$2 ;;
        --logs) logs=$2 ;;
        --keep) keep=$2 ;;
        --wait) patience=$2 ;;
        --on-failure) on_failure=$2 ;;
        *) misused "$1 is no option." ;;
    esac
    shift 2
done
[[ $keep =~ ^[1-9][0-9]*$ ]] || misused "--keep takes a number of 1 or more, not $keep."
[[ $patience =~ ^[0-9]+$ ]] || misused "--wait takes a number of seconds, not $patience."

snakemake=$root/.venv/bin/snakemake
[ -x "$snakemake" ] || snakemake=$(command -v snakemake) || misused \
    "There is no Snakemake: set up $root with make env."

arguments=(--snakefile "$root/Snakefile" --directory "$directory")
if [ ${#configfiles[@]} -gt 0 ]; then
    arguments+=(--configfile)
    for file in "${configfiles[@]}"; do
        arguments+=("$(found "$file")")
    done
fi
[ ${#settings[@]} -eq 0 ] || arguments+=(--config "${settings[@]}")
if [ -n "$profile" ]; then
    [ ! -e "$(found "$profile")" ] || profile=$(found "$profile")
    for_run+=(--profile "$profile")
fi

cd "$directory" || exit $MISUSED

if [ -n "$secrets" ]; then
    secrets=$(found "$secrets")
    [ -r "$secrets" ] || misused "There is no file $secrets to read."
elif [ -e .env ]; then
    secrets=$directory/.env
fi
if [ -n "$secrets" ]; then
    [ -z "$(find -L "$secrets" -perm /077)" ] || misused \
        "$secrets holds secrets and can be read by others: chmod 600 $secrets."
    set -a
    # shellcheck disable=SC1090
    . "$secrets" || misused "$secrets cannot be read by a shell."
    set +a
fi

# --- One run at a time, and a log for it ---------------------------------------------------------

[[ $logs = /* ]] || logs=$directory/$logs
log=$logs/$(date -u +%Y-%m-%dT%H-%M-%SZ).log
(umask 077 && mkdir -p "$logs" && touch "$log" "$logs/.lock") || misused "$log cannot be written."

kept=("$logs"/[0-9]*T*Z.log)
while [ ${#kept[@]} -gt "$keep" ]; do
    rm -f "${kept[0]}"
    kept=("${kept[@]:1}")
done

say() {
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) nightly.sh: $*" | tee -a "$log" >&2
}

# Run Snakemake into the log; who watches a terminal sees it there as well. To ask this script to end
# is to ask Snakemake: it lets the jobs at work come to their end.
run_snakemake() {
    local child shown='' start
    start=$(($(stat --format=%s "$log") + 1))
    # Otherwise the shell would have what is in the background ignore Ctrl-C.
    (trap - INT QUIT && exec "$snakemake" "$@") >>"$log" 2>&1 </dev/null &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null' TERM HUP
    trap : INT
    if [ -t 2 ]; then
        tail --bytes=+"$start" --follow --pid="$child" "$log" >&2 &
        shown=$!
    fi
    while kill -0 "$child" 2>/dev/null; do
        wait "$child"
    done
    [ -z "$shown" ] || wait "$shown"
    wait "$child"
}

end() {
    if [ "$1" -ne 0 ] && [ -n "$on_failure" ]; then
        if [[ $on_failure = *[[:space:]]* ]]; then
            sh -c "$on_failure" nightly.sh "$log" "$1"
        else
            "$on_failure" "$log" "$1"
        fi || say "The command of --on-failure ended with exit code $?."
    fi
    exit "$1"
}

# The kernel lets go of it when the run ends, however it ends. Snakemake holds it too, so that it
# stays held should this script alone be killed; what was killed takes a moment to end.
exec 9>>"$logs/.lock"
if ! flock --wait "$patience" 9; then
    say "Another nightly run is at work. This one did not begin."
    end $BUSY
fi

# --- The run, and a look at what it came to ------------------------------------------------------

until=$((SECONDS + patience))
while :; do
    run_snakemake "${for_run[@]}" "${arguments[@]}"
    code=$?
    [ $code -ne 0 ] && tail --lines=20 "$log" | grep -q '^Another run \(is\|was\) at work on ' || break
    if [ $SECONDS -ge $until ]; then
        say "Another run is at work. This one did not begin."
        end $BUSY
    fi
    sleep $((until - SECONDS < 30 ? until - SECONDS : 30))
done
if [ $code -ne 0 ]; then
    say "The run failed with exit code $code; $log tells of it."
    end $code
fi

run_snakemake status "${arguments[@]}" --quiet all || {
    say "The run went well, but the results are stale or cannot be looked at; $log tells of it."
    end $STALE
}
