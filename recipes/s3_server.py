"""An S3 server (moto) on a free port of loopback, with one versioned bucket: `BUCKET FILE`.

Writes its URL into the file once it answers.
"""

import os
import sys
import threading

import boto3
from moto.server import ThreadedMotoServer

import s3_corrected  # noqa: F401  (corrects moto by being read)

bucket, file = sys.argv[1:]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
client.create_bucket(Bucket=bucket)
client.put_bucket_versioning(
    Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
)
with open(file + ".new", "w", encoding="utf-8") as written:
    written.write(url)
os.rename(file + ".new", file)
threading.Event().wait()
