//! Several files as one configuration, in memory and on disk.

use qm_core::config::BucketPlace;
use std::io::{Error, ErrorKind};
use std::path::Path;
use tempfile::TempDir;

use super::read;
use crate::config::files::unreadable;
use crate::config::{Problem, load};

#[test]
fn a_table_may_be_spread_over_files() {
    let config = read(&[
        (
            "quaymaster.toml",
            "[node]\ndata = \"data\"\n[bucket.landing]\nurl = \"file://landing\"\n",
        ),
        (
            "conf.d/north.toml",
            "[partner.p.account.north]\nmailbox = \"landing/north\"\n",
        ),
        (
            "conf.d/south.toml",
            "node.partial_kept = \"1h\"\n[partner.p.account.south]\nmailbox = \"landing/south\"\n",
        ),
    ])
    .unwrap();
    assert_eq!(config.accounts.len(), 2);
    assert_eq!(config.node.partial_kept.as_secs(), 3_600);
}

#[test]
fn a_key_set_in_two_files_names_both() {
    let problems = read(&[
        ("quaymaster.toml", "[node]\ndata = \"data\"\n"),
        (
            "conf.d/a.toml",
            "[node]\n  data = \"other\"\n[bucket]\nlanding = 1\n",
        ),
        (
            "conf.d/b.toml",
            "[bucket.landing]\nurl = \"file://landing\"\n",
        ),
    ])
    .unwrap_err();
    assert_eq!(
        problems,
        [
            "conf.d/a.toml:2:3: `data` is set twice
    2 |   data = \"other\"
      |   ^^^^
  help: it is also set at quaymaster.toml:2:1; keep one of the two",
            "conf.d/a.toml:4:1: `landing` is a whole number, but [bucket] holds only tables
    4 | landing…
      | ^^^^^^^
  help: give it a name: [bucket.NAME]",
            "conf.d/b.toml:1:9: `landing` is set twice
    1 | [bucket.landing]
      |         ^^^^^^^
  help: it is also set at conf.d/a.toml:4:1; keep one of the two",
        ]
    );
}

#[test]
fn broken_lines_of_all_files_are_told_and_nothing_is_guessed_from_them() {
    let problems = read(&[
        (
            "quaymaster.toml",
            "[node]\ndata = \n[bucket.landing\nurl = 1\n",
        ),
        ("conf.d/a.toml", "colour = \"blue\nsize = 1\n"),
    ])
    .unwrap_err();
    let places: Vec<&str> = problems
        .iter()
        .map(|problem| problem.split(": ").next().unwrap_or_default())
        .collect();
    assert!(places.contains(&"quaymaster.toml:2:8"), "{problems:#?}");
    assert!(places.iter().any(|p| p.starts_with("quaymaster.toml:3:")));
    assert!(places.iter().any(|p| p.starts_with("conf.d/a.toml:1:")));
    assert!(
        problems.iter().all(|p| p.contains("not valid TOML")),
        "{problems:#?}"
    );
    let remedy = "\n  help: a line is `[table]`, `key = \"text\"`";
    assert!(problems.iter().all(|p| p.contains(remedy)), "{problems:#?}");
}

#[test]
fn a_key_set_twice_in_one_file_hides_no_other_mistake() {
    let problems = read(&[(
        "quaymaster.toml",
        "[node]\ndata = \"a\"\ndata = \"b\"\n[listen.sftp]\nadress = \"x\"\n[node]\nalert = []\n",
    )])
    .unwrap_err();
    let first_lines: Vec<&str> = problems.iter().filter_map(|p| p.lines().next()).collect();
    assert_eq!(
        first_lines,
        [
            "quaymaster.toml:3:1: `data` is set twice in this file",
            "quaymaster.toml:5:1: unknown key `adress` in [listen.sftp]",
            "quaymaster.toml:6:2: `node` is set twice in this file",
        ]
    );
}

