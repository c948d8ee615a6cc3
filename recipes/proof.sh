# What every recipe's check needs: a folder of its own, the node, real clients, and a line for
# each row that was proven. Read by `source`, with `set -euo pipefail` in force.

: "${QUAYMASTER:?set it to the path of the quaymaster binary}"
# These would point the commands at another node than the check's own.
unset QUAYMASTER_CONFIG QUAYMASTER_DATA
export LC_ALL=C.UTF-8

folder=$(mktemp -d "${TMPDIR:-/tmp}/quaymaster-check.XXXXXXXX")
# The node's configuration, set by the check.
config=
# Processes of ours that still run; nothing else is ever stopped.
declare -A running=()
# What became of each row, and in what order they began.
declare -A title=() state=()
rows=()
row=
# Where the check itself failed, which is not a row's failure.
broke_off=

trap 'exit 130' INT
trap 'exit 143' TERM HUP
set -o errtrace
# A failure in a subshell is the caller's to judge.
trap '((BASH_SUBSHELL > 0)) || broke_off="line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND"' ERR
trap 'leave $?' EXIT

# What follows is expected for this row. A row may be continued later by its id alone.
row() {
    row=$1
    if [[ -n ${title[$row]-} ]]; then return; fi
    title[$row]=$2 state[$row]=unproven
    rows+=("$row")
}

# Runs a command; the row fails if the command does.
expect() {
    local why=$1
    shift
    if [[ ${state[$row]} == unproven ]]; then state[$row]=proven; fi
    if "$@" >"$folder/said" 2>&1; then return; fi
    state[$row]=failed
    echo "$row FAILS: $why"
    tail -n 25 "$folder/said" | sed 's/^/    | /'
}

not() { ! "$@"; }
is_equal() { [[ $1 == "$2" ]] || { printf 'found    %s\nexpected %s\n' "$1" "$2"; return 1; }; }

# Waits for a command to succeed, for at most so many seconds; prints what it said last.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >"$folder/tried" 2>&1; do
        if ((SECONDS >= deadline)); then
            cat "$folder/tried"
            return 1
        fi
        sleep 0.1
    done
}

# Prints a line for each row that was proven; the exit status tells whether all were.
finish() {
    local id failed=0
    broke_off=
    for id in "${rows[@]}"; do
        case ${state[$id]} in
        proven) echo "$id works: ${title[$id]}" ;;
        unproven) echo "$id FAILS: nothing was asserted" && failed=1 ;;
        failed) failed=1 ;;
        esac
    done
    exit "$failed"
}

# --- the node -----------------------------------------------------------------------------------

# A command of ours on the check's node.
qm() { "$QUAYMASTER" "$@" --config "$config"; }

# Starts the node and waits until it listens; `port` is where. Of several each has a name.
serve() {
    local name=${1:-node}
    : >"$folder/$name.out"
    "$QUAYMASTER" serve --config "$config" >"$folder/$name.out" 2>>"$folder/$name.log" &
    node=$!
    running[$node]=$name
    if ! within 30 node_listens_or_ended "$name" || ! node_listens "$name"; then
        echo "$name did not start:" >&2
        tail -n 20 "$folder/$name.log" >&2
        exit 1
    fi
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$folder/$name.out")
}

node_listens() { grep -q '^listening on ' "$folder/$1.out"; }
node_listens_or_ended() { node_listens "$1" || gone "$node"; }

# Ends a process of ours with the signal and waits until it is gone.
end_process() {
    local process=$1 signal=$2
    kill "-$signal" "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
    unset "running[$process]"
}

# True if a command of ours prints a line that matches.
shows() {
    local pattern=$1
    shift
    qm "$@" >"$folder/shown" 2>&1 && grep -Eq -- "$pattern" "$folder/shown" || { cat "$folder/shown"; return 1; }
}

# True if a command of ours succeeds and prints no line that matches.
lacks() {
    local pattern=$1
    shift
    qm "$@" >"$folder/shown" 2>&1 && ! grep -E -- "$pattern" "$folder/shown"
}

# Applies the configuration to the running node; `applying_says` also wants a line that matches.
apply() { "$QUAYMASTER" apply "$config"; }
applying_says() {
    apply >"$folder/applied" 2>&1 && grep -Eq -- "$1" "$folder/applied" || { cat "$folder/applied"; return 1; }
}

# --- clients ------------------------------------------------------------------------------------

# Makes a key pair for a name: `keys/NAME` and `keys/NAME.pub`.
make_key() {
    mkdir -p "$folder/keys"
    ssh-keygen -q -N '' -C "$1" -f "$folder/keys/$1" -t "$2"
}

# Runs the batch on stdin as a user with the key of that name; fails if any line of it does.
sftp_as() {
    local user=$1 key=$2
    shift 2
    timeout 60 sftp -b - "${client[@]}" -i "$folder/keys/$key" "$@" -P "$port" \
        "$user@127.0.0.1" >"$folder/client.out" 2>&1 || { cat "$folder/client.out"; return 1; }
}

# True if the client is refused by the server, not for another reason.
denied() { ! "$@" && client_said '[Pp]ermission denied'; }

# True if the last client printed a line that matches.
client_said() {
    grep -Eq -- "$1" "$folder/client.out" || { cat "$folder/client.out"; return 1; }
}

fingerprint() { ssh-keygen -lf "$folder/keys/$1.pub" | cut -d ' ' -f 2; }
# As the clients saw it.
host_fingerprint() { ssh-keygen -lf "$folder/known_hosts" | tail -n 1 | cut -d ' ' -f 2; }
# Text that a pattern takes as it is.
literal() { sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$1"; }

# Nothing of the machine's own configuration, agent or known hosts.
client=(
    -F none
    -o "UserKnownHostsFile=$folder/known_hosts" -o GlobalKnownHostsFile=/dev/null
    -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes -o IdentityAgent=none
    -o PreferredAuthentications=publickey -o ConnectTimeout=20 -o LogLevel=ERROR
)

# --- the end ------------------------------------------------------------------------------------

leave() {
    local status=$1 process log
    trap - ERR EXIT
    set +e
    if [[ $status != 0 && -n $broke_off ]]; then
        echo "the check itself broke off at $broke_off"
    fi
    if [[ $status != 0 ]]; then
        for log in "$folder"/node*.log; do
            [[ -s $log ]] || continue
            echo "the last lines of ${log##*/}:"
            tail -n 20 "$log" | sed 's/^/    | /'
        done
    fi
    for process in "${!running[@]}"; do
        kill "$process" 2>/dev/null
        within 20 gone "$process" || kill -KILL "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    done
    rm -rf -- "$folder"
    exit "$status"
}

gone() { ! kill -0 "$1" 2>/dev/null; }
