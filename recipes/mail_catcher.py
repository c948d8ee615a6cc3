"""A mail server that delivers nothing: each message becomes a file for each recipient, numbered
in the order in which they came. The port is written to `port` once it listens."""

import asyncio
import email
import email.policy
import itertools
import pathlib
import sys

from aiosmtpd.smtp import SMTP


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count(1)

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = message.get_content().replace("\r\n", "\n").rstrip("\n")
        for recipient in envelope.rcpt_tos:
            text = f"To: {recipient}\nSubject: {message['Subject']}\n\n{body}\n"
            write_whole(self.folder / f"{next(self.numbers):03}.mail", text)
        return "250 kept"


def write_whole(path, text):
    """Never visible half written."""
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.rename(path)


async def main(folder):
    keeper = Keeper(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(keeper), "127.0.0.1", 0)
    write_whole(folder / "port", str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


asyncio.run(main(pathlib.Path(sys.argv[1])))
