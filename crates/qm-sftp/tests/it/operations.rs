//! What each operation answers.

use crate::client::{
    BAD_MESSAGE, Body, EOF, EXCLUSIVE, FAILURE, NO_SUCH_FILE, OK, PERMISSION_DENIED, READ, Sftp,
    UNSUPPORTED, UPLOAD, WRITE,
};
use crate::fake::LISTING_BATCH;
use crate::house::{House, USER};

#[tokio::test]
async fn every_version_is_answered_with_ours_and_all_extensions() {
    let house = House::start().await;
    let connection = crate::client::logged_in(&house).await;
    for version in [3u8, 4, 6, 255] {
        let mut channel = connection.channel_open_session().await.unwrap();
        channel.request_subsystem(true, "sftp").await.unwrap();
        channel
            .data_bytes(vec![0, 0, 0, 5, 1, 0, 0, 0, version])
            .await
            .unwrap();
        let greeting = loop {
            if let russh::ChannelMsg::Data { data } = channel.wait().await.unwrap() {
                break data;
            }
        };
        assert_eq!(greeting[4..9], [2, 0, 0, 0, 3]);
        let text = String::from_utf8_lossy(&greeting);
        for extension in [
            "posix-rename@openssh.com",
            "limits@openssh.com",
            "fsync@openssh.com",
            "statvfs@openssh.com",
            "fstatvfs@openssh.com",
            "lsetstat@openssh.com",
            "expand-path@openssh.com",
            "home-directory",
        ] {
            assert!(text.contains(extension), "{extension}");
        }
        channel.close().await.unwrap();
    }
}

#[tokio::test]
async fn realpath_is_lexical_and_stays_within() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    for (path, expect) in [
        (&b"."[..], "/"),
        (b"", "/"),
        (b"a/../b//c/.", "/b/c"),
        (b"/../../etc/passwd", "/etc/passwd"),
        (b"nowhere", "/nowhere"),
    ] {
        assert_eq!(sftp.path(16, path).await.names(), [expect]);
    }
    for path in [&b"a\\b"[..], b"a\xff", b"a\0"] {
        let (code, message) = sftp.path(16, path).await.status();
        assert_eq!(code, FAILURE);
        assert!(message.contains("names"), "{message}");
    }
}

#[tokio::test]
async fn home_paths() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    for (extension, argument, expect) in [
        ("expand-path@openssh.com", "~", Ok("/")),
        ("expand-path@openssh.com", "~/in/a.csv", Ok("/in/a.csv")),
        ("expand-path@openssh.com", "~north/x", Ok("/x")),
        ("expand-path@openssh.com", "in/../b", Ok("/b")),
        ("expand-path@openssh.com", "~south/x", Err(NO_SUCH_FILE)),
        ("home-directory", USER, Ok("/")),
        ("home-directory", "", Ok("/")),
        ("home-directory", "root", Err(NO_SUCH_FILE)),
    ] {
        let reply = sftp.extended(extension, Body::new().string(argument)).await;
        match expect {
            Ok(path) => assert_eq!(reply.names(), [path], "{argument}"),
            Err(code) => assert_eq!(reply.code(), code, "{argument}"),
        }
    }
}

#[tokio::test]
async fn stat_and_its_kin() {
    let house = House::start().await;
    house.fake.put("a.csv", "12345");
    let mut sftp = Sftp::open(&house).await;
    for kind in [7, 17] {
        let (size, mode, modified) = sftp.path(kind, "/a.csv").await.attributes();
        assert_eq!((size, mode), (5, 0o100_644));
        assert_eq!(i64::from(modified), crate::fake::epoch().as_second());
        let (_, mode, _) = sftp.path(kind, "/").await.attributes();
        assert_eq!(mode, 0o040_755);
        assert_eq!(sftp.path(kind, "/b").await.code(), NO_SUCH_FILE);
        assert_eq!(sftp.path(kind, "/../b").await.code(), PERMISSION_DENIED);
    }
    let handle = sftp.handle("a.csv", READ).await;
    sftp.path(13, "a.csv").await;
    let (size, ..) = sftp.call(8, Body::new().string(&handle)).await.attributes();
    assert_eq!(size, 5, "an open file keeps its size without its name");
}

#[tokio::test]
async fn attributes_are_set_and_owners_ignored() {
    let house = House::start().await;
    house.fake.put("a.csv", "12345");
    let mut sftp = Sftp::open(&house).await;
    let times = || Body::new().string("a.csv").u32(8).u32(7).u32(1_000_000);
    let cases = [
        (times(), OK),
        (Body::new().string("a.csv").u32(4).u32(0o100_600), OK),
        (Body::new().string("a.csv").u32(2).u32(0).u32(0), OK),
        (Body::new().string("a.csv").u32(1).u64(5), OK),
        (Body::new().string("a.csv").u32(1).u64(4), UNSUPPORTED),
        (
            Body::new().string("b.csv").u32(2).u32(0).u32(0),
            NO_SUCH_FILE,
        ),
        (Body::new().string("b.csv").u32(4).u32(0o600), NO_SUCH_FILE),
    ];
    for (body, expect) in cases {
        assert_eq!(sftp.call(9, body.clone()).await.code(), expect);
        let lsetstat = sftp.extended("lsetstat@openssh.com", body).await;
        assert_eq!(lsetstat.code(), expect);
    }
    let (_, mode, modified) = sftp.path(17, "a.csv").await.attributes();
    assert_eq!((mode, modified), (0o100_600, 1_000_000));
}

