# The scene of the check: a PostgreSQL server, two nodes, and clients that go on with the other node
# when one is gone. Read by `check`.

declare -A ports=() processes=()
database=$folder/database secrets=$folder/secrets

# --- PostgreSQL ----------------------------------------------------------------------------------

# A port that is free now.
free_port() { "$QM_TEST_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# An authority, and the server's certificate by it, for the name `localhost` only.
make_certificates() {
    (
        cd "$folder"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
            -keyout authority.key -out authority.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
            -keyout server.key -out server.csr
        echo 'subjectAltName = DNS:localhost' >server.ext
        openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
            -extfile server.ext -out server.pem
    ) >"$folder/openssl.log" 2>&1 || { cat "$folder/openssl.log" && return 1; }
}

# Starts a server that takes passwords over TLS and nothing else over the network, and makes the
# ledger's database over a socket in its folder.
serve_postgres() {
    local programs as=() sockets=$database
    database_port=$(free_port)
    make_certificates
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
    cp "$folder/server.pem" "$folder/server.key" "$database"
    chmod 600 "$database/server.key"
    chown --reference="$database" "$database/server.pem" "$database/server.key"
    (
        cd "$database"
        "${as[@]}" "$programs/initdb" --pgdata="$database/data" --auth=trust --username=quaymaster \
            --encoding=UTF8 --no-sync >"$folder/initdb.log" 2>&1
    ) || { cat "$folder/initdb.log" && return 1; }
    printf '%s\n' 'local all all trust' 'hostssl all all 127.0.0.1/32 scram-sha-256' >"$database/data/pg_hba.conf"
    (
        cd "$database"
        exec "${as[@]}" "$programs/postgres" -D "$database/data" -k "$sockets" \
            -c listen_addresses=127.0.0.1 -c port="$database_port" -c ssl=on \
            -c ssl_cert_file="$database/server.pem" -c ssl_key_file="$database/server.key" \
            -c fsync=off >"$folder/postgres.log" 2>&1
    ) &
    postgres=$!
    running[$postgres]=postgres
    local connect=(--host="$sockets" --port="$database_port" --username=quaymaster)
    within 30 "$programs/createdb" "${connect[@]}" ledger
    "$programs/psql" "${connect[@]}" --quiet -c "ALTER ROLE quaymaster PASSWORD 'only-over-tls'" ledger
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
    # For clients that began before this start.
    echo "$port" >"$folder/$1/port.new"
    mv "$folder/$1/port.new" "$folder/$1/port"
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

# Uploads files `storm$1-1.bin` and so on, each to whichever node takes it, until `calm` is there.
# Names go to `storm-answered` when they were, to `storm-again` if that took more than one try.
upload_in_storm() {
    local number=0 to=one name tries output=$folder/storm-$1.out deadline=$((SECONDS + 300))
    while [[ ! -e $folder/calm ]]; do
        ((number += 1))
        name=storm$1-$number.bin tries=0
        until ((tries += 1)) && timeout 60 sftp -b - "${client[@]}" -i "$folder/keys/agency" \
            -P "$(<"$folder/$to/port")" agency@127.0.0.1 \
            <<<"put $folder/out/$((number % 100 + 1)).bin $name" >"$output" 2>&1; do
            ((SECONDS < deadline)) || return 1
            sleep 0.2
            if [[ $to == one ]]; then to=two; else to=one; fi
        done
        echo "$name" >>"$folder/storm-answered"
        if ((tries > 1)); then echo "$name" >>"$folder/storm-again"; fi
    done
}

# Kills the nodes in turn, and starts each again, so many times.
storm() {
    local kill name=one
    for ((kill = 0; kill < $1; kill++)); do
        # Not a wait for anything: the moment is the choice.
        sleep "$((1 + RANDOM % 2)).$((RANDOM % 10))"
        end_process "${processes[$name]}" KILL
        start "$name"
        if [[ $name == one ]]; then name=two; else name=one; fi
    done
}
# What file of `out` has the number at the end of the name.
source_of() { local number=${1##*-} && number=${number%.bin} && echo "$folder/out/$((number % 100 + 1)).bin"; }
storm_is_whole() {
    local name
    rm -rf "$folder/in" && mkdir "$folder/in"
    while read -r name; do echo "get $name $folder/in/$name"; done <"$folder/storm-answered" | agency two || return 1
    while read -r name; do cmp "$(source_of "$name")" "$folder/in/$name" || return 1; done <"$folder/storm-answered"
}

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
