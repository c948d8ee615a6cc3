//! What is known of what was taken: how long it is, and what it carries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::reply::Reply;
use super::request::Request;

/// All of it.
#[derive(Default)]
pub(super) struct Kept {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    /// How many things got a name of ours.
    named: u64,
}

#[derive(Default)]
struct Object {
    etag: String,
    size_bytes: u64,
    metadata: Vec<(String, String)>,
}

struct Upload {
    key: String,
    metadata: Vec<(String, String)>,
    /// Etag and size, by number.
    parts: BTreeMap<u32, (String, u64)>,
}

impl Kept {
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        match request.method.as_str() {
            "GET" if request.has("versioning") => Reply::xml("<VersioningConfiguration/>".into()),
            "GET" if request.has("lifecycle") => {
                Reply::error("404 Not Found", "NoSuchLifecycleConfiguration")
            }
            "GET" if request.has("list-type") => self.list(request),
            "GET" if request.has("uploads") => Reply::xml("<ListMultipartUploadsResult/>".into()),
            "GET" if request.has("uploadId") => self.list_parts(request),
            "HEAD" => self.head(request),
            "POST" if request.has("uploads") => self.begin(request),
            "POST" if request.has("uploadId") => self.complete(request),
            "PUT" if request.has("partNumber") => self.take_part(request),
            "PUT" if !request.is_copy => self.take(request),
            "DELETE" if request.has("uploadId") => {
                self.uploads.remove(request.parameter("uploadId"));
                Reply::empty("200 OK")
            }
            "DELETE" => {
                self.objects.remove(&request.key);
                Reply::empty("200 OK")
            }
            _ => Reply::error("501 Not Implemented", "NotImplemented"),
        }
    }

    fn list(&self, request: &Request) -> Reply {
        let (prefix, delimiter) = (request.parameter("prefix"), request.parameter("delimiter"));
        let mut body = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
        let mut folders = BTreeSet::new();
        for (key, object) in &self.objects {
            let Some(rest) = key.strip_prefix(prefix) else {
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
                        object.size_bytes
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
        for (number, (etag, size_bytes)) in &upload.parts {
            let _ = write!(
                body,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>\
                 <Size>{size_bytes}</Size></Part>"
            );
        }
        body.push_str("</ListPartsResult>");
        Reply::xml(body)
    }

    fn head(&self, request: &Request) -> Reply {
        let Some(object) = self.objects.get(&request.key) else {
            return Reply::empty("404 Not Found");
        };
        let mut reply = Reply::tagged(&object.etag);
        for (name, value) in &object.metadata {
            let _ = write!(reply.headers, "{name}: {value}\r\n");
        }
        reply.told_bytes = Some(object.size_bytes);
        reply
    }

    fn begin(&mut self, request: &Request) -> Reply {
        let id = self.name();
        let upload = Upload {
            key: request.key.clone(),
            metadata: request.metadata.clone(),
            parts: BTreeMap::new(),
        };
        let body = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>"
        );
        self.uploads.insert(id, upload);
        Reply::xml(body)
    }

    fn take_part(&mut self, request: &Request) -> Reply {
        let etag = self.etag();
        let Some(upload) = self.uploads.get_mut(request.parameter("uploadId")) else {
            return no_upload();
        };
        let Ok(number) = request.parameter("partNumber").parse() else {
            return Reply::error("400 Bad Request", "InvalidArgument");
        };
        let part = (etag.clone(), request.content_bytes());
        upload.parts.insert(number, part);
        Reply::tagged(&etag)
    }

    fn complete(&mut self, request: &Request) -> Reply {
        let Some(upload) = self.uploads.remove(request.parameter("uploadId")) else {
            return no_upload();
        };
        let object = Object {
            etag: self.etag(),
            size_bytes: upload
                .parts
                .values()
                .map(|(_, size_bytes)| size_bytes)
                .sum(),
            metadata: upload.metadata,
        };
        let body = format!(
            "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
            object.etag
        );
        self.objects.insert(upload.key, object);
        Reply::xml(body)
    }

    fn take(&mut self, request: &Request) -> Reply {
        let object = Object {
            etag: self.etag(),
            size_bytes: request.content_bytes(),
            metadata: request.metadata.clone(),
        };
        let reply = Reply::tagged(&object.etag);
        self.objects.insert(request.key.clone(), object);
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

fn no_upload() -> Reply {
    Reply::error("404 Not Found", "NoSuchUpload")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reply to a request, which must be read to its end.
    fn ask(kept: &mut Kept, text: &str) -> Reply {
        let mut from = text.as_bytes();
        let request = Request::read(&mut from).unwrap().unwrap();
        request.discard_body(&mut from).unwrap();
        assert!(from.is_empty(), "{text}");
        kept.answer(&request)
    }

    #[test]
    fn an_upload_is_known_by_its_length_alone() {
        let mut kept = Kept::default();
        let begun = ask(
            &mut kept,
            "POST /bench/in/a%20b?uploads HTTP/1.1\r\nX-Amz-Meta-Of: us\r\n\r\n",
        );
        let id = format!("{:032x}", 1);
        assert!(begun.body.contains(&id), "{}", begun.body);
        let target = format!("/bench/in/a%20b?uploadId={id}");
        for (number, body) in [
            (1, "content-length: 5\r\n\r\nfirst"),
            (2, "content-length: 3\r\n\r\nend"),
        ] {
            let sent = format!("PUT {target}&partNumber={number} HTTP/1.1\r\n{body}");
            assert!(ask(&mut kept, &sent).headers.starts_with("ETag: \""));
        }
        let listed = ask(&mut kept, &format!("GET {target} HTTP/1.1\r\n\r\n"));
        assert!(listed.body.contains("<Size>5</Size>") && listed.body.contains("<Size>3</Size>"));
        let completion = format!("POST {target} HTTP/1.1\r\ncontent-length: 2\r\n\r\n<>");
        assert_eq!(ask(&mut kept, &completion).status, "200 OK");
        assert_eq!(ask(&mut kept, &completion).status, "404 Not Found");
        let head = ask(&mut kept, "HEAD /bench/in/a%20b HTTP/1.1\r\n\r\n").text();
        assert!(head.contains("x-amz-meta-of: us\r\n") && head.contains("Length: 8\r\n"));
        ask(&mut kept, "DELETE /bench/in/a%20b HTTP/1.1\r\n\r\n");
        let gone = ask(&mut kept, "HEAD /bench/in/a%20b HTTP/1.1\r\n\r\n");
        assert_eq!(gone.status, "404 Not Found");
    }

    #[test]
    fn folders_are_listed_as_what_their_keys_have_in_common() {
        let mut kept = Kept::default();
        for key in ["in/a", "in/deep/b", "in/deep/c", "other"] {
            ask(&mut kept, &format!("PUT /bench/{key} HTTP/1.1\r\n\r\n"));
        }
        let list = "GET /bench?list-type=2&prefix=in%2F&delimiter=%2F HTTP/1.1\r\n\r\n";
        let listed = ask(&mut kept, list).body;
        assert_eq!(listed.matches("<Key>").count(), 1, "{listed}");
        assert!(listed.contains("<Prefix>in/deep/</Prefix>"), "{listed}");
        assert!(Request::read(&mut &b""[..]).unwrap().is_none());
    }
}
