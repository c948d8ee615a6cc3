"""What the check does to the S3 bucket behind our back: `URL put FILE KEY`, `URL dump PREFIX`."""

import sys

import boto3

BUCKET = "example-landing"
url, command, *arguments = sys.argv[1:]
client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
if command == "put":
    client.upload_file(arguments[0], BUCKET, arguments[1])
elif command == "dump":
    versions = client.get_paginator("list_object_versions")
    for page in versions.paginate(Bucket=BUCKET, Prefix=arguments[0]):
        for version in page.get("Versions", []):
            stored = client.get_object(
                Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"]
            )
            sys.stdout.buffer.write(repr(stored["Metadata"]).encode())
            sys.stdout.buffer.write(stored["Body"].read())
else:
    sys.exit(f"no such command: {command}")
