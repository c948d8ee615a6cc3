# The scene of the check: partners, each an OpenSSH server of its own with its own host key, and the
# secrets that tell how to reach them; the configuration with its places filled in. Read by `check`.

me=$(id -un)
secrets=$folder/secrets bucket=$folder/staging config=$folder/quaymaster.toml
sshd=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v sshd)
declare -A partner_process=()

# --- partners ------------------------------------------------------------------------------------

# Makes a partner: its server's host key, our login key there (with this passphrase; further
# arguments are ssh-keygen's), its folder.
make_partner() {
    local name=$1 passphrase=${2-} home=$folder/partners/$1
    mkdir -p "$home/in"
    make_host_key "$name"
    make_login "$name" "$passphrase" "${@:3}"
    # The port is the partner's for the whole check: its server comes and goes.
    free_port >"$home/port"
}

make_host_key() {
    rm -f "$folder/partners/$1/host_key"*
    ssh-keygen -q -N '' -C "$1" -t ed25519 -f "$folder/partners/$1/host_key"
}

# A new key of ours, the only one that the partner takes.
make_login() {
    local name=$1 passphrase=$2 home=$folder/partners/$1
    rm -f "$home"/login*
    ssh-keygen -q -N "$passphrase" -C "$name" -t ed25519 "${@:3}" -f "$home/login"
    cp "$home/login.pub" "$home/authorized_keys"
    # What must be nowhere but in the secret: the key's body without its first line, which all have
    # in common, and its last, which may be short.
    sed '/^-/d' "$home/login" | sed '1d;$d' >>"$folder/canaries"
}

free_port() {
    "$QM_TEST_PYTHON" -c 'import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1])'
}

start_partner() {
    local name=$1 home=$folder/partners/$1
    cat >"$home/sshd_config" <<CONFIG
ListenAddress 127.0.0.1:$(<"$home/port")
HostKey $home/host_key
AuthorizedKeysFile $home/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
CONFIG
    # Debian's sshd does not start as root without it.
    [[ $me != root ]] || mkdir -p /run/sshd
    : >"$home/log"
    "$sshd" -D -e -f "$home/sshd_config" 2>"$home/log" &
    partner_process[$name]=$!
    running[$!]=$name
    within 20 grep -q '^Server listening' "$home/log"
}

# With the sessions it has: they are processes of their own.
stop_partner() {
    local process=${partner_process[$1]} sessions
    sessions=$(pgrep -P "$process" || true)
    end_process "$process" TERM
    # shellcheck disable=SC2086 # a word each
    [[ -z $sessions ]] || kill $sessions 2>/dev/null || true
}

# True if the partner has the file with these bytes.
got() { cmp "$1" "$folder/partners/$2/in/$3"; }
# True if it has nothing of that name, temp names included.
has_nothing_of() {
    local found
    found=$(find "$folder/partners/$1/in" -name "*$2*")
    [[ -z $found ]] || { echo "$found"; return 1; }
}
logins() { grep -c '^Accepted publickey' "$folder/partners/$1/log" || true; }

# --- their secrets -------------------------------------------------------------------------------

# Writes the partner's secret; further arguments are fields, `name=value in JSON`.
write_secret() {
    local name=$1 file=$secrets/push/$1
    mkdir -p "$secrets/push"
    "$QM_TEST_PYTHON" - "$me" "$folder/partners/$name" "${@:2}" >"$file.new" <<'PYTHON'
import json
import pathlib
import sys

user, home, *fields = sys.argv[1:]
home = pathlib.Path(home)
secret = {
    "host": "127.0.0.1",
    "port": int((home / "port").read_text()),
    "username": user,
    "private_key": (home / "login").read_text(),
    "known_hosts": [(home / "host_key.pub").read_text().strip()],
    "remote_dir": f"{home}/in",
}
for field in fields:
    name, value = field.split("=", 1)
    secret[name] = json.loads(value)
print(json.dumps(secret))
PYTHON
    chmod 600 "$file.new"
    # Replaced at once: the node may read it now.
    mv "$file.new" "$file"
}
tag_secret() { echo "$2" >"$secrets/push/$1.tags"; }

# --- the configuration of the check: the recipe's, with these put in their places ----------------

pauses='"1s", "1s"' after= concurrency=2 limits= min_size=1

write_config() {
    local edits=()
    [[ -z $after ]] || edits+=(-e "s|^after = .*|after = $after|")
    sed "${edits[@]}" \
        -e "s|^data = .*|data = \"$folder/data\"|" \
        -e "s|^secrets = .*|secrets = \"$secrets\"|" \
        -e 's|^undelivered_alert_after = .*|undelivered_alert_after = "2s"|' \
        -e 's|^address = .*|address = "127.0.0.1:0"|' \
        -e "s|^url = .*|url = \"file://$bucket\"|" \
        -e 's|every = "5s", settle = "2s"|every = "1s", settle = "1s"|' \
        -e "s|^ssh_keys = .*|ssh_keys = [\"$(<"$folder/keys/producer.pub")\"]|" \
        -e 's|^networks = .*|networks = ["127.0.0.0/8"]|' \
        -e "s|concurrency = 2 |concurrency = $concurrency, breaker = { failures = 1000 }$limits |" \
        -e "s|^retry = .*|retry = [$pauses]|" \
        -e "s|^min_size = .*|min_size = $min_size|" \
        -e 's|^host = .*|host = "127.0.0.1"|' \
        -e "s|^port = .*|port = $(<"$folder/mails/port")|" \
        -e 's|^security = .*|security = "plain"|' \
        "$here/quaymaster.toml" >"$config"
}