#[tokio::test]
async fn folders_and_names() {
    let house = House::start().await;
    house.fake.put("a", "1");
    house.fake.put("b", "2");
    let mut sftp = Sftp::open(&house).await;
    let rename = |from: &str, to: &str| Body::new().string(from).string(to);
    assert_eq!(
        sftp.call(14, Body::new().string("in").u32(0)).await.code(),
        OK
    );
    assert_eq!(
        sftp.call(14, Body::new().string("in").u32(0)).await.code(),
        FAILURE
    );
    assert_eq!(sftp.path(15, "in").await.code(), OK);
    assert_eq!(sftp.path(15, "in").await.code(), NO_SUCH_FILE);
    assert_eq!(sftp.call(18, rename("a", "b")).await.code(), FAILURE);
    let posix = "posix-rename@openssh.com";
    assert_eq!(sftp.extended(posix, rename("a", "b")).await.code(), OK);
    assert_eq!(house.fake.bytes("b").unwrap(), b"1");
    assert_eq!(sftp.call(18, rename("b", "c")).await.code(), OK);
    assert_eq!(sftp.path(13, "c").await.code(), OK);
    assert_eq!(sftp.path(13, "c").await.code(), NO_SUCH_FILE);
}

#[tokio::test]
async fn what_is_not_offered_is_said() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let links = Body::new().string("a").string("b");
    assert_eq!(sftp.call(20, links.clone()).await.code(), UNSUPPORTED);
    assert_eq!(sftp.path(19, "a").await.code(), UNSUPPORTED);
    let hardlink = sftp.extended("hardlink@openssh.com", links).await;
    assert_eq!(hardlink.code(), UNSUPPORTED);
    assert_eq!(sftp.call(21, Body::new()).await.code(), UNSUPPORTED);
    // A body that is cut short spoils nothing but itself.
    assert_eq!(sftp.call(17, Body::new()).await.code(), BAD_MESSAGE);
    assert_eq!(sftp.path(16, ".").await.names(), ["/"]);
}

#[tokio::test]
async fn limits_and_space_are_honest() {
    use bytes::Buf as _;
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let mut limits = sftp.extended("limits@openssh.com", Body::new()).await.body;
    assert!(limits.get_u64() >= 256 * 1024);
    assert_eq!(
        (limits.get_u64(), limits.get_u64(), limits.get_u64()),
        (261_120, 261_120, 64)
    );
    let root = sftp.handle("f", UPLOAD).await;
    for (extension, argument) in [
        ("statvfs@openssh.com", &b"/"[..]),
        ("fstatvfs@openssh.com", &root),
    ] {
        let mut space = sftp
            .extended(extension, Body::new().string(argument))
            .await
            .body;
        let fields: Vec<u64> = (0..11).map(|_| space.get_u64()).collect();
        assert_eq!(fields[..5], [4096, 4096, 8192, 4096, 4096]);
        assert_eq!(fields[5..8], [1000, 900, 900]);
    }
}

#[tokio::test]
async fn a_large_folder_is_listed_in_pieces() {
    let house = House::start().await;
    for number in 0..10_000 {
        house.fake.put(&format!("file-{number:05}.csv"), "x");
    }
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.path(11, "/").await.string();
    let readdir = || Body::new().string(&handle);
    let first = sftp.call(12, readdir()).await;
    assert!(first.body.len() < 34_000, "{}", first.body.len());
    let mut names = first.names();
    assert_eq!(names[..2], [".", ".."]);
    assert_eq!(
        house.fake.state.lock().listed,
        1,
        "only what is sent is read"
    );
    loop {
        let reply = sftp.call(12, readdir()).await;
        if reply.kind == 101 {
            assert_eq!(reply.code(), EOF);
            break;
        }
        names.extend(reply.names());
    }
    assert_eq!(names.len(), 10_002);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 10_002);
    assert_eq!(
        house.fake.state.lock().listed,
        10_000usize.div_ceil(LISTING_BATCH)
    );
    assert_eq!(sftp.close(&handle).await.code(), OK);
    assert_eq!(sftp.path(11, "/nowhere").await.code(), NO_SUCH_FILE);
}

#[tokio::test]
async fn opens_that_are_refused() {
    let house = House::start().await;
    house.fake.put("a.csv", "1");
    let mut sftp = Sftp::open(&house).await;
    for (name, flags, expect) in [
        ("b.csv", READ, NO_SUCH_FILE),
        ("b.csv", WRITE, NO_SUCH_FILE),
        ("a.csv", UPLOAD | EXCLUSIVE, FAILURE),
        ("a.csv", READ | crate::client::TRUNCATE, FAILURE),
        ("a.exe", UPLOAD, PERMISSION_DENIED),
        ("../a.csv", UPLOAD, PERMISSION_DENIED),
        ("a\u{202e}.csv", UPLOAD, FAILURE),
    ] {
        let (code, message) = sftp.open_file(name, flags).await.status();
        assert_eq!(code, expect, "{name:?}");
        assert!(message.len() > 10, "{message}");
    }
    assert_eq!(house.fake.state.lock().open_uploads, 0);
}
