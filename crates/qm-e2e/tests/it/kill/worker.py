"""One partner's session that works while the server is killed again and again.

It logs what it begins, what was answered, and, after each reconnection, what it finds. It decides
nothing: what was lost is found by whoever reads the log and looks at the disk.
"""
import hashlib
import json
import os
import random
import sys
import time

import paramiko
from paramiko.sftp import *
from paramiko.sftp_attr import SFTPAttributes

USER, KEY, WORLD, NUMBER, SEED, OPERATIONS, LOG, LARGEST, TEMPORARY = sys.argv[1:10]
NAMES = ["w%s-%d.bin" % (NUMBER, index) for index in range(6)]
# Never so small that two contents could be the same.
SIZES = [16, 3000, 40000, 40001, 300000, int(LARGEST)]
RECONNECT_LIMIT = 60
# On S3 what is under a temporary name can be seen and not read.
ARE_READ = TEMPORARY == "read"

chance = random.Random("%s-%s" % (SEED, NUMBER))
log_file = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def log(event, **fields):
    os.write(log_file, (json.dumps(dict(fields, event=event, worker=int(NUMBER))) + "\n").encode())


class Cut(Exception):
    """The connection is gone."""


def connect():
    deadline = time.monotonic() + RECONNECT_LIMIT
    while True:
        try:
            with open(os.path.join(WORLD, "port")) as file:
                port = int(file.read())
            client = paramiko.SSHClient()
            client.load_host_keys(os.path.join(WORLD, "known_hosts"))
            client.set_missing_host_key_policy(paramiko.RejectPolicy())
            client.connect("127.0.0.1", port, USER, key_filename=KEY, look_for_keys=False,
                           allow_agent=False, timeout=10, banner_timeout=10, auth_timeout=10)
            sftp = client.open_sftp()
            sftp.client = client
            return sftp
        except Exception as error:
            if time.monotonic() > deadline:
                raise SystemExit("no connection: %r" % error)
            time.sleep(0.02)


def asked(sftp, act):
    """Runs it; a refusal of a living server is told, a dead one raises Cut."""
    try:
        return act()
    except Exception as error:
        transport = sftp.client.get_transport()
        transport.join(5)
        if transport.is_active():
            log("refused", error=repr(error))
            raise SystemExit("refused: %r" % error)
        raise Cut from error


def upload(sftp, path, data):
    """With every answer read, that to CLOSE above all."""
    flags = SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC
    handle = sftp._request(CMD_OPEN, path, flags, SFTPAttributes())[1].get_binary()
    for offset in range(0, len(data), 32768):
        numbers = sftp._async_request(type(None), CMD_WRITE, handle, int64(offset),
                                      data[offset:offset + 32768])
        sftp._read_response(numbers)
        if chance.random() < 0.1:
            log("wrote")
    sftp._request(CMD_CLOSE, handle)


def look(sftp):
    """What is under this worker's names, by their digests."""
    prefix = "w%s-" % NUMBER
    found = {}
    for name in sftp.listdir("."):
        if name.startswith(prefix) and name.endswith(".filepart") and not ARE_READ:
            found[name] = told_of(sftp.stat(name).st_size)
        elif name.startswith(prefix):
            with sftp.open(name, "rb") as file:
                file.prefetch()
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def told_of(size):
    """In place of the digest of what cannot be read."""
    return "%d bytes" % size


def do(sftp, there, act, change, **fields):
    """One request that changes names. `change`: what they will be; None for one that will be gone."""
    log("begin", change=change, **fields)
    asked(sftp, act)
    log("ok")
    for name, digest in change.items():
        if digest is None:
            del there[name]
        else:
            there[name] = digest


def put(sftp, there, name):
    data = chance.randbytes(chance.choice(SIZES))
    digest = hashlib.sha256(data).hexdigest()
    do(sftp, there, lambda: upload(sftp, name, data), {name: digest}, arrives=name)


def put_by_temp_name(sftp, there, name):
    data = chance.randbytes(chance.choice(SIZES))
    digest, temp = hashlib.sha256(data).hexdigest(), name + ".filepart"
    under_temp = digest if ARE_READ else told_of(len(data))
    do(sftp, there, lambda: upload(sftp, temp, data), {temp: under_temp})
    do(sftp, there, lambda: sftp.posix_rename(temp, name), {temp: None, name: digest}, arrives=name)


def rename(sftp, there, name):
    other = chance.choice([other for other in NAMES if other != name])
    change = {name: None, other: there[name]}
    do(sftp, there, lambda: sftp.posix_rename(name, other), change, renamed=other)


def remove(sftp, there, name):
    do(sftp, there, lambda: sftp.remove(name), {name: None})


def operate(sftp, there):
    name = chance.choice(NAMES)
    draw = chance.random()
    if name in there and draw < 0.2:
        remove(sftp, there, name)
    elif name in there and draw < 0.4:
        rename(sftp, there, name)
    elif draw < 0.6:
        put_by_temp_name(sftp, there, name)
    else:
        put(sftp, there, name)


def session(operations):
    """A connection until it is cut or so many operations are done; how many were begun."""
    begun = 0
    try:
        sftp = connect()
        there = asked(sftp, lambda: look(sftp))
        log("found", there=there)
        while begun < operations:
            # What is cut off is not tried again: it must have happened or not.
            begun += 1
            operate(sftp, there)
        there = asked(sftp, lambda: look(sftp))
        log("found", there=there)
        return begun, True
    except Cut:
        log("cut")
        return begun, False


left, is_settled = int(OPERATIONS), False
while left > 0 or not is_settled:
    begun, is_settled = session(left)
    left -= begun
log("end")
