"""What checks do to an S3 bucket behind our back: `URL BUCKET put FILE KEY`, `URL BUCKET dump PREFIX`,
`URL BUCKET list PREFIX` (a line for each version: SHA-256 and key)."""

import hashlib
import sys

import boto3

url, bucket, command, *arguments = sys.argv[1:]
client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")


def versions(prefix):
    pages = client.get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for version in page.get("Versions", []):
            stored = client.get_object(
                Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"]
            )
            yield version["Key"], stored["Metadata"], stored["Body"].read()


if command == "put":
    client.upload_file(arguments[0], bucket, arguments[1])
elif command == "dump":
    for _, metadata, body in versions(arguments[0]):
        sys.stdout.buffer.write(repr(metadata).encode())
        sys.stdout.buffer.write(body)
elif command == "list":
    for key, _, body in versions(arguments[0]):
        print(hashlib.sha256(body).hexdigest(), key)
else:
    sys.exit(f"no such command: {command}")
