"""An S3 server (moto) on a free port of loopback, with one versioned bucket.

Writes its URL into the file named by the first argument once it answers.
"""

import os
import sys
import threading

import boto3
from moto.server import ThreadedMotoServer

import s3_corrected  # noqa: F401  (corrects moto by being read)

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
client.create_bucket(Bucket="example-landing")
client.put_bucket_versioning(
    Bucket="example-landing", VersioningConfiguration={"Status": "Enabled"}
)
with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
    file.write(url)
os.rename(sys.argv[1] + ".new", sys.argv[1])
threading.Event().wait()
