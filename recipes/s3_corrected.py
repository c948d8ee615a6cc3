"""moto where it differs from S3: to be read before its server is started."""

from moto.s3.models import FakeDeleteMarker, S3Backend
from moto.s3.responses import S3Response

# moto names the elements around some answers after the operation, which S3 does not.
NAMES = {
    "GetBucketVersioningResponse": "VersioningConfiguration",
    "GetObjectTaggingResponse": "Tagging",
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