#[test]
fn columns_are_characters_and_tabs_stay_tabs() {
    let problems = read(&[(
        "quaymaster.toml",
        "node.data = \"data\"\nlisten.sftp = { idle = \"30m\", \"größe\" = 1 }\r\n\tbucket.b.url = 7\r\n",
    )])
    .unwrap_err();
    assert_eq!(
        problems,
        [
            "quaymaster.toml:2:31: unknown key `größe` in [listen.sftp]
    2 | listen.sftp = { idle = \"30m\", \"größe\"…
      |                               ^^^^^^^
  help: known here: address, connections_max, connections_per_account_max, idle, host_key",
            "quaymaster.toml:3:17: url: a text in quotes is needed, not a whole number
    3 | \tbucket.b.url = 7
      | \t               ^
  help: write one text in quotes",
        ]
    );
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("below the folder")).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn the_folder_beside_the_file() {
    let folder = TempDir::new().unwrap();
    let base = folder.path();
    let file = base.join("quaymaster.toml");
    write(base, "quaymaster.toml", b"node.data = \"data\"");
    assert!(load(&file).unwrap().config.buckets.is_empty());

    write(base, "conf.d/b.toml", b"bucket.b.url = \"file://./b\"");
    write(base, "conf.d/a.toml", b"bucket.a.url = \"file://a/\"");
    write(base, "conf.d/.hidden.toml", b"this is no TOML");
    write(base, "conf.d/notes.txt", b"this neither");
    let config = load(&file).unwrap().config;
    assert_eq!(config.node.data, base.join("data"));
    let places: Vec<_> = config.buckets.values().map(|b| b.place.clone()).collect();
    assert_eq!(
        places,
        ["a", "b"].map(|name| BucketPlace::Directory(base.join(name))),
        "not from conf.d, but from the file's folder"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = TempDir::new().unwrap();
    let base = folder.path();
    let file = base.join("quaymaster.toml");
    let folder_of_test = format!("{}/", base.display());
    let told = |file: &Path| -> Vec<(String, String)> {
        let told = |problem: &Problem| {
            let text = problem.to_string().replace(&folder_of_test, "");
            let (message, help) = text.split_once("\n  help: ").expect("a remedy");
            (message.to_owned(), help.to_owned())
        };
        load(file).unwrap_err().iter().map(told).collect()
    };
    let found = told(&file);
    let [(message, help)] = &found[..] else {
        panic!("not one problem");
    };
    assert_eq!(
        message,
        "quaymaster.toml: cannot be read: No such file or directory (os error 2)"
    );
    assert!(help.contains("`-c FILE`"), "{help}");
    assert!(help.contains("`sudo quaymaster install`"), "{help}");
    write(base, "quaymaster.toml", b"node.data = \"data\"\n# \xff\n");
    std::fs::create_dir_all(base.join("conf.d/folder.toml")).unwrap();
    let not_utf8 = (
        "quaymaster.toml: line 2 is not UTF-8 text".to_owned(),
        "save the file as UTF-8".to_owned(),
    );
    let no_file = (
        "conf.d/folder.toml: is not a file".to_owned(),
        "name the file itself, as in `quaymaster check quaymaster.toml`; nothing else may end in .toml in conf.d"
            .to_owned(),
    );
    assert_eq!(told(&file), [not_utf8, no_file.clone()]);
    assert_eq!(told(&base.join("conf.d/folder.toml")), [no_file]);
    write(base, "large.toml", &vec![b'#'; 8 * 1024 * 1024 + 1]);
    std::fs::remove_dir(base.join("conf.d/folder.toml")).unwrap();
    assert_eq!(
        told(&base.join("large.toml")),
        [(
            "large.toml: is larger than 8 MiB".to_owned(),
            "see that it is the configuration; a large one may be spread over files in conf.d"
                .to_owned()
        )]
    );
}

#[test]
fn every_error_of_a_file_has_its_remedy() {
    let file = Path::new("quaymaster.toml");
    for (kind, expect) in [
        (ErrorKind::NotFound, "install"),
        (ErrorKind::PermissionDenied, "as the node's user"),
        (ErrorKind::Other, "its disk"),
    ] {
        let problem = unreadable(file, &Error::from(kind)).to_string();
        assert!(problem.contains(": cannot be read: "), "{problem}");
        let (_, help) = problem.split_once("\n  help: ").expect("a remedy");
        assert!(help.contains(expect), "{help}");
    }
}

#[test]
fn two_names_for_one_folder_are_seen_through() {
    let folder = TempDir::new().unwrap();
    let base = folder.path();
    std::fs::create_dir(base.join("real")).unwrap();
    std::os::unix::fs::symlink(base.join("real"), base.join("link")).unwrap();
    write(
        base,
        "quaymaster.toml",
        b"node.data = \"data\"\nbucket.a.url = \"file://real/x\"\nbucket.b.url = \"file://link/x\"\n",
    );
    let problems = load(&base.join("quaymaster.toml")).unwrap_err();
    let text = problems[0].to_string();
    assert!(
        text.contains(":3:16: the folder of bucket `a` is also the folder of bucket `b`")
            || text.contains(":3:16: the folder of bucket `b` is also the folder of bucket `a`"),
        "{text}"
    );
}
