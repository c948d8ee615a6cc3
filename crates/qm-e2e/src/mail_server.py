"""A real SMTP server on loopback. Each mail that it takes becomes a file of JSON in the folder.

While a file `refuse` lies in the folder, every mail is put off with a temporary error.
"""
import asyncio
import email
import email.policy
import json
import os
import sys

from aiosmtpd.smtp import SMTP


class Shelf:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        if os.path.exists(os.path.join(self.folder, "refuse")):
            return "451 come back later"
        self.count += 1
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mail = {
            "to": envelope.rcpt_tos,
            "subject": message["Subject"],
            "body": message.get_content(),
        }
        path = os.path.join(self.folder, "%08d.json" % self.count)
        with open(path + ".new", "w") as out:
            json.dump(mail, out)
        os.rename(path + ".new", path)
        return "250 taken"


async def main(folder, port):
    shelf = Shelf(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(shelf, loop=loop), "127.0.0.1", port)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
