"""An S3 server (moto) on a free port of loopback, with one versioned bucket.

Writes its URL into the file named by the first argument once it answers.
"""

import os
import sys
import threading

import boto3
from moto.s3.models import FakeDeleteMarker, S3Backend
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

# moto names the elements around some answers after the operation, which S3 does not.
NAMES = {
    "GetBucketVersioningResponse": "VersioningConfiguration",
    "ListMultipartUploadsResponse": "ListMultipartUploadsResult",
    "ListObjectVersionsResponse": "ListVersionsResult",
    "ListPartsResponse": "ListPartsResult",
}
serialized = S3Response.serialized
list_objects = S3Backend.list_objects


def corrected(self, result):
    status, headers, body = serialized(self, result)
    if isinstance(body, str):
        for theirs, right in NAMES.items():
            body = body.replace("<" + theirs, "<" + right)
            body = body.replace("</" + theirs, "</" + right)
    return status, headers, body


def list_live(self, bucket, prefix, delimiter, marker, max_keys):
    """Without folders of which only delete markers are left: S3 does not list them."""
    keys, folders, is_truncated, following = list_objects(
        self, bucket, prefix, delimiter, marker, max_keys
    )
    live = [
        name
        for name, key in bucket.keys.items()
        if not isinstance(key, FakeDeleteMarker)
    ]
    folders = [
        folder for folder in folders if any(name.startswith(folder) for name in live)
    ]
    return keys, folders, is_truncated, following


S3Response.serialized = corrected
S3Backend.list_objects = list_live

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
