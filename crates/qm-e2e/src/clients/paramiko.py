"""An SFTP session that is driven from outside. Each line of the input is a Python program as a JSON
string; each line of the output is what became of it: {"result": ...} or {"error": ..., ...}.

Programs share their names. They find `sftp` (an open client), `connect()` for further sessions, and
what is defined here; they put what they want to answer into `result`.
"""
import errno
import hashlib
import json
import sys

import paramiko
from paramiko.sftp import *
from paramiko.sftp_attr import SFTPAttributes

USER, KEY, PORT, KNOWN_HOSTS = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def connect():
    """A client of a session of its own."""
    client = paramiko.SSHClient()
    client.load_host_keys(KNOWN_HOSTS)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        "127.0.0.1", PORT, USER, key_filename=KEY, look_for_keys=False, allow_agent=False,
        timeout=30, banner_timeout=30, auth_timeout=30,
    )
    session = client.open_sftp()
    session.ssh = client  # It closes when it is forgotten.
    return session


def request(session, kind, *parts):
    """One request as it is, without paramiko's own ideas of names; an error status is raised."""
    return session._request(kind, *parts)


def open_handle(session, path, flags, attributes=None):
    """A handle; `path` may be any bytes."""
    return request(session, CMD_OPEN, path, flags, attributes or SFTPAttributes())[1].get_binary()


def send(session, handle, offset, data):
    """A WRITE that is not waited for; its number."""
    return session._async_request(type(None), CMD_WRITE, handle, int64(offset), data)


def upload(session, path, data, flags=SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC):
    """An upload in which every answer counts, that to CLOSE too (paramiko's own ignores it)."""
    handle = open_handle(session, path, flags)
    numbers = [
        send(session, handle, offset, data[offset:offset + 32768])
        for offset in range(0, len(data), 32768)
    ]
    for number in numbers:
        session._read_response(number)
    request(session, CMD_CLOSE, handle)


def download(session, path):
    with session.open(path, "rb") as file:
        file.prefetch()
        return file.read()


def status_of(act):
    """What a request was answered: `ok`, or the kind of error with its text."""
    try:
        act()
        return ["ok", ""]
    except IOError as error:
        kinds = {errno.ENOENT: "no such file", errno.EACCES: "permission denied"}
        kind = kinds.get(error.errno, "failure")
        return [kind, error.strerror or str(error)]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def main():
    names = dict(globals())
    names["sftp"] = connect()
    print(json.dumps({"result": "connected"}), flush=True)
    for line in sys.stdin:
        names["result"] = None
        try:
            exec(json.loads(line), names)
            answer = {"result": names["result"]}
        except Exception as error:
            answer = {"error": str(error), "kind": type(error).__name__,
                      "errno": getattr(error, "errno", None)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        print(json.dumps({"error": str(error), "kind": type(error).__name__, "errno": None}), flush=True)
        sys.exit(1)
