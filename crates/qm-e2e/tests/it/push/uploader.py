"""Uploads one file after the other, each until it is answered, while the server is killed again and
again. The list has a name in each line; the content of the n-th is the file of that number."""
import os
import sys
import time

import paramiko
from paramiko.sftp import *
from paramiko.sftp_attr import SFTPAttributes

USER, KEY, WORLD, LIST, CONTENTS = sys.argv[1:6]
LIMIT = 120


def connect():
    with open(os.path.join(WORLD, "port")) as file:
        port = int(file.read())
    client = paramiko.SSHClient()
    client.load_host_keys(os.path.join(WORLD, "known_hosts"))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect("127.0.0.1", port, USER, key_filename=KEY, look_for_keys=False,
                   allow_agent=False, timeout=10, banner_timeout=10, auth_timeout=10)
    sftp = client.open_sftp()
    sftp.client = client  # It closes when it is forgotten.
    return sftp


def upload(sftp, path, data):
    """With every answer read, that to CLOSE above all."""
    flags = SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC
    handle = sftp._request(CMD_OPEN, path, flags, SFTPAttributes())[1].get_binary()
    numbers = [
        sftp._async_request(type(None), CMD_WRITE, handle, int64(offset), data[offset:offset + 32768])
        for offset in range(0, len(data), 32768)
    ]
    for number in numbers:
        sftp._read_response(number)
    sftp._request(CMD_CLOSE, handle)


sftp, again = None, 0
for number, name in enumerate(open(LIST).read().split("\n")):
    with open(os.path.join(CONTENTS, str(number)), "rb") as file:
        data = file.read()
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            sftp = sftp or connect()
            upload(sftp, name, data)
            break
        except Exception as error:
            if time.monotonic() > deadline:
                raise SystemExit("%s was not taken: %r" % (name, error))
            sftp, again = None, again + 1
            time.sleep(0.02)
print("uploaded, %d tries in vain" % again)
