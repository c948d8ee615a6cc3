//! What is known of what was taken: how long it is, and what it carries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::object::{Object, PART_BYTES_MAX, PARTS_MAX, Part, Taken, Upload};
use super::reply::Reply;
use super::request::Request;

/// All of it.
#[derive(Default)]
pub(super) struct Kept {
    /// By bucket and key.
    objects: BTreeMap<(String, String), Object>,
    uploads: BTreeMap<String, Upload>,
    /// How many things got a name of ours.
    named: u64,
    sent_bytes: u64,
}

impl Kept {
    pub(super) fn object(&self, bucket: &str, key: &str) -> Option<Taken> {
        let object = self.objects.get(&(bucket.to_owned(), key.to_owned()));
        object.map(|object| object.taken)
    }

    pub(super) fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        match request.method.as_str() {
            "GET" if request.has("versioning") => Reply::xml("<VersioningConfiguration/>".into()),
            "GET" if request.has("lifecycle") => {
                Reply::error("404 Not Found", "NoSuchLifecycleConfiguration")
            }
            "GET" if request.has("list-type") => self.list(request),
            "GET" if request.has("uploads") => Reply::xml("<ListMultipartUploadsResult/>".into()),
            "GET" if request.has("uploadId") => self.list_parts(request),
            "GET" if !request.key.is_empty() => self.get(request),
            "HEAD" => self.head(request),
            "POST" if request.has("uploads") => self.begin(request),
            "POST" if request.has("uploadId") => self.complete(request),
            "PUT" if request.has("partNumber") => match request.copy_source() {
                Some(source) => self.copy_part(request, &source),
                None => self.add_part(request, request.content_bytes, false),
            },
            "PUT" if request.copy_source().is_none() => self.take(request),
            "DELETE" if request.has("uploadId") => {
                self.uploads.remove(request.parameter("uploadId"));
                Reply::empty("200 OK")
            }
            "DELETE" => {
                self.objects.remove(&request.place());
                Reply::empty("200 OK")
            }
            _ => Reply::error("501 Not Implemented", "NotImplemented"),
        }
    }

    fn list(&self, request: &Request) -> Reply {
        let (prefix, delimiter) = (request.parameter("prefix"), request.parameter("delimiter"));
        let mut body = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
        let mut folders = BTreeSet::new();
        for ((bucket, key), object) in &self.objects {
            let rest = key.strip_prefix(prefix);
            let Some(rest) = rest.filter(|_| *bucket == request.bucket) else {
                continue;
            };
            match rest.split_once('/') {
                Some((folder, _)) if delimiter == "/" => {
                    folders.insert(format!("{prefix}{folder}/"));
                }
                _ => {
                    let _ = write!(
                        body,
                        "<Contents><Key>{}</Key><Size>{}</Size></Contents>",
                        escaped(key),
                        object.taken.size_bytes
                    );
                }
            }
        }
        for folder in folders {
            let folder = escaped(&folder);
            let _ = write!(
                body,
                "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
            );
        }
        body.push_str("</ListBucketResult>");
        Reply::xml(body)
    }

    fn list_parts(&self, request: &Request) -> Reply {
        let Some(upload) = self.uploads.get(request.parameter("uploadId")) else {
            return no_upload();
        };
        let mut body = "<ListPartsResult><IsTruncated>false</IsTruncated>".to_owned();
        for (number, part) in &upload.parts {
            let _ = write!(
                body,
                "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag><Size>{}</Size></Part>",
                part.etag, part.size_bytes
            );
        }
        body.push_str("</ListPartsResult>");
        Reply::xml(body)
    }

    fn head(&self, request: &Request) -> Reply {
        let Some(object) = self.objects.get(&request.place()) else {
            return Reply::empty("404 Not Found");
        };
        let mut reply = object.reply();
        reply.told_bytes = Some(object.taken.size_bytes);
        reply
    }

    fn get(&mut self, request: &Request) -> Reply {
        let Some(object) = self.objects.get(&request.place()) else {
            return no_object();
        };
        let size_bytes = object.taken.size_bytes;
        let Some(range) = request.range("range", size_bytes) else {
            return no_range();
        };
        let mut reply = object.reply();
        if request.header("range").is_some() {
            reply.status = "206 Partial Content";
            let (first, last) = (range.start, range.end - 1);
            let _ = write!(
                reply.headers,
                "Content-Range: bytes {first}-{last}/{size_bytes}\r\n"
            );
        }
        reply.zero_bytes = range.end - range.start;
        self.sent_bytes += reply.zero_bytes;
        reply
    }

    fn begin(&mut self, request: &Request) -> Reply {
        let id = self.name();
        let upload = Upload::begun(request);
        let body = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>"
        );
        self.uploads.insert(id, upload);
        Reply::xml(body)
    }

    fn copy_part(&mut self, request: &Request, source: &(String, String)) -> Reply {
        let Some(object) = self.objects.get(source) else {
            return no_object();
        };
        let expected = request.header("x-amz-copy-source-if-match");
        if expected.is_some_and(|etag| etag != object.etag) {
            return Reply::error("412 Precondition Failed", "PreconditionFailed");
        }
        let range = request.range("x-amz-copy-source-range", object.taken.size_bytes);
        match range {
            Some(range) => self.add_part(request, range.end - range.start, true),
            None => no_range(),
        }
    }

    fn add_part(&mut self, request: &Request, size_bytes: u64, is_copied: bool) -> Reply {
        let etag = self.etag();
        let Some(upload) = self.uploads.get_mut(request.parameter("uploadId")) else {
            return no_upload();
        };
        let number = request.parameter("partNumber").parse::<u32>().ok();
        let Some(number) = number.filter(|number| (1..=PARTS_MAX).contains(number)) else {
            return Reply::error("400 Bad Request", "InvalidArgument");
        };
        if size_bytes > PART_BYTES_MAX {
            return too_large();
        }
        let reply = if is_copied {
            Reply::xml(format!(
                "<CopyPartResult><ETag>{etag}</ETag></CopyPartResult>"
            ))
        } else {
            Reply::tagged(&etag)
        };
        let part = Part {
            etag,
            size_bytes,
            is_copied,
        };
        upload.parts.insert(number, part);
        reply
    }

    fn complete(&mut self, request: &Request) -> Reply {
        let id = request.parameter("uploadId");
        let Some(upload) = self.uploads.get(id) else {
            return no_upload();
        };
        if !upload.is_cut_well() {
            return Reply::error("400 Bad Request", "EntityTooSmall");
        }
        let Some(upload) = self.uploads.remove(id) else {
            return no_upload();
        };
        let (place, object) = upload.completed(self.etag());
        let body = format!(
            "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
            object.etag
        );
        self.objects.insert(place, object);
        Reply::xml(body)
    }

    fn take(&mut self, request: &Request) -> Reply {
        if request.content_bytes > PART_BYTES_MAX {
            return too_large();
        }
        let object = Object {
            etag: self.etag(),
            metadata: request.metadata(),
            taken: Taken {
                size_bytes: request.content_bytes,
                parts: 0,
                copied_parts: 0,
            },
        };
        let reply = Reply::tagged(&object.etag);
        self.objects.insert(request.place(), object);
        reply
    }

    fn name(&mut self) -> String {
        self.named += 1;
        format!("{:032x}", self.named)
    }

    fn etag(&mut self) -> String {
        format!("\"{}\"", self.name())
    }
}

fn no_object() -> Reply {
    Reply::error("404 Not Found", "NoSuchKey")
}

fn no_range() -> Reply {
    Reply::error("416 Range Not Satisfiable", "InvalidRange")
}

fn no_upload() -> Reply {
    Reply::error("404 Not Found", "NoSuchUpload")
}

fn too_large() -> Reply {
    Reply::error("400 Bad Request", "EntityTooLarge")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
