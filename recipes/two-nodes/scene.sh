# The scene of the check: a PostgreSQL server, two nodes, and clients that go on with the other node
# when one is gone. Read by `check`.

declare -A ports=() processes=()
database=$folder/database secrets=$folder/secrets

# --- PostgreSQL ----------------------------------------------------------------------------------

# Starts a server that listens on a socket in its folder only, and makes the ledger's database.
serve_postgres() {
    local programs as=() sockets=$database
    # Debian keeps the versions side by side.
    programs=$(find /usr/lib/postgresql -path '*/bin/postgres' | sort -V | tail -n 1)
    programs=${programs%/postgres}
    : "${programs:?install postgresql}"
    mkdir -m 700 "$database"
    if [[ $(id -u) == 0 ]]; then
        # It refuses to run as root. Its user must come through to its own folder.
        as=(setpriv --reuid=postgres --regid=postgres --init-groups)
        chown postgres: "$database"
        chmod o+x "$folder"
    fi
    (
        cd "$database"
        "${as[@]}" "$programs/initdb" --pgdata="$database/data" --auth=trust --username=quaymaster \
            --encoding=UTF8 --no-sync >"$folder/initdb.log" 2>&1
    ) || { cat "$folder/initdb.log" && return 1; }
    (
        cd "$database"
        exec "${as[@]}" "$programs/postgres" -D "$database/data" -k "$sockets" -c listen_addresses= \
            -c fsync=off >"$folder/postgres.log" 2>&1
    ) &
    postgres=$!
    running[$postgres]=postgres
    within 30 "$programs/createdb" --host="$sockets" --username=quaymaster ledger
}

# --- the nodes -----------------------------------------------------------------------------------

# Far enough away that nothing is due before it is asked for.
due=$(date -u -d '+6 hours' +%T)

# The recipe's configuration with these put in their places; of a node only the data folder differs.
write_config() {
    local name
    for name in one two; do
        mkdir -p "$folder/$name"
        sed -e "s|^data = .*|data = \"$folder/$name/data\"|" \
            -e "s|^secrets = .*|secrets = \"$secrets\"|" \
            -e 's|^address = .*|address = "127.0.0.1:0"|' \
            -e "s|^region = \"eu-west-1\"|endpoint = \"$(<"$folder/example-landing.url")\"|" \
            -e "s|^region = \"eu-central-1\"|endpoint = \"$(<"$folder/example-archive.url")\"|" \
            -e "s|^due = .*|due = \"$due\"|" \
            -e 's|^host = .*|host = "127.0.0.1"|' \
            -e "s|^port = .*|port = $(<"$folder/mails/port")|" \
            -e 's|^security = .*|security = "plain"|' \
            "$here/quaymaster.toml" >"$folder/$name/quaymaster.toml"
    done
}

start() {
    config=$folder/$1/quaymaster.toml
    serve "node-$1"
    processes[$1]=$node
    ports[$1]=$port
}

# Runs what follows on that node.
on() {
    # What is called sees these.
    # shellcheck disable=SC2034
    local config=$folder/$1/quaymaster.toml port=${ports[$1]}
    shift
    "$@"
}
agency() { on "$1" sftp_as agency agency; }
name_of() { on two qm status | awk -v process="${processes[$1]}" '$1 == "node" && $6 == process { print $2 }'; }
is_listed() { shows "^node +[^ ]+ $2 as process ${processes[$1]} " status; }
host_key_of() { ssh-keyscan -t ed25519 -p "${ports[$1]}" 127.0.0.1 2>/dev/null | cut -d ' ' -f 2,3; }

# --- files ---------------------------------------------------------------------------------------

# True if none of the deliveries of these files is open or dead any more.
all_delivered() {
    local found
    found=$(qm delivery list --limit 10000 | awk -v count="$1" -v object=" landing/agency/$2" '
        index($0, object) { seen += 1; if ($2 !~ /^(delivered,?|superseded)$/) print }
        END { if (seen < count) print seen, "of", count }')
    [[ -z $found ]] || { echo "$found"; return 1; }
}

# Uploads files `$1` to `$2` of `out`, each until a node has answered that it has it: node one as
# long as it is there, then node two, which refuses the names that node one was at work on until
# that one's lease is over. `answered` has those that were answered, `again` those that took more
# than one try, `refused` what clients were told.
upload_all() {
    local number to=one deadline=$((SECONDS + 120)) output=$folder/client-$1.out
    for ((number = $1; number <= $2; number++)); do
        until timeout 60 sftp -b - "${client[@]}" -i "$folder/keys/agency" -P "${ports[$to]}" \
            agency@127.0.0.1 <<<"put $folder/out/$number.bin file$number.bin" >"$output" 2>&1; do
            cat "$output" >>"$folder/refused"
            ((SECONDS < deadline)) || return 1
            if [[ $to == two ]]; then sleep 1; fi
            to=two
            echo "$number" >>"$folder/again"
        done
        echo "$number" >>"$folder/answered"
    done
}
has_answered() { (($(wc -l <"$folder/answered") >= $1)); }

# True if what node two shows of every file is what was uploaded.
all_whole() {
    local number
    rm -rf "$folder/in" && mkdir "$folder/in"
    for number in $(<"$folder/answered"); do echo "get file$number.bin $folder/in/$number.bin"; done |
        agency two || return 1
    for number in $(<"$folder/answered"); do cmp "$folder/out/$number.bin" "$folder/in/$number.bin" || return 1; done
}

# Prints what the archive's S3 server itself has: a line for each version of each object.
archived() { in_s3 example-archive list "agencies/agency/$1" | sed 's|agencies/agency/||' | sort; }
